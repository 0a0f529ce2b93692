//! Estimates waits: how fast an event's queue moves, and how long a wait at a position is likely to
//! be.
//!
//! Two limits hold a queue back: the release rate, and the cap on active passes. Under the rate, a
//! wait is the number of present users ahead divided by the rate. Under the cap, each user ahead
//! needs another pass to end: the wait is a number of pass lifetimes. The lifetime is measured as
//! the time that passes were active divided by the number that ended (total time on test, which
//! also counts passes that are still active). Absent users are skipped and cost no time.

use std::{collections::VecDeque, sync::Arc};

use waitingroom_domain::{
    clock::Timestamp,
    queue::{Progress, QueueSettings, SaleState},
    rate::throttled_rate,
};
use waitingroom_server::protocol::{WaitRange, WaitReason};

/// Weight of the newest sample in the mean and the variance of the rate: about the last ten seconds
/// count.
const EWMA_ALPHA: f64 = 0.2;
/// Samples that a mean with this weight is worth, (2 − α) / α: its error is that of a mean of so
/// many.
const EFFECTIVE_SAMPLES: f64 = (2.0 - EWMA_ALPHA) / EWMA_ALPHA;
/// A queue that releases less than this part of the allowed rate is held back by something else:
/// the measured rate counts, not the configured one.
const FULL_UTILIZATION: f64 = 0.9;
/// How long the share of the rate that booking allows now is likely to last; after that, its mean
/// counts.
const SHARE_PERSISTENCE_SECONDS: f64 = 10.0;
/// Time over which the mean of the share is taken.
const SHARE_MEMORY_SECONDS: f64 = 120.0;
/// Min part of the wait on each side of a range: how many users will leave is unknown.
const MIN_RELATIVE_MARGIN: f64 = 0.1;
/// Min seconds on each side of a range.
const MIN_MARGIN_SECONDS: f64 = 1.0;
/// Standard deviations on each side of a range: 19 waits in 20 end within it, as long as the pace
/// stays the same.
const RANGE_STDDEVS: f64 = 2.0;
/// Upper end of the range before anything is measured: the configured rate is the fastest possible,
/// and twice the time is plausible.
const UNMEASURED_UPPER_FACTOR: f64 = 2.0;
/// A longer wait is given as a day, without a range.
const MAX_ESTIMATE_SECONDS: f64 = 86_400.0;
/// Factor from the measured to the assumed dispersion of lifetimes, see
/// [`PassLifetime::dispersion`].
const DISPERSION_CORRECTION: f64 = 5.0;
/// Min number of ended passes that the measured lifetime covers; more with a larger cap.
const MIN_REMEMBERED_PASSES: f64 = 30.0;
/// Releases within this time count as one batch.
const BATCH_WINDOW_MS: u128 = 250;
/// Max batches of active passes that are kept; with more, neighbours are merged.
const MAX_BATCHES: usize = 256;

/// A wait as clients see it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WaitEstimate {
    /// Seconds; if the queue does not move, seconds from when it moves again.
    pub(crate) wait_seconds: u32,
    /// Nothing if no end can be foreseen.
    pub(crate) range: Option<WaitRange>,
    /// Why the queue does not move, or moves more slowly than the client knows.
    pub(crate) reason: Option<WaitReason>,
}

impl WaitEstimate {
    /// Is this wait longer than one that was sent, by more than estimates usually vary?
    pub(crate) fn is_worse_than(&self, sent_seconds: u32) -> bool {
        self.wait_seconds > sent_seconds.saturating_add((sent_seconds / 4).max(5))
    }
}

/// Measurements of an event's queue. An empty queue, or one without present users, says nothing of
/// how fast it could move.
#[derive(Debug, Clone, Default)]
pub(crate) struct WaitEstimator {
    /// Time and numbers of the last message.
    at: Option<Timestamp>,
    released: Option<u64>,
    active: u64,
    /// The part of the configured rate that booking allows; nothing before the first message.
    share: Option<MovingAverage>,
    /// The rate and the cap that were configured during the measurement.
    configured: Option<(f64, u32)>,
    rate: ReleaseRate,
    lifetime: PassLifetime,
    presence: QueuePresence,
}

/// A changing value: its current value, mean and variance.
#[derive(Debug, Clone, Copy)]
struct MovingAverage {
    now: f64,
    mean: f64,
    variance: f64,
    /// Time that the mean covers, up to [`SHARE_MEMORY_SECONDS`].
    seconds: f64,
}

impl MovingAverage {
    fn new(value: f64) -> Self {
        Self {
            now: value,
            mean: value,
            variance: 0.0,
            seconds: 0.0,
        }
    }

    /// The value held for this long, and is `now` from here on.
    fn update(&mut self, seconds: f64, now: f64) {
        self.seconds = (self.seconds + seconds).min(SHARE_MEMORY_SECONDS);
        let weight = seconds.min(self.seconds) / self.seconds.max(f64::MIN_POSITIVE);
        let away = self.now - self.mean;
        self.mean += weight * away;
        self.variance = (1.0 - weight) * (self.variance + weight * away * away);
        self.now = now;
    }
}

/// How many users of the queue are present.
#[derive(Debug, Clone, Copy)]
struct QueuePresence {
    /// Absent users at the front that releases have skipped.
    passed_over: u64,
    /// Users behind those, and the present part of them. Users behind these joined since then.
    counted: u64,
    share: f64,
}

impl Default for QueuePresence {
    fn default() -> Self {
        Self {
            passed_over: 0,
            counted: 0,
            share: 1.0,
        }
    }
}

impl QueuePresence {
    fn from_progress(progress: &Progress) -> Self {
        let counted = progress.total.saturating_sub(progress.passed_over);
        let share = progress.present.map_or(1.0, |present| {
            (present as f64 / counted.max(1) as f64).min(1.0)
        });
        Self {
            passed_over: progress.passed_over,
            counted,
            share,
        }
    }

    /// How many users are released up to this position, the user at it included. Users who joined
    /// after the count are present: the first users of a herd join an empty queue.
    fn ahead(&self, position: u64) -> f64 {
        let ahead = position.saturating_sub(1 + self.passed_over);
        let counted = ahead.min(self.counted);
        1.0 + counted as f64 * self.share + (ahead - counted) as f64
    }
}

/// Releases over times of at least a second in which the cap did not hold the queue back.
#[derive(Debug, Clone, Copy, Default)]
struct ReleaseRate {
    since: Option<Timestamp>,
    released: f64,
    allowed: f64,
    /// Releases a second.
    mean: f64,
    variance: f64,
    /// Releases as a part of those that the rate allowed.
    utilization: f64,
    samples: u32,
}

impl ReleaseRate {
    fn restart(&mut self, now: Timestamp) {
        (self.since, self.released, self.allowed) = (Some(now), 0.0, 0.0);
    }

    fn observe(&mut self, released: f64, allowed: f64, now: Timestamp) {
        let Some(since) = self.since else {
            return self.restart(now);
        };

        self.released += released;
        self.allowed += allowed;
        let span = now.since(since).as_secs_f64();
        if span < 1.0 {
            return;
        }

        if self.released > 0.0 {
            self.update_ewma(
                self.released / span,
                self.released / self.allowed.max(f64::MIN_POSITIVE),
            );
        }

        self.restart(now);
    }

    /// Updates the exponentially weighted mean and variance with one sample.
    fn update_ewma(&mut self, newest: f64, utilization: f64) {
        let away = newest - self.mean;
        let weight = if self.samples == 0 { 1.0 } else { EWMA_ALPHA };
        self.mean += weight * away;
        self.utilization += weight * (utilization.min(1.0) - self.utilization);
        if self.samples > 0 {
            self.variance = (1.0 - EWMA_ALPHA) * (self.variance + EWMA_ALPHA * away * away);
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// Releases a second if settings and booking allow this many.
    fn limited_to(&self, allowed: f64) -> f64 {
        if self.samples > 0 && self.utilization < FULL_UTILIZATION {
            self.mean.min(allowed)
        } else {
            allowed
        }
    }
}

/// How long passes are active, and when those that are active now were released.
///
/// Two means are kept, since most observations come early in a sale, when only short lifetimes have
/// ended. The mean of ended passes (assuming that the oldest pass ends first, which does not change
/// a sum of lifetimes) is biased towards short ones; the total time on test towards long ones. The
/// true mean lies between them, and both converge to it.
#[derive(Debug, Clone, Default)]
struct PassLifetime {
    /// Seconds that passes were active, and how many ended; old observations count for less.
    active_seconds: f64,
    ended: f64,
    mean: f64,
    variance: f64,
    /// When active passes were released, and how many; oldest first.
    batches: Arc<VecDeque<(Timestamp, u64)>>,
}

impl PassLifetime {
    fn observe(
        &mut self,
        active_seconds: f64,
        released: u64,
        ended: u64,
        cap: u32,
        now: Timestamp,
    ) {
        let memory = MIN_REMEMBERED_PASSES.max(4.0 * f64::from(cap));
        let keep = 1.0 - (ended as f64 / memory).min(1.0);
        self.active_seconds = self.active_seconds * keep + active_seconds;
        self.ended = self.ended * keep + ended as f64;
        if released == 0 && ended == 0 {
            return;
        }

        let mut batches = std::mem::take(&mut self.batches);
        let known = Arc::make_mut(&mut batches);
        self.end_oldest(known, ended, now);
        if released > 0 {
            match known.back_mut() {
                Some((at, count)) if now.since(*at).as_millis() < BATCH_WINDOW_MS => {
                    *count += released
                }
                _ => known.push_back((now, released)),
            }
            if known.len() > MAX_BATCHES {
                merge_neighbours(known);
            }
        }

        self.batches = batches;
    }

    /// Ends the oldest passes.
    fn end_oldest(&mut self, batches: &mut VecDeque<(Timestamp, u64)>, ended: u64, now: Timestamp) {
        let mut left = ended;
        while left > 0 {
            let Some((at, count)) = batches.front_mut() else {
                return;
            };
            let of_batch = left.min(*count);
            let age = now.since(*at).as_secs_f64();
            *count -= of_batch;
            left -= of_batch;
            if *count == 0 {
                batches.pop_front();
            }
            let away = age - self.mean;
            let weight = (of_batch as f64 / self.ended.max(1.0)).min(1.0);
            self.mean += weight * away;
            self.variance = (1.0 - weight) * (self.variance + weight * away * away);
        }
    }

    /// The shortest and the longest mean that the observations support; `longest` is the lifetime
    /// of an unused pass.
    fn mean_bounds(&self, longest: f64, now: Timestamp) -> (f64, f64) {
        if self.ended < 2.0 {
            let oldest = self
                .batches
                .front()
                .map_or(0.0, |(at, _)| now.since(*at).as_secs_f64());
            return (oldest.min(longest), longest);
        }

        let time_on_test = self.active_seconds / self.ended;
        let short = self.mean.min(time_on_test);
        let long = self.mean.max(time_on_test);
        (short.clamp(0.05, longest), long.clamp(0.05, longest))
    }

    /// Seconds that a pass is likely to be active.
    fn expected(&self, longest: f64, now: Timestamp) -> f64 {
        let (short, long) = self.mean_bounds(longest, now);
        (short + long) / 2.0
    }

    /// How much lifetimes differ: zero if they are all the same, one if a pass may end at any
    /// moment, or if nothing is known. In a steady queue the order of release hides most of the
    /// difference, hence [`DISPERSION_CORRECTION`].
    fn dispersion(&self) -> f64 {
        if self.ended < 2.0 || self.mean <= 0.0 {
            1.0
        } else {
            (DISPERSION_CORRECTION * self.variance.sqrt() / self.mean).min(1.0)
        }
    }

    /// Seconds until `wanted` of the active passes have ended.
    fn until_ended(&self, wanted: f64, active: u64, lifetime: f64, now: Timestamp) -> f64 {
        // If all lifetimes are the same, each pass ends a lifetime after its release; if they
        // differ much, passes end at an even pace.
        let even = lifetime * wanted / active.max(1) as f64;
        let mut counted = 0.0;
        let in_turn = self.batches.iter().find_map(|(at, count)| {
            counted += *count as f64;
            (counted >= wanted).then(|| (lifetime - now.since(*at).as_secs_f64()).max(0.0))
        });

        let dispersion = self.dispersion();
        dispersion * even + (1.0 - dispersion) * in_turn.unwrap_or(even)
    }
}

/// Merges neighbours: half as many batches for the same passes.
fn merge_neighbours(batches: &mut VecDeque<(Timestamp, u64)>) {
    let pairs = batches
        .make_contiguous()
        .chunks(2)
        .map(|pair| (pair[0].0, pair.iter().map(|(_, count)| count).sum()));
    *batches = pairs.collect::<Vec<_>>().into();
}

impl WaitEstimator {
    /// Takes one message into account. Another rate or cap discards the measured rate.
    pub(crate) fn observe(&mut self, progress: &Progress, now: Timestamp) {
        let settings = &progress.settings;
        let configured = Some((settings.rate_per_second, settings.max_active));
        if self.configured != configured {
            (self.configured, self.rate) = (configured, ReleaseRate::default());
        }

        let elapsed = self.at.map_or(0.0, |at| now.since(at).as_secs_f64());
        let allowed = throttled_rate(
            settings.rate_per_second,
            self.share.map_or(1.0, |share| share.now),
        ) * elapsed;
        match &mut self.share {
            Some(share) => share.update(elapsed, progress.share),
            None => self.share = Some(MovingAverage::new(progress.share)),
        }
        self.presence = QueuePresence::from_progress(progress);

        // A worker of an earlier version does not send the number of released users; the number
        // that left the queue is nearly the same.
        let counted = self
            .released
            .zip(progress.released)
            .and_then(|(before, after)| after.checked_sub(before));
        let released = match (self.at, progress.released) {
            (None, _) => progress.active,
            (_, Some(_)) => counted.unwrap_or(progress.active),
            (_, None) => progress.removed.len() as u64,
        };
        let before = if self.at.is_none() || counted.is_none() && progress.released.is_some() {
            0
        } else {
            self.active
        };
        let ended = (before + released).saturating_sub(progress.active);
        self.lifetime.observe(
            before as f64 * elapsed,
            released,
            ended,
            settings.max_active,
            now,
        );

        let is_open = settings.state == SaleState::Open && progress.share > 0.0;
        let is_held_by_cap = progress.active >= settings.max_active.into();
        let is_without_users = progress.present.unwrap_or(progress.total) == 0;
        if is_open && !is_held_by_cap && !is_without_users && self.at.is_some() {
            self.rate.observe(released as f64, allowed, now);
        } else {
            self.rate.restart(now);
        }
        (self.at, self.released, self.active) = (Some(now), progress.released, progress.active);
    }

    /// The wait at this position.
    pub(crate) fn estimate(
        &self,
        position: u64,
        settings: &QueueSettings,
        seats_left: u64,
        now: Timestamp,
    ) -> WaitEstimate {
        let share = self.share.map_or(1.0, |share| share.now);
        let reason = stall_reason(settings, seats_left, share);
        if position == 0 {
            return WaitEstimate {
                wait_seconds: 0,
                range: None,
                reason: None,
            };
        }

        let ahead = self.presence.ahead(position);
        let by_rate = self.by_rate(ahead, settings);
        let by_cap = self.by_cap(ahead, settings, now);
        let expected = by_rate.max(by_cap.seconds); // infinite if nothing moves

        let foreseen = reason.is_none() && expected <= MAX_ESTIMATE_SECONDS;
        WaitEstimate {
            wait_seconds: expected.min(MAX_ESTIMATE_SECONDS).ceil() as u32,
            range: foreseen.then(|| self.range(by_rate, by_cap, settings, now)),
            reason,
        }
    }

    /// Seconds until so many users are released at the rate: first at the share that booking allows
    /// now, then at its mean.
    fn by_rate(&self, ahead: f64, settings: &QueueSettings) -> f64 {
        let share = self.share.unwrap_or(MovingAverage::new(1.0));
        let rate = |share: f64| {
            self.rate.limited_to(throttled_rate(
                settings.rate_per_second,
                if share > 0.0 { share } else { 1.0 },
            ))
        };

        let now = rate(share.now);
        let later = rate(share.mean);
        let soon = now * SHARE_PERSISTENCE_SECONDS;
        if ahead <= soon {
            ahead / now
        } else {
            SHARE_PERSISTENCE_SECONDS + (ahead - soon) / later
        }
    }

    /// Seconds until enough passes have ended that the cap leaves room for this user.
    fn by_cap(&self, ahead: f64, settings: &QueueSettings, now: Timestamp) -> CapWait {
        let cap = f64::from(settings.max_active);
        let active = self.active as f64;
        let wanted = ahead + active - cap;
        if wanted <= 0.0 {
            return CapWait::default();
        }
        let lifetime = self
            .lifetime
            .expected(settings.pass_ttl().as_secs_f64(), now);

        // The active passes end first; then each lifetime brings as many releases as the cap
        // allows.
        let lifetimes = ((wanted - active) / cap).ceil().max(0.0);
        let rest = if lifetimes > 0.0 {
            (wanted - active - (lifetimes - 1.0) * cap) / cap * active
        } else {
            wanted
        };
        CapWait {
            seconds: lifetimes * lifetime
                + self.lifetime.until_ended(rest, self.active, lifetime, now),
            wanted,
        }
    }

    /// Under the rate, the wait is a sum of seconds that each bring about so many releases: its
    /// deviation is that of the seconds to come, and of the mean that stands for them. Under the
    /// cap, it is a sum of lifetimes.
    fn range(
        &self,
        by_rate: f64,
        by_cap: CapWait,
        settings: &QueueSettings,
        now: Timestamp,
    ) -> WaitRange {
        let expected = by_rate.max(by_cap.seconds);
        let (low, high) = if by_cap.seconds > by_rate {
            self.range_by_cap(by_cap, settings, now)
        } else {
            self.range_by_rate(by_rate)
        };

        let margin = (MIN_RELATIVE_MARGIN * expected).max(MIN_MARGIN_SECONDS);
        let (low, high) = (
            low.min(expected - margin).max(0.0),
            high.max(expected + margin),
        );

        WaitRange {
            low: low.floor() as u32,
            high: high.ceil() as u32,
        }
    }

    fn range_by_rate(&self, expected: f64) -> (f64, f64) {
        if self.rate.samples == 0 {
            return (expected, expected * UNMEASURED_UPPER_FACTOR);
        }
        let of_a_second = if self.rate.utilization < FULL_UTILIZATION {
            self.rate.variance.sqrt() / self.rate.mean
        } else {
            0.0
        };
        let of_the_mean =
            (of_a_second * expected).powi(2) / f64::from(self.rate.samples).min(EFFECTIVE_SAMPLES);
        let share = self.share.unwrap_or(MovingAverage::new(1.0));

        // Of the share to come, and of the mean that stands for it: a share lasts for some seconds,
        // so there are few measurements.
        let lasts = 2.0 * SHARE_PERSISTENCE_SECONDS;
        let of_the_share = (share.variance.sqrt() / share.mean.max(0.01)).powi(2)
            * (lasts * expected + lasts / share.seconds.max(lasts) * expected * expected);
        let spread = RANGE_STDDEVS
            * (of_a_second * of_a_second * expected + of_the_mean + of_the_share).sqrt();
        (expected - spread, expected + spread)
    }

    fn range_by_cap(&self, wait: CapWait, settings: &QueueSettings, now: Timestamp) -> (f64, f64) {
        let longest = settings.pass_ttl().as_secs_f64();
        let (short, long) = self.lifetime.mean_bounds(longest, now);
        let lifetime = self.lifetime.expected(longest, now);
        let dispersion = self.lifetime.dispersion();
        let of_a_release = dispersion * lifetime / f64::from(settings.max_active);
        let to_come = of_a_release * of_a_release * wait.wanted;
        let of_the_mean = (dispersion * wait.seconds).powi(2) / self.lifetime.ended.max(1.0);
        let spread = RANGE_STDDEVS * (to_come + of_the_mean).sqrt()
            + 0.25 * dispersion * lifetime.min(wait.seconds);

        (
            wait.seconds * short / lifetime - spread,
            wait.seconds * long / lifetime + spread,
        )
    }
}

/// A wait for other passes to end, under the cap.
#[derive(Debug, Clone, Copy, Default)]
struct CapWait {
    seconds: f64,
    /// How many must end.
    wanted: f64,
}

/// Why the queue does not move, if it does not.
fn stall_reason(settings: &QueueSettings, seats_left: u64, share: f64) -> Option<WaitReason> {
    match settings.state {
        SaleState::Paused => Some(WaitReason::Paused),
        SaleState::SoldOut => Some(WaitReason::SoldOut),
        SaleState::Open if seats_left == 0 => Some(WaitReason::SoldOut),
        SaleState::Open if share <= 0.0 => Some(WaitReason::Paused),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
