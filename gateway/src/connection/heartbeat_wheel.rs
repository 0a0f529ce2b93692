//! The node's one timer for all its connections: whose heartbeat is due, and in the drain, who
//! leaves when.
//!
//! Connections stand on a wheel that turns once in a heartbeat's time; whoever stands where it
//! comes by is woken. A connection leaves the wheel by ending: the wheel holds none of them alive.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use rand::{Rng, seq::SliceRandom};
use tokio::time::{Instant, MissedTickBehavior, interval};
use waitingroom::lifecycle::Lifecycle;

use super::mailbox::{Mailbox, WakeReasons};

/// How far apart in time the wheel's spokes stand: heartbeats of many connections are spread this
/// finely.
const STEP: Duration = Duration::from_millis(50);

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct HeartbeatWheel {
    step: Duration,
    wheel: Mutex<WheelState>,
}

#[derive(Debug)]
struct WheelState {
    spokes: Vec<Vec<Weak<Mailbox>>>,
    at: usize,
    closed: bool,
}

/// Connections in the order in which they leave, and when.
type DrainSchedule = Vec<(Duration, Weak<Mailbox>)>;

impl HeartbeatWheel {
    /// A wheel that comes by each connection once in this time.
    pub(crate) fn new(heartbeat: Duration) -> Self {
        let step = STEP.min(heartbeat);
        let spokes = (heartbeat.as_nanos() / step.as_nanos().max(1)).clamp(1, 1 << 16) as usize;
        Self {
            step,
            wheel: Mutex::new(WheelState {
                spokes: vec![Vec::new(); spokes],
                at: 0,
                closed: false,
            }),
        }
    }

    /// Puts a connection where the wheel has just been: its first heartbeat is due in a heartbeat's
    /// time. In the drain it is sent away at once.
    pub(crate) fn enter(&self, mailbox: &Arc<Mailbox>) {
        let mut wheel = self.wheel.lock();
        if wheel.closed {
            mailbox.wake(WakeReasons::WARNING.and(WakeReasons::LEAVE));
        }
        let at = wheel.at;
        wheel.spokes[at].push(Arc::downgrade(mailbox));
    }

    /// Turns until everybody has left in the drain, which takes `window`.
    pub(crate) async fn run(&self, lifecycle: &Lifecycle, window: Duration) {
        let mut steps = interval(self.step);
        steps.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while !lifecycle.is_draining() {
            tokio::select! { _ = steps.tick() => self.turn(), () = lifecycle.draining() => {} }
        }
        let (begun, mut leaving) = (Instant::now(), self.send_away(window));
        while !leaving.is_empty() {
            steps.tick().await;
            self.turn();
            let gone = leaving.partition_point(|(after, _)| *after <= begun.elapsed());
            leaving
                .drain(..gone)
                .filter_map(|(_, mailbox)| mailbox.upgrade())
                .for_each(|mailbox| mailbox.wake(WakeReasons::LEAVE));
        }
    }

    /// Moves on by one spoke and wakes who stands there.
    fn turn(&self) {
        let mut wheel = self.wheel.lock();
        wheel.at = (wheel.at + 1) % wheel.spokes.len();
        let at = wheel.at;
        let spoke = &mut wheel.spokes[at];
        spoke.retain(|mailbox| {
            mailbox
                .upgrade()
                .map(|mailbox| mailbox.wake(WakeReasons::HEARTBEAT))
                .is_some()
        });
        if spoke.capacity() > 2 * spoke.len() + 8 {
            spoke.shrink_to_fit();
        }
    }

    /// Tells everybody at once when they are to leave: spread evenly over the window, in no order
    /// of theirs.
    fn send_away(&self, window: Duration) -> DrainSchedule {
        let mut everybody = {
            let mut wheel = self.wheel.lock();
            wheel.closed = true;
            wheel.spokes.iter().flatten().cloned().collect::<Vec<_>>()
        };
        let mut random = rand::rng();
        everybody.shuffle(&mut random);
        let share = window / u32::try_from(everybody.len()).unwrap_or(u32::MAX).max(1);
        let moments = (0..).map(|at| share * at + share.mul_f64(random.random()));
        let leaving: DrainSchedule = moments.zip(everybody).collect();
        for (after, mailbox) in &leaving {
            if let Some(mailbox) = mailbox.upgrade() {
                mailbox.warn(*after);
            }
        }
        leaving
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(mailbox: &Mailbox) -> Option<WakeReasons> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match mailbox.poll_due(&mut context) {
            std::task::Poll::Ready(due) => Some(due),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn each_connection_is_woken_once_a_turn_and_first_after_one() {
        let pulse = HeartbeatWheel::new(Duration::from_millis(500));
        let mailboxes: Vec<Arc<Mailbox>> = (0..30).map(|_| Arc::default()).collect();
        for three in mailboxes.chunks(3) {
            three.iter().for_each(|mailbox| pulse.enter(mailbox));
            pulse.turn();
        }
        assert!(
            mailboxes[3..].iter().all(|mailbox| due(mailbox).is_none()),
            "nobody before their time"
        );
        for _ in 0..2 {
            (0..10).for_each(|_| pulse.turn());
            assert!(
                mailboxes
                    .iter()
                    .all(|mailbox| due(mailbox).is_some_and(|due| due.has(WakeReasons::HEARTBEAT)))
            );
        }
        drop(mailboxes);
        (0..10).for_each(|_| pulse.turn());
        assert!(
            pulse.wheel.lock().spokes.iter().all(Vec::is_empty),
            "who ended is forgotten"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_tells_all_at_once_and_spreads_them_over_the_window() {
        let (lifecycle, _crashes) = Lifecycle::new();
        let (pulse, window) = (
            HeartbeatWheel::new(Duration::from_secs(15)),
            Duration::from_secs(4),
        );
        let mailboxes: Vec<Arc<Mailbox>> = (0..400).map(|_| Arc::default()).collect();
        mailboxes.iter().for_each(|mailbox| pulse.enter(mailbox));
        lifecycle.begin_drain();
        let left_at = |mailbox: &Mailbox, quarter: usize| {
            due(mailbox)
                .filter(|due| due.has(WakeReasons::LEAVE))
                .map(|_| (quarter, mailbox.leaves_after()))
        };
        let watch = async {
            let mut left = Vec::new();
            for quarter in 0..4 {
                tokio::time::sleep(window / 4).await;
                left.extend(
                    mailboxes
                        .iter()
                        .filter_map(|mailbox| left_at(mailbox, quarter)),
                );
            }
            left
        };
        let ((), left) = tokio::join!(pulse.run(&lifecycle, window), watch);
        for quarter in 0..4 {
            let count = left.iter().filter(|(at, _)| *at == quarter).count();
            assert!((90..=110).contains(&count), "{count} in quarter {quarter}");
        }
        for (quarter, told) in left {
            let told = told.as_secs_f64();
            assert!(
                told >= quarter as f64 - 0.1 && told <= quarter as f64 + 1.0,
                "told {told} s, left in {quarter}"
            );
        }
        let late = Arc::new(Mailbox::default());
        pulse.enter(&late);
        assert!(
            due(&late).is_some_and(|due| due.has(WakeReasons::LEAVE)),
            "who comes in the drain is sent on"
        );
    }
}
