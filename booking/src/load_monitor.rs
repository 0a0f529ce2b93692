//! How booking is at this moment: how long reservations take, how many fail, how the database
//! answers, whether anything can be booked at all. What the waiting room slows the line by, or
//! stops it ([`waitingroom::pace`]).

mod reachability;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use waitingroom::{
    engine::{EngineError, LineStatus},
    ids::EventId,
    vitals::BookingVitals,
};

use self::reachability::{DatabaseReachability, QueueReachability};
use crate::{
    model::event::Event,
    state::AppState,
    store::{Outage, StoreError},
};

/// Answers are counted by the second they came in, and that many seconds are looked back on besides
/// the present one.
const SECONDS: u64 = 2;
/// Times to an answer are counted in classes: the n-th ends at 1 ms × 1.25^n.
const CLASSES: usize = 48;
const CLASS_GROWTH: f64 = 1.25;
/// Requests under way are counted by the tenth of a second they came in.
const ARRIVAL: Duration = Duration::from_millis(100);
/// Longest wait for the database when it is asked how it is.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);
/// Longest wait for a step that gives holds the time of an outage back.
const GIVING_DEADLINE: Duration = Duration::from_secs(4);
/// Longest wait for a line.
const LINE_DEADLINE: Duration = Duration::from_secs(1);
/// Queues that are checked at the same time.
const LINES_AT_ONCE: usize = 64;
/// Reservations that fail, one and all, for so long: nothing can be booked. Longer than two waits
/// for a connection: a database that has become slow lets some batches fail and stores the next.
const FAILS_FOR: Duration = Duration::from_millis(2_500);
/// Until nobody has tried for so long.
const TRIED_WITHIN: Duration = Duration::from_secs(3);
/// A hold is expired by an instance that wrote less than this ago: by whoever stood still, or knows
/// of no outage yet, none is.
const EXPIRES_WITHIN: Duration = Duration::from_secs(2);

/// Answers of one second.
#[derive(Debug)]
struct Window {
    number: u64,
    failed: u64,
    classes: [u32; CLASSES],
}

#[derive(Debug, Default)]
struct State {
    seconds: VecDeque<Window>,
    /// Requests under way by their time of arrival, oldest first; few, since they end in seconds.
    under_way: VecDeque<(u64, u32)>,
    database: Duration,
    asked_database_at: Option<Instant>,
    outbox_lag: Duration,
    /// What came before the end of an outage says nothing of how booking is.
    counts_from: Option<Instant>,
    failing: Option<FailureStreak>,
}

/// Reservations that failed with none stored in between: the first and the latest.
#[derive(Debug, Clone, Copy)]
struct FailureStreak {
    since: Instant,
    latest: Instant,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct LoadMonitor {
    began: Instant,
    state: Mutex<State>,
    database: DatabaseReachability,
    pub(crate) lines: QueueReachability,
}

/// One reservation under way; counted as gone without an answer when dropped.
#[derive(Debug)]
pub(crate) struct InFlightGuard<'a> {
    pulse: &'a LoadMonitor,
    came: Instant,
    /// The tenth of a second it is counted in.
    arrival: u64,
    /// When it was answered, and whether with a 5xx.
    answer: Option<(Instant, bool)>,
}

impl Default for LoadMonitor {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            state: Mutex::default(),
            database: DatabaseReachability::new(now),
            lines: QueueReachability::default(),
        }
    }
}

impl LoadMonitor {
    /// A reservation begins.
    pub(crate) fn begin(&self, now: Instant) -> InFlightGuard<'_> {
        let arrival =
            (now.saturating_duration_since(self.began).as_millis() / ARRIVAL.as_millis()) as u64;
        let arrival = self.state.lock().came(arrival);
        InFlightGuard {
            pulse: self,
            came: now,
            arrival,
            answer: None,
        }
    }

    fn second(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_secs()
    }

    pub(crate) fn set_outbox_lag(&self, lag: Duration) {
        self.state.lock().outbox_lag = lag;
    }

    /// Could the last probe not write? Then nothing that needs the database is begun.
    pub(crate) fn database_is_away(&self) -> bool {
        self.database.is_away(Instant::now())
    }

    /// May this instance end holds?
    pub(crate) fn may_expire(&self) -> bool {
        let now = Instant::now();
        !self.database.is_away(now) && self.database.wrote_within(EXPIRES_WITHIN, now)
    }

    /// The database has stored something.
    pub(crate) fn stored(&self) {
        self.database.stored();
        self.state.lock().failing = None;
    }

    /// A reservation failed that should not have.
    pub(crate) fn failed(&self, now: Instant) {
        let mut state = self.state.lock();
        let since = state
            .failing
            .filter(|failing| now < failing.latest + TRIED_WITHIN)
            .map_or(now, |first| first.since);
        state.failing = Some(FailureStreak { since, latest: now });
    }

    /// Nothing can be booked here.
    fn is_unable(&self, now: Instant) -> bool {
        let fails = |failing: &FailureStreak| {
            failing.latest >= failing.since + FAILS_FOR && now < failing.latest + TRIED_WITHIN
        };
        let failing = self.state.lock().failing.as_ref().is_some_and(fails);
        failing || self.database.is_away(now) || self.lines.are_all_silent()
    }

    /// An outage is over.
    fn recover(&self, now: Instant) {
        let mut state = self.state.lock();
        state.seconds.clear();
        (state.counts_from, state.failing) = (Some(now), None);
    }

    /// Is a reservation under way?
    pub(crate) fn is_busy(&self) -> bool {
        !self.state.lock().under_way.is_empty()
    }

    fn ask_database(&self, now: Instant) {
        self.database.ask(now);
        self.state.lock().asked_database_at = Some(now);
    }

    fn database_answered(&self, took: Duration) {
        let mut state = self.state.lock();
        (state.database, state.asked_database_at) = (took, None);
    }

    /// The vitals at `now`, with `waiting` of `capacity` places before the group commit taken.
    pub(crate) fn vitals(&self, now: Instant, waiting: u64, capacity: u64) -> BookingVitals {
        let (this_second, unable) = (self.second(now), self.is_unable(now));
        let mut state = self.state.lock();
        state.forget_before(this_second.saturating_sub(SECONDS));
        let mut classes = state.classes();
        let answered: u64 = classes.iter().sum();
        let failed: u64 = state.seconds.iter().map(|second| second.failed).sum();
        // Whoever is under way for longer than most were is among the slowest, whenever the answer
        // comes.
        let usual = quantile(&classes, 0.5).unwrap_or(0.0);
        for (arrival, count) in &state.under_way {
            let arrived = self.began + ARRIVAL * (*arrival as u32 + 1);
            let age_ms = now.saturating_duration_since(arrived).as_secs_f64() * 1000.0;
            if age_ms > usual && state.counts(arrived) {
                classes[class_of(age_ms)] += u64::from(*count);
            }
        }
        let asked = state
            .asked_database_at
            .map(|asked| now.saturating_duration_since(asked));
        BookingVitals {
            unable,
            reserves_per_second: answered as f64
                / (SECONDS as f64 + part_of_second(now, self.began)),
            reserve_p50_ms: quantile(&classes, 0.5),
            reserve_p95_ms: quantile(&classes, 0.95),
            error_share: if answered == 0 {
                0.0
            } else {
                failed as f64 / answered as f64
            },
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
    fn counts(&self, came: Instant) -> bool {
        self.counts_from.is_none_or(|from| came >= from)
    }

    fn forget_before(&mut self, second: u64) {
        while self
            .seconds
            .front()
            .is_some_and(|oldest| oldest.number < second)
        {
            self.seconds.pop_front();
        }
    }

    fn classes(&self) -> [u64; CLASSES] {
        let mut sum = [0; CLASSES];
        for second in &self.seconds {
            sum.iter_mut()
                .zip(&second.classes)
                .for_each(|(sum, count)| *sum += u64::from(*count));
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
        if let Some((_, count)) = self
            .under_way
            .iter_mut()
            .rev()
            .find(|(known, _)| *known == arrival)
        {
            *count = count.saturating_sub(1);
        }
        while self.under_way.front().is_some_and(|(_, count)| *count == 0) {
            self.under_way.pop_front();
        }
    }

    fn answered(&mut self, second: u64, took_ms: f64, failed: bool) {
        self.forget_before(second.saturating_sub(SECONDS));
        if self
            .seconds
            .back()
            .is_none_or(|latest| latest.number < second)
        {
            self.seconds.push_back(Window {
                number: second,
                failed: 0,
                classes: [0; CLASSES],
            });
        }
        if let Some(latest) = self.seconds.back_mut() {
            latest.classes[class_of(took_ms)] += 1;
            latest.failed += u64::from(failed);
        }
    }
}

impl InFlightGuard<'_> {
    /// The reservation was answered; `failed` where with a 5xx.
    pub(crate) fn end(mut self, now: Instant, failed: bool) {
        self.answer = Some((now, failed));
    }
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.pulse.state.lock();
        state.left(self.arrival);
        if let Some((now, failed)) = self.answer.filter(|_| state.counts(self.came)) {
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

impl AppState {
    /// Has the database write next to nothing, to learn whether it does and how long that takes:
    /// also while nobody reserves. After an outage it is there again when every hold has got the
    /// time of it back.
    pub(crate) async fn probe_database(&self) -> Result<(), StoreError> {
        let asked = Instant::now();
        self.pulse.ask_database(asked);
        let answer = in_time(PROBE_DEADLINE, self.store().beat()).await;
        let took = asked.elapsed();
        self.pulse.database_answered(if answer.is_ok() {
            took
        } else {
            took.max(PROBE_DEADLINE)
        });
        let was_away = self.pulse.database_is_away();
        let answer = match answer {
            Ok(Some(outage)) => self.make_good(outage).await,
            answer => answer.map(drop),
        };
        if answer.is_ok() && was_away {
            self.pulse.recover(Instant::now());
        }
        self.pulse.database.answered(answer.is_ok(), Instant::now());
        answer
    }

    /// The engine learns the new ends by a rebuild; until then the repair of stale holds asks in
    /// vain and changes nothing.
    async fn make_good(&self, outage: Outage) -> Result<(), StoreError> {
        let (mut holds, span) = (0, outage.to.since(outage.from));
        loop {
            let prolonged = in_time(GIVING_DEADLINE, self.store().give_back(outage)).await?;
            holds += prolonged.holds;
            prolonged
                .events
                .iter()
                .for_each(|event| self.suspects.report(*event));
            if prolonged.is_all {
                break;
            }
        }
        metrics::counter!("stanchion_booking_outages_total").increment(1);
        metrics::counter!("stanchion_booking_outage_seconds_total").increment(span.as_secs());
        metrics::counter!("stanchion_booking_holds_prolonged_total").increment(holds);
        tracing::warn!(from = %outage.from, to = %outage.to, seconds = span.as_secs_f64(), holds,
            "nothing could be written for a time; holds have got it back");
        Ok(())
    }

    /// Asks every line how it is, to learn which of them answer. Those that do not stay silent
    /// until they do.
    pub(crate) async fn look_at_lines(&self) -> Vec<(EventId, Result<LineStatus, EngineError>)> {
        let looks = stream::iter(self.catalogue.events())
            .map(|event| self.look_at_line(event))
            .buffer_unordered(LINES_AT_ONCE);
        let seen: Vec<_> = looks.collect().await;
        let was_silent = self.pulse.lines.are_all_silent();
        self.pulse.lines.answered(
            seen.iter()
                .map(|(event, asked, answer)| (*event, *asked, is_there(answer))),
        );
        if was_silent && !self.pulse.lines.are_all_silent() {
            self.pulse.recover(Instant::now());
        }
        seen.into_iter()
            .map(|(event, _, answer)| (event, answer))
            .collect()
    }

    async fn look_at_line(
        &self,
        event: std::sync::Arc<Event>,
    ) -> (EventId, Instant, Result<LineStatus, EngineError>) {
        let (id, asked) = (event.event_id, Instant::now());
        let late =
            |_| EngineError::Unavailable(format!("no answer in {} ms", LINE_DEADLINE.as_millis()));
        let answer = tokio::time::timeout(LINE_DEADLINE, self.engine().status(id))
            .await
            .map_err(late);
        (id, asked, answer.and_then(|answer| answer))
    }

    /// The vitals at this moment.
    pub(crate) fn vitals(&self) -> BookingVitals {
        let (waiting, capacity) = self.committer.waiting();
        self.pulse.vitals(Instant::now(), waiting, capacity)
    }
}

async fn in_time<T>(
    deadline: Duration,
    step: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = |_| StoreError::Unavailable("no answer to a probe".into());
    tokio::time::timeout(deadline, step).await.map_err(late)?
}

fn is_there(answer: &Result<LineStatus, EngineError>) -> bool {
    !matches!(answer, Err(EngineError::Unavailable(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(value: Option<f64>, ms: f64) -> bool {
        value.is_some_and(|value| (ms..ms * 1.3).contains(&value))
    }

    #[test]
    fn slow_answers_failures_and_silence_are_seen_and_forgotten() {
        let (pulse, start) = (LoadMonitor::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(pulse.vitals(at(0), 0, 9).reserve_p95_ms, None);
        for n in 0..100 {
            let beat = pulse.begin(at(n));
            beat.end(at(n + if n < 90 { 10 } else { 600 }), n < 5);
        }
        let vitals = pulse.vitals(at(900), 3, 9);
        assert!(
            about(vitals.reserve_p50_ms, 10.0) && about(vitals.reserve_p95_ms, 600.0),
            "{vitals:?}"
        );
        assert_eq!(
            (
                vitals.error_share,
                vitals.commit_waiting,
                vitals.commit_capacity
            ),
            (0.05, 3, 9)
        );
        let later = pulse.vitals(at(4_000), 0, 9);
        assert_eq!(
            (
                later.reserve_p95_ms,
                later.error_share,
                later.reserves_per_second
            ),
            (None, 0.0, 0.0)
        );
    }

    #[test]
    fn requests_that_hang_count_by_their_age() {
        let (pulse, start) = (LoadMonitor::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        (0..100).for_each(|n| pulse.begin(at(n)).end(at(n + 5), false));
        let hanging: Vec<_> = (0..10).map(|_| pulse.begin(at(200))).collect();
        assert!(
            about(pulse.vitals(at(250), 0, 9).reserve_p95_ms, 5.0),
            "they have only come"
        );
        let p95 = pulse.vitals(at(1_300), 0, 9).reserve_p95_ms;
        assert!(
            p95.is_some_and(|p95| (1_000.0..1_400.0).contains(&p95)),
            "{p95:?}"
        );
        drop(hanging);
        assert!(
            about(pulse.vitals(at(1_300), 0, 9).reserve_p95_ms, 5.0),
            "they have gone"
        );
        assert!(pulse.state.lock().under_way.is_empty());
    }

    #[test]
    fn reservations_that_all_fail_say_that_nothing_can_be_booked_until_one_is_stored_or_nobody_tries()
     {
        let (pulse, start) = (LoadMonitor::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        pulse.failed(at(0));
        pulse.failed(at(2_100));
        assert!(!pulse.is_unable(at(2_150)), "two batches");
        pulse.database.answered(true, at(2_200));
        pulse.failed(at(2_500));
        assert!(pulse.vitals(at(2_501), 0, 9).unable);
        pulse.stored();
        assert!(!pulse.is_unable(at(2_502)));
        [2_600, 5_100].iter().for_each(|ms| pulse.failed(at(*ms)));
        pulse.database.answered(true, at(8_000));
        assert!(pulse.is_unable(at(5_200)) && !pulse.is_unable(at(8_100)));
        pulse.failed(at(8_200));
        assert!(!pulse.is_unable(at(8_201)), "that one is the first again");
    }

    #[test]
    fn what_was_asked_before_the_end_of_an_outage_says_nothing_of_how_booking_is() {
        let (pulse, start) = (LoadMonitor::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        pulse.begin(at(0)).end(at(1_500), true);
        let hanging = pulse.begin(at(100));
        let answered_later = pulse.begin(at(100));
        pulse.recover(at(1_600));
        answered_later.end(at(1_700), true);
        let vitals = pulse.vitals(at(1_800), 0, 9);
        assert_eq!((vitals.reserve_p95_ms, vitals.error_share), (None, 0.0));
        drop(hanging);
        pulse.begin(at(1_700)).end(at(1_705), true);
        assert_eq!(
            pulse.vitals(at(1_800), 0, 9).error_share,
            1.0,
            "and what is asked after it does"
        );
    }

    #[test]
    fn a_database_that_does_not_answer_is_slow_at_once() {
        let (pulse, start) = (LoadMonitor::default(), Instant::now());
        pulse.ask_database(start);
        pulse.database_answered(Duration::from_millis(2));
        pulse.ask_database(start + Duration::from_millis(500));
        let vitals = pulse.vitals(start + Duration::from_millis(1_400), 0, 9);
        assert_eq!(vitals.database_ms, 900.0);
    }
}
