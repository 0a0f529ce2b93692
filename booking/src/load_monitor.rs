//! Monitors the load on booking: how long reservations take, how many fail, how fast the database
//! answers, whether anything can be booked at all. The queue worker throttles admission by it
//! ([`waitingroom_domain::overload_throttle`]).

pub(crate) mod probes;
mod reachability;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use waitingroom_domain::{ids::EventId, overload_throttle::BookingLoad};

use self::reachability::{DatabaseReachability, QueueReachability};
use crate::error::BookingError;

/// Answers are counted in windows of a second. The load is that of this many full windows and the
/// present one.
const WINDOW_COUNT: u64 = 2;

/// Times to an answer are counted in buckets: the n-th ends at 1 ms × 1.25^n.
const BUCKETS: usize = 48;

const BUCKET_GROWTH: f64 = 1.25;

/// Requests in flight are counted by their time of arrival, rounded down to this.
const ARRIVAL_RESOLUTION: Duration = Duration::from_millis(100);

/// The share of failures is that of at least this many answers: one failure among a few says nothing.
/// With the default limit of one in twenty, one is half of the limit, which the throttle ignores; two
/// hold the rate, three lower it.
const MIN_ANSWERS: u64 = 40;

/// If all reservations fail for this long, nothing can be booked. Longer than two waits for a
/// connection: a database that has become slow lets some batches fail and stores the next.
const UNABLE_AFTER: Duration = Duration::from_millis(2_500);

/// A streak of failures ends if no reservation is tried for this long.
const ATTEMPT_WINDOW: Duration = Duration::from_secs(3);

/// An instance expires holds only if it wrote to the database less than this ago: one that stood
/// still may not know of an outage yet.
const EXPIRY_WRITE_WINDOW: Duration = Duration::from_secs(2);

/// The answers of one second.
#[derive(Debug)]
struct Window {
    number: u64,
    failed: u64,
    buckets: [u32; BUCKETS],
}

#[derive(Debug, Default)]
struct State {
    windows: VecDeque<Window>,
    /// Requests in flight by their time of arrival, oldest first; few, since they end in seconds.
    in_flight: VecDeque<(u64, u32)>,
    probe_duration: Duration,
    probe_started_at: Option<Instant>,
    outbox_lag: Duration,
    /// The end of the last outage: requests that began before it do not count.
    counts_from: Option<Instant>,
    failure_streak: Option<FailureStreak>,
}

/// Failed reservations with none stored in between: the first and the latest.
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
    queues: QueueReachability,
}

/// One reservation in flight. Dropped without [`InFlightGuard::end`], its client has gone and no
/// answer is counted.
#[derive(Debug)]
pub(crate) struct InFlightGuard<'a> {
    monitor: &'a LoadMonitor,
    started_at: Instant,
    /// The time of arrival under which it is counted.
    arrival: u64,
    /// The time of the answer, and whether it was a 5xx.
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

    /// Fails at once while the last probe could not write: no work that needs the database is begun.
    pub(crate) fn require_database(&self) -> Result<(), BookingError> {
        if self.is_database_down() {
            return Err(BookingError::Unavailable(
                "the database cannot be written; try again in a moment",
            ));
        }
        Ok(())
    }

    /// Fails at once while the queue is known not to answer.
    pub(crate) fn require_queue(&self, event: EventId) -> Result<(), BookingError> {
        if self.queues.is_unreachable(event) {
            return Err(BookingError::Unavailable(
                "the queue is temporarily unavailable",
            ));
        }
        Ok(())
    }

    /// True if there are queues, and none answers.
    pub(crate) fn are_all_queues_unreachable(&self) -> bool {
        self.queues.are_all_unreachable()
    }

    fn is_database_down(&self) -> bool {
        self.database.is_down(Instant::now())
    }

    /// True if this instance may expire holds.
    pub(crate) fn may_expire(&self) -> bool {
        let now = Instant::now();
        !self.database.is_down(now) && self.database.wrote_within(EXPIRY_WRITE_WINDOW, now)
    }

    /// The database has stored a reservation.
    pub(crate) fn reservation_stored(&self) {
        self.database.write_succeeded();
        self.state.lock().failure_streak = None;
    }

    /// A reservation failed at the engine or the database.
    pub(crate) fn reservation_failed(&self, now: Instant) {
        let mut state = self.state.lock();
        let since = state
            .failure_streak
            .filter(|streak| now < streak.latest + ATTEMPT_WINDOW)
            .map_or(now, |first| first.since);
        state.failure_streak = Some(FailureStreak { since, latest: now });
    }

    /// The queue has answered a reservation.
    pub(crate) fn queue_answered(&self, event: EventId, now: Instant) {
        self.queues.reserve_answered(event, now);
    }

    /// True if nothing can be booked here.
    pub(crate) fn is_unable(&self, now: Instant) -> bool {
        let streak = self.state.lock().failure_streak;
        let all_fail = streak.is_some_and(|streak| {
            streak.latest >= streak.since + UNABLE_AFTER && now < streak.latest + ATTEMPT_WINDOW
        });
        all_fail || self.database.is_down(now) || self.queues.are_all_unreachable()
    }

    /// An outage is over: what was measured in it, the probe that waited for its end included, does
    /// not count.
    fn recover(&self, now: Instant) {
        let mut state = self.state.lock();
        state.windows.clear();
        state.probe_duration = Duration::ZERO;
        state.counts_from = Some(now);
        state.failure_streak = None;
    }

    /// True while a reservation is in flight.
    pub(crate) fn has_reservations_in_flight(&self) -> bool {
        !self.state.lock().in_flight.is_empty()
    }

    fn database_probe_started(&self, now: Instant) {
        self.database.probe_started(now);
        self.state.lock().probe_started_at = Some(now);
    }

    fn database_probed(&self, duration: Duration) {
        let mut state = self.state.lock();
        state.probe_duration = duration;
        state.probe_started_at = None;
    }

    /// The load at `now`, with `queued` reservations in a pipeline of this capacity.
    pub(crate) fn load(&self, now: Instant, queued: u64, capacity: u64) -> BookingLoad {
        let unable = self.is_unable(now);
        let window = self.window_number(now);
        let mut state = self.state.lock();
        state.drop_windows_before(window.saturating_sub(WINDOW_COUNT));

        let mut buckets = state.buckets();
        let answered: u64 = buckets.iter().sum();
        let failed: u64 = state.windows.iter().map(|window| window.failed).sum();
        let seconds = WINDOW_COUNT as f64 + elapsed_fraction(now, self.began);

        // A request that is in flight for longer than the median is among the slowest, whenever its
        // answer comes.
        let median = quantile(&buckets, 0.5).unwrap_or(0.0);
        for (arrival, count) in &state.in_flight {
            let arrived = self.began + ARRIVAL_RESOLUTION * (*arrival as u32 + 1);
            let age_ms = now.saturating_duration_since(arrived).as_secs_f64() * 1000.0;
            if age_ms > median && state.counts(arrived) {
                buckets[bucket_of(age_ms)] += u64::from(*count);
            }
        }

        // A probe that is not answered yet counts by its age.
        let probe_age = state
            .probe_started_at
            .map(|started| now.saturating_duration_since(started));
        let database = probe_age.unwrap_or_default().max(state.probe_duration);
        BookingLoad {
            unable,
            reserves_per_second: answered as f64 / seconds,
            reserve_p50_ms: quantile(&buckets, 0.5),
            reserve_p95_ms: quantile(&buckets, 0.95),
            error_share: failed as f64 / answered.max(MIN_ANSWERS) as f64,
            database_ms: database.as_secs_f64() * 1000.0,
            commit_waiting: queued,
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

    fn drop_windows_before(&mut self, number: u64) {
        while self
            .windows
            .front()
            .is_some_and(|oldest| oldest.number < number)
        {
            self.windows.pop_front();
        }
    }

    fn buckets(&self) -> [u64; BUCKETS] {
        let mut sum = [0; BUCKETS];
        for window in &self.windows {
            sum.iter_mut()
                .zip(&window.buckets)
                .for_each(|(sum, count)| *sum += u64::from(*count));
        }
        sum
    }

    /// Counts one more request in flight; returns the arrival that [`State::ended`] is called with.
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

    fn completed(&mut self, number: u64, duration_ms: f64, failed: bool) {
        self.drop_windows_before(number.saturating_sub(WINDOW_COUNT));

        let latest = self.windows.back();
        if latest.is_none_or(|latest| latest.number < number) {
            self.windows.push_back(Window {
                number,
                failed: 0,
                buckets: [0; BUCKETS],
            });
        }
        if let Some(latest) = self.windows.back_mut() {
            latest.buckets[bucket_of(duration_ms)] += 1;
            latest.failed += u64::from(failed);
        }
    }
}

impl InFlightGuard<'_> {
    /// The reservation was answered; `failed` if with a 5xx.
    pub(crate) fn end(mut self, now: Instant, failed: bool) {
        self.answer = Some((now, failed));
    }
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.monitor.state.lock();
        state.ended(self.arrival);
        if let Some((now, failed)) = self.answer.filter(|_| state.counts(self.started_at)) {
            let duration_ms = now.saturating_duration_since(self.started_at).as_secs_f64() * 1000.0;
            state.completed(self.monitor.window_number(now), duration_ms, failed);
        }
    }
}

fn bucket_of(ms: f64) -> usize {
    (ms.max(1.0).log(BUCKET_GROWTH).ceil() as usize).min(BUCKETS - 1)
}

/// The upper end of the bucket in or below which this share of the answers lies.
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

#[cfg(test)]
mod tests {
    use waitingroom_domain::overload_throttle::{RECOVERED_RATIO, ThrottleConfig};

    use super::*;

    fn is_about(value: Option<f64>, ms: f64) -> bool {
        value.is_some_and(|value| (ms..ms * 1.3).contains(&value))
    }

    #[test]
    fn load_follows_last_windows() {
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
    fn hanging_requests_count_by_age() {
        let (monitor, start) = (LoadMonitor::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);

        (0..100).for_each(|n| monitor.begin(at(n)).end(at(n + 5), false));
        let hanging: Vec<_> = (0..10).map(|_| monitor.begin(at(200))).collect();

        assert!(
            is_about(monitor.load(at(250), 0, 9).reserve_p95_ms, 5.0),
            "they have only begun"
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
    fn unable_while_all_reservations_fail() {
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
    fn ignores_requests_before_recovery() {
        let (monitor, start) = (LoadMonitor::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);

        monitor.begin(at(0)).end(at(1_500), true);
        monitor.database_probed(Duration::from_millis(1_500));
        let hanging = monitor.begin(at(100));
        let answered_later = monitor.begin(at(100));

        monitor.recover(at(1_600));
        answered_later.end(at(1_700), true);

        let load = monitor.load(at(1_800), 0, 9);
        assert_eq!((load.reserve_p95_ms, load.error_share), (None, 0.0));
        assert_eq!(load.database_ms, 0.0, "the probe waited for the recovery");
        drop(hanging);
        (0..40).for_each(|_| monitor.begin(at(1_700)).end(at(1_705), true));

        assert_eq!(
            monitor.load(at(1_800), 0, 9).error_share,
            1.0,
            "requests after the recovery count"
        );
    }

    #[test]
    fn ignores_single_failure_among_few_answers() {
        let (monitor, start) = (LoadMonitor::default(), Instant::now());
        (0..7).for_each(|n| monitor.begin(start).end(start, n == 0));
        let limit = ThrottleConfig::default().error_share;
        let one = monitor.load(start, 0, 9).error_share;
        assert!(one <= limit * RECOVERED_RATIO, "{one}");

        (0..2).for_each(|_| monitor.begin(start).end(start, true));
        assert!(monitor.load(start, 0, 9).error_share > limit, "3 of 9");
    }

    #[test]
    fn unanswered_probe_counts_by_age() {
        let (monitor, start) = (LoadMonitor::default(), Instant::now());
        monitor.database_probe_started(start);
        monitor.database_probed(Duration::from_millis(2));
        monitor.database_probe_started(start + Duration::from_millis(500));
        let load = monitor.load(start + Duration::from_millis(1_400), 0, 9);
        assert_eq!(load.database_ms, 900.0);
    }
}
