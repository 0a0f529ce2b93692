//! How booking is at this moment: how long reservations take, how many fail, how the database answers. What the waiting room
//! slows the line by ([`waitingroom::pace`]).

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use waitingroom::vitals::BookingVitals;

use crate::{desk::Desk, store::StoreError};

/// Answers are counted by the second they came in, and that many seconds are looked back on besides the present one.
const SECONDS: u64 = 2;
/// Times to an answer are counted in classes: the n-th ends at 1 ms × 1.25^n.
const CLASSES: usize = 48;
const CLASS_GROWTH: f64 = 1.25;
/// Requests under way are counted by the tenth of a second they came in.
const ARRIVAL: Duration = Duration::from_millis(100);
/// Longest wait for the database when it is asked how it is.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// Answers of one second.
#[derive(Debug)]
struct Second {
    number: u64,
    failed: u64,
    classes: [u32; CLASSES],
}

#[derive(Debug, Default)]
struct State {
    seconds: VecDeque<Second>,
    /// Requests under way by their time of arrival, oldest first; few, since they end in seconds.
    under_way: VecDeque<(u64, u32)>,
    database: Duration,
    asked_database_at: Option<Instant>,
    outbox_lag: Duration,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Pulse {
    began: Instant,
    state: Mutex<State>,
    database: Presence,
}

/// Is the database there? A probe may fail because everybody else has the connections: while reservations are stored, it is.
#[derive(Debug, Default)]
struct Presence {
    is_away: AtomicBool,
    has_stored: AtomicBool,
}

impl Presence {
    fn ask(&self) {
        self.has_stored.store(false, Ordering::Relaxed);
    }

    fn answered(&self, answered: bool) {
        self.is_away.store(!answered && !self.has_stored.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn stored(&self) {
        self.has_stored.store(true, Ordering::Relaxed);
    }
}

/// One reservation under way; counted as gone without an answer when dropped.
#[derive(Debug)]
pub(crate) struct Beat<'a> {
    pulse: &'a Pulse,
    came: Instant,
    /// The tenth of a second it is counted in.
    arrival: u64,
    /// When it was answered, and whether with a 5xx.
    answer: Option<(Instant, bool)>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { began: Instant::now(), state: Mutex::default(), database: Presence::default() }
    }
}

impl Pulse {
    /// A reservation begins.
    pub(crate) fn begin(&self, now: Instant) -> Beat<'_> {
        let arrival = (now.saturating_duration_since(self.began).as_millis() / ARRIVAL.as_millis()) as u64;
        let arrival = self.state.lock().came(arrival);
        Beat { pulse: self, came: now, arrival, answer: None }
    }

    fn second(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_secs()
    }

    pub(crate) fn set_outbox_lag(&self, lag: Duration) {
        self.state.lock().outbox_lag = lag;
    }

    /// Did the last probe find no database? Then nothing that needs one is begun.
    pub(crate) fn database_is_away(&self) -> bool {
        self.database.is_away.load(Ordering::Relaxed)
    }

    /// The database has stored something.
    pub(crate) fn stored(&self) {
        self.database.stored();
    }

    /// Is a reservation under way?
    pub(crate) fn is_busy(&self) -> bool {
        !self.state.lock().under_way.is_empty()
    }

    fn ask_database(&self, now: Instant) {
        self.database.ask();
        self.state.lock().asked_database_at = Some(now);
    }

    fn database_answered(&self, took: Duration) {
        let mut state = self.state.lock();
        (state.database, state.asked_database_at) = (took, None);
    }

    /// The vitals at `now`, with `waiting` of `capacity` places before the group commit taken.
    pub(crate) fn vitals(&self, now: Instant, waiting: u64, capacity: u64) -> BookingVitals {
        let this_second = self.second(now);
        let mut state = self.state.lock();
        state.forget_before(this_second.saturating_sub(SECONDS));
        let mut classes = state.classes();
        let answered: u64 = classes.iter().sum();
        let failed: u64 = state.seconds.iter().map(|second| second.failed).sum();
        // Whoever is under way for longer than most were is among the slowest, whenever the answer comes.
        let usual = quantile(&classes, 0.5).unwrap_or(0.0);
        for (arrival, count) in &state.under_way {
            let age_ms =
                now.saturating_duration_since(self.began + ARRIVAL * (*arrival as u32 + 1)).as_secs_f64() * 1000.0;
            if age_ms > usual {
                classes[class_of(age_ms)] += u64::from(*count);
            }
        }
        let asked = state.asked_database_at.map(|asked| now.saturating_duration_since(asked));
        BookingVitals {
            reserves_per_second: answered as f64 / (SECONDS as f64 + part_of_second(now, self.began)),
            reserve_p50_ms: quantile(&classes, 0.5),
            reserve_p95_ms: quantile(&classes, 0.95),
            error_share: if answered == 0 { 0.0 } else { failed as f64 / answered as f64 },
            database_ms: asked.unwrap_or_default().max(state.database).as_secs_f64() * 1000.0,
            commit_waiting: waiting,
            commit_capacity: capacity,
            outbox_lag_seconds: state.outbox_lag.as_secs_f64(),
        }
    }
}

fn part_of_second(now: Instant, began: Instant) -> f64 {
    f64::from(now.saturating_duration_since(began).subsec_millis()) / 1000.0
}

impl State {
    fn forget_before(&mut self, second: u64) {
        while self.seconds.front().is_some_and(|oldest| oldest.number < second) {
            self.seconds.pop_front();
        }
    }

    fn classes(&self) -> [u64; CLASSES] {
        let mut sum = [0; CLASSES];
        for second in &self.seconds {
            sum.iter_mut().zip(&second.classes).for_each(|(sum, count)| *sum += u64::from(*count));
        }
        sum
    }

    /// Counts one more under way; where that was counted, for [`State::left`].
    fn came(&mut self, arrival: u64) -> u64 {
        match self.under_way.back_mut() {
            Some((latest, count)) if *latest >= arrival => {
                *count += 1;
                *latest
            }
            _ => {
                self.under_way.push_back((arrival, 1));
                arrival
            }
        }
    }

    fn left(&mut self, arrival: u64) {
        if let Some((_, count)) = self.under_way.iter_mut().rev().find(|(known, _)| *known == arrival) {
            *count = count.saturating_sub(1);
        }
        while self.under_way.front().is_some_and(|(_, count)| *count == 0) {
            self.under_way.pop_front();
        }
    }

    fn answered(&mut self, second: u64, took_ms: f64, failed: bool) {
        self.forget_before(second.saturating_sub(SECONDS));
        if self.seconds.back().is_none_or(|latest| latest.number < second) {
            self.seconds.push_back(Second { number: second, failed: 0, classes: [0; CLASSES] });
        }
        if let Some(latest) = self.seconds.back_mut() {
            latest.classes[class_of(took_ms)] += 1;
            latest.failed += u64::from(failed);
        }
    }
}

impl Beat<'_> {
    /// The reservation was answered; `failed` where with a 5xx.
    pub(crate) fn end(mut self, now: Instant, failed: bool) {
        self.answer = Some((now, failed));
    }
}

impl Drop for Beat<'_> {
    fn drop(&mut self) {
        let mut state = self.pulse.state.lock();
        state.left(self.arrival);
        if let Some((now, failed)) = self.answer {
            let took_ms = now.saturating_duration_since(self.came).as_secs_f64() * 1000.0;
            state.answered(self.pulse.second(now), took_ms, failed);
        }
    }
}

fn class_of(ms: f64) -> usize {
    (ms.max(1.0).log(CLASS_GROWTH).ceil() as usize).min(CLASSES - 1)
}

/// The upper end of the class that this share of the counted lies in or below.
fn quantile(classes: &[u64; CLASSES], share: f64) -> Option<f64> {
    let all: u64 = classes.iter().sum();
    let wanted = (all as f64 * share).ceil() as u64;
    let mut counted = 0;
    let class = classes.iter().position(|count| {
        counted += count;
        all > 0 && counted >= wanted
    });
    class.map(|class| CLASS_GROWTH.powi(class as i32))
}

impl Desk {
    /// Asks the database for next to nothing, to learn how long that takes: also while nobody reserves.
    pub(crate) async fn probe_database(&self) -> Result<(), StoreError> {
        let asked = Instant::now();
        self.pulse.ask_database(asked);
        let late = |_| StoreError::Unavailable("no answer to a probe".into());
        let answer = tokio::time::timeout(PROBE_DEADLINE, self.store().revision()).await.map_err(late);
        let took = asked.elapsed();
        let answer = answer.and_then(|answer| answer.map(drop));
        self.pulse.database_answered(if answer.is_ok() { took } else { took.max(PROBE_DEADLINE) });
        self.pulse.database.answered(answer.is_ok());
        answer
    }

    /// The vitals at this moment.
    pub(crate) fn vitals(&self) -> BookingVitals {
        let (waiting, capacity) = self.committer.waiting();
        self.pulse.vitals(Instant::now(), waiting, capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(value: Option<f64>, ms: f64) -> bool {
        value.is_some_and(|value| (ms..ms * 1.3).contains(&value))
    }

    #[test]
    fn slow_answers_failures_and_silence_are_seen_and_forgotten() {
        let (pulse, start) = (Pulse::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(pulse.vitals(at(0), 0, 9).reserve_p95_ms, None);
        for n in 0..100 {
            let beat = pulse.begin(at(n));
            beat.end(at(n + if n < 90 { 10 } else { 600 }), n < 5);
        }
        let vitals = pulse.vitals(at(900), 3, 9);
        assert!(about(vitals.reserve_p50_ms, 10.0) && about(vitals.reserve_p95_ms, 600.0), "{vitals:?}");
        assert_eq!((vitals.error_share, vitals.commit_waiting, vitals.commit_capacity), (0.05, 3, 9));
        let later = pulse.vitals(at(4_000), 0, 9);
        assert_eq!((later.reserve_p95_ms, later.error_share, later.reserves_per_second), (None, 0.0, 0.0));
    }

    #[test]
    fn requests_that_hang_count_by_their_age() {
        let (pulse, start) = (Pulse::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        (0..100).for_each(|n| pulse.begin(at(n)).end(at(n + 5), false));
        let hanging: Vec<_> = (0..10).map(|_| pulse.begin(at(200))).collect();
        assert!(about(pulse.vitals(at(250), 0, 9).reserve_p95_ms, 5.0), "they have only come");
        let p95 = pulse.vitals(at(1_300), 0, 9).reserve_p95_ms;
        assert!(p95.is_some_and(|p95| (1_000.0..1_400.0).contains(&p95)), "{p95:?}");
        drop(hanging);
        assert!(about(pulse.vitals(at(1_300), 0, 9).reserve_p95_ms, 5.0), "they have gone");
        assert!(pulse.state.lock().under_way.is_empty());
    }

    #[test]
    fn a_database_is_away_when_a_probe_failed_and_nobody_was_stored_meanwhile() {
        let presence = Presence::default();
        let is_away = |stored: bool, answered: bool| {
            presence.ask();
            if stored {
                presence.stored();
            }
            presence.answered(answered);
            presence.is_away.load(Ordering::Relaxed)
        };
        assert_eq!([(true, false), (false, false), (false, true)].map(|(s, a)| is_away(s, a)), [false, true, false]);
    }

    #[test]
    fn a_database_that_does_not_answer_is_slow_at_once() {
        let (pulse, start) = (Pulse::default(), Instant::now());
        pulse.ask_database(start);
        pulse.database_answered(Duration::from_millis(2));
        pulse.ask_database(start + Duration::from_millis(500));
        let vitals = pulse.vitals(start + Duration::from_millis(1_400), 0, 9);
        assert_eq!(vitals.database_ms, 900.0);
    }
}
