//! The node's one timer for all its connections: heartbeats, and in the drain, when each connection
//! is closed.
//!
//! A timer wheel that turns once in a heartbeat's time; the connections of each bucket are woken
//! when its tick comes. The wheel holds weak references: a connection leaves it by ending.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use rand::{Rng, seq::SliceRandom};
use tokio::time::{Instant, MissedTickBehavior, interval};
use waitingroom_server::start_and_drain::Lifecycle;

use super::mailbox::{Mailbox, WakeReasons};

/// Max time between two buckets: heartbeats of many connections are spread this finely.
const WHEEL_TICK: Duration = Duration::from_millis(50);

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct HeartbeatWheel {
    heartbeat: Duration,
    tick_interval: Duration,
    state: Mutex<WheelState>,
}

#[derive(Debug)]
struct WheelState {
    buckets: Vec<Vec<Weak<Mailbox>>>,
    at: usize,
    closed: bool,
}

/// Connections in the order in which they are closed, and when.
type DrainSchedule = Vec<(Duration, Weak<Mailbox>)>;

impl HeartbeatWheel {
    /// A wheel that turns once in this time.
    pub(crate) fn new(heartbeat: Duration) -> Self {
        let tick_interval = WHEEL_TICK.min(heartbeat);
        let buckets =
            (heartbeat.as_nanos() / tick_interval.as_nanos().max(1)).clamp(1, 1 << 16) as usize;

        Self {
            heartbeat,
            tick_interval,
            state: Mutex::new(WheelState {
                buckets: vec![Vec::new(); buckets],
                at: 0,
                closed: false,
            }),
        }
    }

    /// Time between two heartbeats of a connection.
    pub(crate) fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// Adds a connection to the current bucket: its first heartbeat is due after one turn. In the
    /// drain it is closed at once.
    pub(crate) fn register(&self, mailbox: &Arc<Mailbox>) {
        let mut state = self.state.lock();
        if state.closed {
            mailbox.wake(WakeReasons::DRAIN_NOTICE | WakeReasons::CLOSE);
        }
        let at = state.at;
        state.buckets[at].push(Arc::downgrade(mailbox));
    }

    /// Turns until all connections are closed in the drain, which takes `window`.
    pub(crate) async fn run(&self, lifecycle: &Lifecycle, window: Duration) {
        let mut ticks = interval(self.tick_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while !lifecycle.is_draining() {
            tokio::select! { _ = ticks.tick() => self.tick(), () = lifecycle.draining() => {} }
        }

        let drain_began = Instant::now();
        let mut schedule = self.schedule_drain(window);
        while !schedule.is_empty() {
            ticks.tick().await;
            self.tick();

            let due = schedule.partition_point(|(after, _)| *after <= drain_began.elapsed());
            schedule
                .drain(..due)
                .filter_map(|(_, mailbox)| mailbox.upgrade())
                .for_each(|mailbox| mailbox.wake(WakeReasons::CLOSE));
        }
    }

    /// Moves on by one bucket and wakes its connections.
    fn tick(&self) {
        let mut state = self.state.lock();
        state.at = (state.at + 1) % state.buckets.len();
        let at = state.at;

        let bucket = &mut state.buckets[at];
        bucket.retain(|mailbox| {
            mailbox
                .upgrade()
                .map(|mailbox| mailbox.wake(WakeReasons::HEARTBEAT))
                .is_some()
        });
        if bucket.capacity() > 2 * bucket.len() + 8 {
            bucket.shrink_to_fit();
        }
    }

    /// Announces to all connections when each is closed: spread evenly over the window, in random
    /// order.
    fn schedule_drain(&self, window: Duration) -> DrainSchedule {
        let mut connections = {
            let mut state = self.state.lock();
            state.closed = true;
            state.buckets.iter().flatten().cloned().collect::<Vec<_>>()
        };

        let mut random = rand::rng();
        connections.shuffle(&mut random);
        let share = window / u32::try_from(connections.len()).unwrap_or(u32::MAX).max(1);
        let times = (0..).map(|at| share * at + share.mul_f64(random.random()));
        let schedule: DrainSchedule = times.zip(connections).collect();

        for (after, mailbox) in &schedule {
            if let Some(mailbox) = mailbox.upgrade() {
                mailbox.announce_drain(*after);
            }
        }
        schedule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(mailbox: &Mailbox) -> Option<WakeReasons> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match mailbox.poll_wake(&mut context) {
            std::task::Poll::Ready(due) => Some(due),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn wakes_each_connection_once_a_turn() {
        let wheel = HeartbeatWheel::new(Duration::from_millis(500));
        let mailboxes: Vec<Arc<Mailbox>> = (0..30).map(|_| Arc::default()).collect();

        for three in mailboxes.chunks(3) {
            three.iter().for_each(|mailbox| wheel.register(mailbox));
            wheel.tick();
        }

        assert!(
            mailboxes[3..].iter().all(|mailbox| due(mailbox).is_none()),
            "none before its time"
        );

        for _ in 0..2 {
            (0..10).for_each(|_| wheel.tick());
            assert!(mailboxes.iter().all(|mailbox| {
                due(mailbox).is_some_and(|due| due.contains(WakeReasons::HEARTBEAT))
            }));
        }

        drop(mailboxes);
        (0..10).for_each(|_| wheel.tick());

        assert!(
            wheel.state.lock().buckets.iter().all(Vec::is_empty),
            "ended connections are dropped"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn spreads_closes_over_drain_window() {
        let (lifecycle, _crashes) = Lifecycle::new();
        let (wheel, window) = (
            HeartbeatWheel::new(Duration::from_secs(15)),
            Duration::from_secs(4),
        );
        let mailboxes: Vec<Arc<Mailbox>> = (0..400).map(|_| Arc::default()).collect();

        mailboxes.iter().for_each(|mailbox| wheel.register(mailbox));
        lifecycle.begin_drain();

        let left_at = |mailbox: &Mailbox, quarter: usize| {
            due(mailbox)
                .filter(|due| due.contains(WakeReasons::CLOSE))
                .map(|_| (quarter, mailbox.drain_delay()))
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

        let ((), left) = tokio::join!(wheel.run(&lifecycle, window), watch);
        for quarter in 0..4 {
            let count = left.iter().filter(|(at, _)| *at == quarter).count();
            assert!((90..=110).contains(&count), "{count} in quarter {quarter}");
        }

        for (quarter, announced) in left {
            let announced = announced.as_secs_f64();
            assert!(
                announced >= quarter as f64 - 0.1 && announced <= quarter as f64 + 1.0,
                "announced {announced} s, left in {quarter}"
            );
        }

        let late = Arc::new(Mailbox::default());
        wheel.register(&late);

        assert!(
            due(&late).is_some_and(|due| due.contains(WakeReasons::CLOSE)),
            "closed at once in the drain"
        );
    }
}
