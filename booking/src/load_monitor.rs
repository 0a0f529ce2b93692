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
const WINDOW_COUNT: u64 = 2;
/// Times to an answer are counted in buckets: the n-th ends at 1 ms × 1.25^n.
const BUCKETS: usize = 48;
const BUCKET_GROWTH: f64 = 1.25;
/// Requests under way are counted by the tenth of a second they came in.
const ARRIVAL_RESOLUTION: Duration = Duration::from_millis(100);
/// Longest wait for the database when it is asked how it is.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for a step that gives holds the time of an outage back.
const EXTEND_HOLDS_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest wait for a line.
const QUEUE_STATUS_TIMEOUT: Duration = Duration::from_secs(1);
/// Queues that are checked at the same time.
const QUEUE_CHECK_CONCURRENCY: usize = 64;
/// Reservations that fail, one and all, for so long: nothing can be booked. Longer than two waits
/// for a connection: a database that has become slow lets some batches fail and stores the next.
const UNABLE_AFTER: Duration = Duration::from_millis(2_500);
/// Until nobody has tried for so long.
const ATTEMPT_WINDOW: Duration = Duration::from_secs(3);
/// A hold is expired by an instance that wrote less than this ago: by whoever stood still, or knows
/// of no outage yet, none is.
const EXPIRY_WRITE_WINDOW: Duration = Duration::from_secs(2);

/// Answers of one second.
#[derive(Debug)]
struct Window {
    number: u64,
    failed: u64,
    buckets: [u32; BUCKETS],
}

#[derive(Debug, Default)]
struct State {
    windows: VecDeque<Window>,
    /// Requests under way by their time of arrival, oldest first; few, since they end in seconds.
    in_flight: VecDeque<(u64, u32)>,
    probe_duration: Duration,
    probe_started_at: Option<Instant>,
    outbox_lag: Duration,
    /// What came before the end of an outage says nothing of how booking is.
    counts_from: Option<Instant>,
    failure_streak: Option<FailureStreak>,
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
    pub(crate) queues: QueueReachability,
}

/// One reservation under way; counted as gone without an answer when dropped.
#[derive(Debug)]
pub(crate) struct InFlightGuard<'a> {
    monitor: &'a LoadMonitor,
    started_at: Instant,
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
            queues: QueueReachability::default(),
        }
    }
}

impl LoadMonitor {
    /// A reservation begins.
    pub(crate) fn begin(&self, now: Instant) -> InFlightGuard<'_> {
        let arrival = (now.saturating_duration_since(self.began).as_millis()
            / ARRIVAL_RESOLUTION.as_millis()) as u64;
        let arrival = self.state.lock().started(arrival);
        InFlightGuard {
            monitor: self,
            started_at: now,
            arrival,
            answer: None,
        }
    }

    fn window_number(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_secs()
    }

    pub(crate) fn set_outbox_lag(&self, lag: Duration) {
        self.state.lock().outbox_lag = lag;
    }

    /// Could the last probe not write? Then nothing that needs the database is begun.
    pub(crate) fn is_database_down(&self) -> bool {
        self.database.is_down(Instant::now())
    }

    /// May this instance end holds?
    pub(crate) fn may_expire(&self) -> bool {
        let now = Instant::now();
        !self.database.is_down(now) && self.database.wrote_within(EXPIRY_WRITE_WINDOW, now)
    }

    /// The database has stored something.
    pub(crate) fn reservation_stored(&self) {
        self.database.write_succeeded();
        self.state.lock().failure_streak = None;
    }

    /// A reservation failed that should not have.
    pub(crate) fn reservation_failed(&self, now: Instant) {
        let mut state = self.state.lock();
        let since = state
            .failure_streak
            .filter(|failure_streak| now < failure_streak.latest + ATTEMPT_WINDOW)
            .map_or(now, |first| first.since);
        state.failure_streak = Some(FailureStreak { since, latest: now });
    }

    /// Nothing can be booked here.
    fn is_unable(&self, now: Instant) -> bool {
        let fails = |failure_streak: &FailureStreak| {
            failure_streak.latest >= failure_streak.since + UNABLE_AFTER
                && now < failure_streak.latest + ATTEMPT_WINDOW
        };
        let failure_streak = self.state.lock().failure_streak.as_ref().is_some_and(fails);
        failure_streak || self.database.is_down(now) || self.queues.are_all_unreachable()
    }

    /// An outage is over.
    fn recover(&self, now: Instant) {
        let mut state = self.state.lock();
        state.windows.clear();
        (state.counts_from, state.failure_streak) = (Some(now), None);
    }

    /// Is a reservation under way?
    pub(crate) fn is_busy(&self) -> bool {
        !self.state.lock().in_flight.is_empty()
    }

    fn database_probe_started(&self, now: Instant) {
        self.database.probe_started(now);
        self.state.lock().probe_started_at = Some(now);
    }

    fn database_probed(&self, took: Duration) {
        let mut state = self.state.lock();
        (state.probe_duration, state.probe_started_at) = (took, None);
    }

    /// The load at `now`, with `waiting` of `capacity` places before the group commit taken.
    pub(crate) fn load(&self, now: Instant, waiting: u64, capacity: u64) -> BookingVitals {
        let (this_second, unable) = (self.window_number(now), self.is_unable(now));
        let mut state = self.state.lock();
        state.drop_windows_before(this_second.saturating_sub(WINDOW_COUNT));
        let mut buckets = state.buckets();
        let answered: u64 = buckets.iter().sum();
        let failed: u64 = state.windows.iter().map(|second| second.failed).sum();
        // Whoever is under way for longer than most were is among the slowest, whenever the answer
        // comes.
        let usual = quantile(&buckets, 0.5).unwrap_or(0.0);
        for (arrival, count) in &state.in_flight {
            let arrived = self.began + ARRIVAL_RESOLUTION * (*arrival as u32 + 1);
            let age_ms = now.saturating_duration_since(arrived).as_secs_f64() * 1000.0;
            if age_ms > usual && state.counts(arrived) {
                buckets[bucket_of(age_ms)] += u64::from(*count);
            }
        }
        let asked = state
            .probe_started_at
            .map(|asked| now.saturating_duration_since(asked));
        BookingVitals {
            unable,
            reserves_per_second: answered as f64
                / (WINDOW_COUNT as f64 + elapsed_fraction(now, self.began)),
            reserve_p50_ms: quantile(&buckets, 0.5),
            reserve_p95_ms: quantile(&buckets, 0.95),
            error_share: if answered == 0 {
                0.0
            } else {
                failed as f64 / answered as f64
            },
            database_ms: asked
                .unwrap_or_default()
                .max(state.probe_duration)
                .as_secs_f64()
                * 1000.0,
            commit_waiting: waiting,
            commit_capacity: capacity,
            outbox_lag_seconds: state.outbox_lag.as_secs_f64(),
        }
    }
}

fn elapsed_fraction(now: Instant, began: Instant) -> f64 {
    f64::from(now.saturating_duration_since(began).subsec_millis()) / 1000.0
}

impl State {
    fn counts(&self, started_at: Instant) -> bool {
        self.counts_from.is_none_or(|from| started_at >= from)
    }

    fn drop_windows_before(&mut self, second: u64) {
        while self
            .windows
            .front()
            .is_some_and(|oldest| oldest.number < second)
        {
            self.windows.pop_front();
        }
    }

    fn buckets(&self) -> [u64; BUCKETS] {
        let mut sum = [0; BUCKETS];
        for second in &self.windows {
            sum.iter_mut()
                .zip(&second.buckets)
                .for_each(|(sum, count)| *sum += u64::from(*count));
        }
        sum
    }

    /// Counts one more under way; where that was counted, for [`State::ended`].
    fn started(&mut self, arrival: u64) -> u64 {
        match self.in_flight.back_mut() {
            Some((latest, count)) if *latest >= arrival => {
                *count += 1;
                *latest
            }
            _ => {
                self.in_flight.push_back((arrival, 1));
                arrival
            }
        }
    }

    fn ended(&mut self, arrival: u64) {
        if let Some((_, count)) = self
            .in_flight
            .iter_mut()
            .rev()
            .find(|(known, _)| *known == arrival)
        {
            *count = count.saturating_sub(1);
        }
        while self.in_flight.front().is_some_and(|(_, count)| *count == 0) {
            self.in_flight.pop_front();
        }
    }

    fn completed(&mut self, second: u64, took_ms: f64, failed: bool) {
        self.drop_windows_before(second.saturating_sub(WINDOW_COUNT));
        if self
            .windows
            .back()
            .is_none_or(|latest| latest.number < second)
        {
            self.windows.push_back(Window {
                number: second,
                failed: 0,
                buckets: [0; BUCKETS],
            });
        }
        if let Some(latest) = self.windows.back_mut() {
            latest.buckets[bucket_of(took_ms)] += 1;
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
        let mut state = self.monitor.state.lock();
        state.ended(self.arrival);
        if let Some((now, failed)) = self.answer.filter(|_| state.counts(self.started_at)) {
            let took_ms = now.saturating_duration_since(self.started_at).as_secs_f64() * 1000.0;
            state.completed(self.monitor.window_number(now), took_ms, failed);
        }
    }
}

fn bucket_of(ms: f64) -> usize {
    (ms.max(1.0).log(BUCKET_GROWTH).ceil() as usize).min(BUCKETS - 1)
}

/// The upper end of the bucket that this share of the counted lies in or below.
fn quantile(buckets: &[u64; BUCKETS], share: f64) -> Option<f64> {
    let all: u64 = buckets.iter().sum();
    let wanted = (all as f64 * share).ceil() as u64;
    let mut counted = 0;
    let bucket = buckets.iter().position(|count| {
        counted += count;
        all > 0 && counted >= wanted
    });
    bucket.map(|bucket| BUCKET_GROWTH.powi(bucket as i32))
}

impl AppState {
    /// Has the database write next to nothing, to learn whether it does and how long that takes:
    /// also while nobody reserves. After an outage it is there again when every hold has got the
    /// time of it back.
    pub(crate) async fn probe_database(&self) -> Result<(), StoreError> {
        let asked = Instant::now();
        self.load_monitor.database_probe_started(asked);
        let answer = with_probe_timeout(PROBE_TIMEOUT, self.store().write_heartbeat()).await;
        let took = asked.elapsed();
        self.load_monitor.database_probed(if answer.is_ok() {
            took
        } else {
            took.max(PROBE_TIMEOUT)
        });
        let was_down = self.load_monitor.is_database_down();
        let answer = match answer {
            Ok(Some(outage)) => self.extend_holds_after_outage(outage).await,
            answer => answer.map(drop),
        };
        if answer.is_ok() && was_down {
            self.load_monitor.recover(Instant::now());
        }
        self.load_monitor
            .database
            .probe_finished(answer.is_ok(), Instant::now());
        answer
    }

    /// The engine learns the new ends by a rebuild; until then the repair of stale holds asks in
    /// vain and changes nothing.
    async fn extend_holds_after_outage(&self, outage: Outage) -> Result<(), StoreError> {
        let (mut holds, span) = (0, outage.to.since(outage.from));
        loop {
            let prolonged =
                with_probe_timeout(EXTEND_HOLDS_TIMEOUT, self.store().extend_holds(outage)).await?;
            holds += prolonged.holds;
            prolonged
                .events
                .iter()
                .for_each(|event| self.rebuild_queue.request(*event));
            if prolonged.is_complete {
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
    pub(crate) async fn check_queues(&self) -> Vec<(EventId, Result<LineStatus, EngineError>)> {
        let checks = stream::iter(self.catalogue.events())
            .map(|event| self.check_queue(event))
            .buffer_unordered(QUEUE_CHECK_CONCURRENCY);
        let seen: Vec<_> = checks.collect().await;
        let were_all_unreachable = self.load_monitor.queues.are_all_unreachable();
        self.load_monitor.queues.checked(
            seen.iter()
                .map(|(event, asked, answer)| (*event, *asked, is_reachable(answer))),
        );
        if were_all_unreachable && !self.load_monitor.queues.are_all_unreachable() {
            self.load_monitor.recover(Instant::now());
        }
        seen.into_iter()
            .map(|(event, _, answer)| (event, answer))
            .collect()
    }

    async fn check_queue(
        &self,
        event: std::sync::Arc<Event>,
    ) -> (EventId, Instant, Result<LineStatus, EngineError>) {
        let (id, asked) = (event.event_id, Instant::now());
        let late = |_| {
            EngineError::Unavailable(format!(
                "no answer in {} ms",
                QUEUE_STATUS_TIMEOUT.as_millis()
            ))
        };
        let answer = tokio::time::timeout(QUEUE_STATUS_TIMEOUT, self.engine().status(id))
            .await
            .map_err(late);
        (id, asked, answer.and_then(|answer| answer))
    }

    /// The load at this moment.
    pub(crate) fn load(&self) -> BookingVitals {
        let (waiting, capacity) = self.pipeline.queue_length();
        self.load_monitor.load(Instant::now(), waiting, capacity)
    }
}

async fn with_probe_timeout<T>(
    deadline: Duration,
    step: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = |_| StoreError::Unavailable("no answer to a probe".into());
    tokio::time::timeout(deadline, step).await.map_err(late)?
}

fn is_reachable(answer: &Result<LineStatus, EngineError>) -> bool {
    !matches!(answer, Err(EngineError::Unavailable(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_about(value: Option<f64>, ms: f64) -> bool {
        value.is_some_and(|value| (ms..ms * 1.3).contains(&value))
    }

    #[test]
    fn slow_answers_failures_and_silence_are_seen_and_forgotten() {
        let (monitor, start) = (LoadMonitor::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(monitor.load(at(0), 0, 9).reserve_p95_ms, None);
        for n in 0..100 {
            let beat = monitor.begin(at(n));
            beat.end(at(n + if n < 90 { 10 } else { 600 }), n < 5);
        }
        let load = monitor.load(at(900), 3, 9);
        assert!(
            is_about(load.reserve_p50_ms, 10.0) && is_about(load.reserve_p95_ms, 600.0),
            "{load:?}"
        );
        assert_eq!(
            (load.error_share, load.commit_waiting, load.commit_capacity),
            (0.05, 3, 9)
        );
        let later = monitor.load(at(4_000), 0, 9);
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
        let (monitor, start) = (LoadMonitor::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        (0..100).for_each(|n| monitor.begin(at(n)).end(at(n + 5), false));
        let hanging: Vec<_> = (0..10).map(|_| monitor.begin(at(200))).collect();
        assert!(
            is_about(monitor.load(at(250), 0, 9).reserve_p95_ms, 5.0),
            "they have only come"
        );
        let p95 = monitor.load(at(1_300), 0, 9).reserve_p95_ms;
        assert!(
            p95.is_some_and(|p95| (1_000.0..1_400.0).contains(&p95)),
            "{p95:?}"
        );
        drop(hanging);
        assert!(
            is_about(monitor.load(at(1_300), 0, 9).reserve_p95_ms, 5.0),
            "they have gone"
        );
        assert!(monitor.state.lock().in_flight.is_empty());
    }

    #[test]
    fn reservations_that_all_fail_say_that_nothing_can_be_booked_until_one_is_stored_or_nobody_tries()
     {
        let (monitor, start) = (LoadMonitor::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        monitor.reservation_failed(at(0));
        monitor.reservation_failed(at(2_100));
        assert!(!monitor.is_unable(at(2_150)), "two batches");
        monitor.database.probe_finished(true, at(2_200));
        monitor.reservation_failed(at(2_500));
        assert!(monitor.load(at(2_501), 0, 9).unable);
        monitor.reservation_stored();
        assert!(!monitor.is_unable(at(2_502)));
        [2_600, 5_100]
            .iter()
            .for_each(|ms| monitor.reservation_failed(at(*ms)));
        monitor.database.probe_finished(true, at(8_000));
        assert!(monitor.is_unable(at(5_200)) && !monitor.is_unable(at(8_100)));
        monitor.reservation_failed(at(8_200));
        assert!(!monitor.is_unable(at(8_201)), "that one is the first again");
    }

    #[test]
    fn what_was_asked_before_the_end_of_an_outage_says_nothing_of_how_booking_is() {
        let (monitor, start) = (LoadMonitor::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        monitor.begin(at(0)).end(at(1_500), true);
        let hanging = monitor.begin(at(100));
        let answered_later = monitor.begin(at(100));
        monitor.recover(at(1_600));
        answered_later.end(at(1_700), true);
        let load = monitor.load(at(1_800), 0, 9);
        assert_eq!((load.reserve_p95_ms, load.error_share), (None, 0.0));
        drop(hanging);
        monitor.begin(at(1_700)).end(at(1_705), true);
        assert_eq!(
            monitor.load(at(1_800), 0, 9).error_share,
            1.0,
            "and what is asked after it does"
        );
    }

    #[test]
    fn a_database_that_does_not_answer_is_slow_at_once() {
        let (monitor, start) = (LoadMonitor::default(), Instant::now());
        monitor.database_probe_started(start);
        monitor.database_probed(Duration::from_millis(2));
        monitor.database_probe_started(start + Duration::from_millis(500));
        let load = monitor.load(start + Duration::from_millis(1_400), 0, 9);
        assert_eq!(load.database_ms, 900.0);
    }
}
