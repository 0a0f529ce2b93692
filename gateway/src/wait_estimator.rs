//! How fast the line moves, and how long a wait is likely to be at that pace.
//!
//! Two things hold a line back: the rate, and the cap on passes that are out at once. Under the
//! rate, a wait is the number of present users ahead divided by the rate. Under the cap, each user
//! ahead needs a pass of somebody else to end: the wait is a number of lives of passes, so that
//! life is measured, by the time that passes were out divided by the number that ended (total time
//! on test, which also counts passes that are still out). Users who are absent are passed over and
//! cost nobody time.

use std::{collections::VecDeque, sync::Arc};

use waitingroom::{
    clock::Timestamp,
    line::{Progress, QueueSettings, SaleState},
    rate::paced_rate,
    wire::{WaitRange, WaitReason},
};

/// Weight of the newest span in the mean and the variance of the rate: about the last ten seconds
/// count.
const EWMA_ALPHA: f64 = 0.2;
/// Spans that a mean with this weight is worth, (2 − w) / w: the error of the mean is that of so
/// many measurements.
const EFFECTIVE_SAMPLES: f64 = (2.0 - EWMA_ALPHA) / EWMA_ALPHA;
/// A line that releases less than this part of what it may is held back by something else: what was
/// measured counts, not what is set.
const FULL_UTILIZATION: f64 = 0.9;
/// For so long the share of the rate that booking leaves now is likely to last; after it, the mean
/// of the last two minutes counts.
const SHARE_PERSISTENCE_SECONDS: f64 = 10.0;
const SHARE_MEMORY_SECONDS: f64 = 120.0;
/// Half of the range is at least this part of the wait, and this long: nobody knows better how many
/// will leave.
const MIN_RELATIVE_MARGIN: f64 = 0.1;
const MIN_MARGIN_SECONDS: f64 = 1.0;
/// Standard deviations on each side: the turn comes within the range 19 times in 20, as long as the
/// pace is what it is.
const RANGE_STDDEVS: f64 = 2.0;
/// Before anything is measured, the set rate is the fastest that can be, and twice the time is not
/// out of the way.
const UNMEASURED_UPPER_FACTOR: f64 = 2.0;
/// A wait longer than a day is not foreseen, and told as a day.
const MAX_ESTIMATE_SECONDS: f64 = 86_400.0;
/// Lives differ by up to so many times what is seen of it.
const DISPERSION_CORRECTION: f64 = 5.0;
/// Ended passes that the measured life remembers, at least; more with a larger cap.
const MIN_REMEMBERED_PASSES: f64 = 30.0;
/// Releases so close together count as of one moment.
const BATCH_WINDOW_MS: u128 = 250;
/// Moments of release that are remembered of the passes that are out; with more, neighbours are
/// joined.
const MAX_BATCHES: usize = 256;

/// What is told of a wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WaitEstimate {
    /// Seconds, or what they will be once the line moves again.
    pub(crate) wait_seconds: u32,
    /// Nothing where no end can be foreseen.
    pub(crate) range: Option<WaitRange>,
    /// What keeps the line from moving.
    pub(crate) reason: Option<WaitReason>,
}

impl WaitEstimate {
    /// Is this wait longer than one that was told, by more than an estimate wobbles?
    pub(crate) fn is_worse_than(&self, sent_seconds: u32) -> bool {
        self.wait_seconds > sent_seconds.saturating_add((sent_seconds / 4).max(5))
    }
}

/// What is known of how fast a line moves. A line that is empty, or in which nobody is present,
/// says nothing of how fast it could move.
#[derive(Debug, Clone, Default)]
pub(crate) struct WaitEstimator {
    /// The last message: when it came, and what it said.
    at: Option<Timestamp>,
    released: Option<u64>,
    active: u64,
    /// What booking leaves of the set rate: now, and over the last two minutes; nothing where that
    /// is not known yet.
    share: Option<MovingAverage>,
    /// The rate and the cap that it was measured under.
    configured: Option<(f64, u32)>,
    rate: ReleaseRate,
    lifetime: PassLifetime,
    presence: QueuePresence,
}

/// A value that changes: now, its mean and its variance.
#[derive(Debug, Clone, Copy)]
struct MovingAverage {
    now: f64,
    mean: f64,
    variance: f64,
    /// That the mean is of, up to what is remembered.
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

    /// The value held for this long, and is another now.
    fn update(&mut self, seconds: f64, now: f64) {
        self.seconds = (self.seconds + seconds).min(SHARE_MEMORY_SECONDS);
        let (weight, away) = (
            seconds.min(self.seconds) / self.seconds.max(f64::MIN_POSITIVE),
            self.now - self.mean,
        );
        self.mean += weight * away;
        self.variance = (1.0 - weight) * (self.variance + weight * away * away);
        self.now = now;
    }
}

/// Who of the line is here.
#[derive(Debug, Clone, Copy)]
struct QueuePresence {
    passed_over: u64,
    /// Of those behind who were passed over, the part that is present.
    share: f64,
}

impl Default for QueuePresence {
    fn default() -> Self {
        Self {
            passed_over: 0,
            share: 1.0,
        }
    }
}

impl QueuePresence {
    fn from_progress(progress: &Progress) -> Self {
        let behind = progress.total.saturating_sub(progress.passed_over).max(1) as f64;
        let share = progress
            .present
            .map_or(1.0, |present| (present as f64 / behind).min(1.0));
        Self {
            passed_over: progress.passed_over,
            share,
        }
    }

    /// How many go before somebody at this position does, that one among them.
    fn ahead(&self, position: u64) -> f64 {
        1.0 + position.saturating_sub(1 + self.passed_over) as f64 * self.share
    }
}

/// Releases over samples of at least a second in which the cap did not hold the line back.
#[derive(Debug, Clone, Copy, Default)]
struct ReleaseRate {
    since: Option<Timestamp>,
    released: f64,
    allowed: f64,
    /// Releases a second, and as a part of what the rate allowed.
    mean: f64,
    variance: f64,
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

    fn update_ewma(&mut self, newest: f64, utilization: f64) {
        let (away, weight) = (
            newest - self.mean,
            if self.samples == 0 { 1.0 } else { EWMA_ALPHA },
        );
        self.mean += weight * away;
        self.utilization += weight * (utilization.min(1.0) - self.utilization);
        if self.samples > 0 {
            self.variance = (1.0 - EWMA_ALPHA) * (self.variance + EWMA_ALPHA * away * away);
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// Releases a second if the settings and booking allow so many.
    fn limited_to(&self, allowed: f64) -> f64 {
        if self.samples > 0 && self.utilization < FULL_UTILIZATION {
            self.mean.min(allowed)
        } else {
            allowed
        }
    }
}

/// How long passes are out, and since when those are that are out now.
///
/// Two means are kept, since most of what is known comes early in a sale, when only short lives
/// have ended. The one of ended passes, if the pass that was released first ends first (a sum of
/// lives does not depend on which ends), errs to short lives; the total time on test errs to long
/// ones. The truth lies between them, and both come to it.
#[derive(Debug, Clone, Default)]
struct PassLifetime {
    /// Seconds that passes were out, and how many ended; old ones count for less.
    out_seconds: f64,
    ended: f64,
    mean: f64,
    variance: f64,
    /// When passes that are out were released, and how many; oldest first.
    batches: Arc<VecDeque<(Timestamp, u64)>>,
}

impl PassLifetime {
    fn observe(&mut self, out_seconds: f64, released: u64, ended: u64, cap: u32, now: Timestamp) {
        let memory = MIN_REMEMBERED_PASSES.max(4.0 * f64::from(cap));
        let keep = 1.0 - (ended as f64 / memory).min(1.0);
        self.out_seconds = self.out_seconds * keep + out_seconds;
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

    /// The oldest passes end.
    fn end_oldest(&mut self, batches: &mut VecDeque<(Timestamp, u64)>, ended: u64, now: Timestamp) {
        let mut left = ended;
        while left > 0 {
            let Some((at, count)) = batches.front_mut() else {
                return;
            };
            let these = left.min(*count);
            let age = now.since(*at).as_secs_f64();
            *count -= these;
            left -= these;
            if *count == 0 {
                batches.pop_front();
            }
            let away = age - self.mean;
            let weight = (these as f64 / self.ended.max(1.0)).min(1.0);
            self.mean += weight * away;
            self.variance = (1.0 - weight) * (self.variance + weight * away * away);
        }
    }

    /// The shortest and the longest mean that what was seen speaks for; `longest` is the life of a
    /// pass that nobody uses.
    fn mean_bounds(&self, longest: f64, now: Timestamp) -> (f64, f64) {
        if self.ended < 2.0 {
            let oldest = self
                .batches
                .front()
                .map_or(0.0, |(at, _)| now.since(*at).as_secs_f64());
            return (oldest.min(longest), longest);
        }
        let on_test = self.out_seconds / self.ended;
        let (short, long) = (self.mean.min(on_test), self.mean.max(on_test));
        (short.clamp(0.05, longest), long.clamp(0.05, longest))
    }

    /// Seconds that a pass is likely to be out.
    fn expected(&self, longest: f64, now: Timestamp) -> f64 {
        let (short, long) = self.mean_bounds(longest, now);
        (short + long) / 2.0
    }

    /// How much lives differ: zero if they are all the same, one if a pass may end at any moment,
    /// or if nothing is known. In a steady line the order of release hides most of what lives
    /// differ by.
    fn dispersion(&self) -> f64 {
        if self.ended < 2.0 || self.mean <= 0.0 {
            1.0
        } else {
            (DISPERSION_CORRECTION * self.variance.sqrt() / self.mean).min(1.0)
        }
    }

    /// Seconds until so many of the passes that are out have ended, at most all of them.
    fn until_ended(&self, wanted: f64, active: u64, life: f64, now: Timestamp) -> f64 {
        // If all lives are the same, each pass ends a life after it was released; if they differ
        // much, at an even pace.
        let even = life * wanted / active.max(1) as f64;
        let mut counted = 0.0;
        let in_turn = self.batches.iter().find_map(|(at, count)| {
            counted += *count as f64;
            (counted >= wanted).then(|| (life - now.since(*at).as_secs_f64()).max(0.0))
        });
        let dispersion = self.dispersion();
        dispersion * even + (1.0 - dispersion) * in_turn.unwrap_or(even)
    }
}

/// Joins neighbours, so that half as many moments stand for the same passes.
fn merge_neighbours(batches: &mut VecDeque<(Timestamp, u64)>) {
    let pairs = batches
        .make_contiguous()
        .chunks(2)
        .map(|pair| (pair[0].0, pair.iter().map(|(_, count)| count).sum()));
    *batches = pairs.collect::<Vec<_>>().into();
}

impl WaitEstimator {
    /// Takes one message into account. What was measured under another rate or cap says nothing any
    /// more.
    pub(crate) fn observe(&mut self, progress: &Progress, now: Timestamp) {
        let settings = &progress.settings;
        let configured = Some((settings.rate_per_second, settings.max_active));
        if self.configured != configured {
            (self.configured, self.rate) = (configured, ReleaseRate::default());
        }
        let elapsed = self.at.map_or(0.0, |at| now.since(at).as_secs_f64());
        let allowed = paced_rate(
            settings.rate_per_second,
            self.share.map_or(1.0, |share| share.now),
        ) * elapsed;
        match &mut self.share {
            Some(share) => share.update(elapsed, progress.share),
            None => self.share = Some(MovingAverage::new(progress.share)),
        }
        self.presence = QueuePresence::from_progress(progress);

        // A worker of an earlier release does not count what it releases; who left the line is
        // nearly that.
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
        let waits_for_nobody = progress.present.unwrap_or(progress.total) == 0;
        if is_open && !is_held_by_cap && !waits_for_nobody && self.at.is_some() {
            self.rate.observe(released as f64, allowed, now);
        } else {
            self.rate.restart(now);
        }
        (self.at, self.released, self.active) = (Some(now), progress.released, progress.active);
    }

    /// The wait from this position.
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
        let (by_rate, by_cap) = (
            self.by_rate(ahead, settings),
            self.by_cap(ahead, settings, now),
        );
        let expected = by_rate.max(by_cap.seconds); // infinite where nothing moves
        let foreseen = reason.is_none() && expected <= MAX_ESTIMATE_SECONDS;
        WaitEstimate {
            wait_seconds: expected.min(MAX_ESTIMATE_SECONDS).ceil() as u32,
            range: foreseen.then(|| self.range(by_rate, by_cap, settings, now)),
            reason,
        }
    }

    /// Seconds until so many were released at the rate: first at the share that booking leaves now,
    /// then at its mean.
    fn by_rate(&self, ahead: f64, settings: &QueueSettings) -> f64 {
        let share = self.share.unwrap_or(MovingAverage::new(1.0));
        let rate = |share: f64| {
            self.rate.limited_to(paced_rate(
                settings.rate_per_second,
                if share > 0.0 { share } else { 1.0 },
            ))
        };
        let (now, later) = (rate(share.now), rate(share.mean));
        let soon = now * SHARE_PERSISTENCE_SECONDS;
        if ahead <= soon {
            ahead / now
        } else {
            SHARE_PERSISTENCE_SECONDS + (ahead - soon) / later
        }
    }

    /// Seconds until so many passes have ended that the cap leaves room for this user.
    fn by_cap(&self, ahead: f64, settings: &QueueSettings, now: Timestamp) -> CapWait {
        let (cap, active) = (f64::from(settings.max_active), self.active as f64);
        let wanted = ahead + active - cap;
        if wanted <= 0.0 {
            return CapWait::default();
        }
        let life = self
            .lifetime
            .expected(settings.pass_ttl().as_secs_f64(), now);
        // Those that are out end first; then each life of a pass brings as many turns as the cap
        // allows.
        let lives = ((wanted - active) / cap).ceil().max(0.0);
        let rest = if lives > 0.0 {
            (wanted - active - (lives - 1.0) * cap) / cap * active
        } else {
            wanted
        };
        CapWait {
            seconds: lives * life + self.lifetime.until_ended(rest, self.active, life, now),
            wanted,
        }
    }

    /// Under the rate, the wait is a sum of seconds that each bring about so many steps: its
    /// deviation is that of the seconds to come and of the mean that stands for them. Under the
    /// cap, it is a sum of lives.
    fn range(
        &self,
        by_rate: f64,
        by_cap: CapWait,
        settings: &QueueSettings,
        now: Timestamp,
    ) -> WaitRange {
        let expected = by_rate.max(by_cap.seconds);
        let (low, high) = if by_cap.seconds > by_rate {
            self.range_of_lives(by_cap, settings, now)
        } else {
            self.range_of_seconds(by_rate)
        };
        let least = (MIN_RELATIVE_MARGIN * expected).max(MIN_MARGIN_SECONDS);
        let (low, high) = (
            low.min(expected - least).max(0.0),
            high.max(expected + least),
        );
        WaitRange {
            low: low.floor() as u32,
            high: high.ceil() as u32,
        }
    }

    fn range_of_seconds(&self, expected: f64) -> (f64, f64) {
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
        // so these are few measurements.
        let lasts = 2.0 * SHARE_PERSISTENCE_SECONDS;
        let of_the_share = (share.variance.sqrt() / share.mean.max(0.01)).powi(2)
            * (lasts * expected + lasts / share.seconds.max(lasts) * expected * expected);
        let spread = RANGE_STDDEVS
            * (of_a_second * of_a_second * expected + of_the_mean + of_the_share).sqrt();
        (expected - spread, expected + spread)
    }

    fn range_of_lives(
        &self,
        turns: CapWait,
        settings: &QueueSettings,
        now: Timestamp,
    ) -> (f64, f64) {
        let longest = settings.pass_ttl().as_secs_f64();
        let ((short, long), life) = (
            self.lifetime.mean_bounds(longest, now),
            self.lifetime.expected(longest, now),
        );
        let dispersion = self.lifetime.dispersion();
        let of_a_turn = dispersion * life / f64::from(settings.max_active);
        let to_come = of_a_turn * of_a_turn * turns.wanted;
        let of_the_mean = (dispersion * turns.seconds).powi(2) / self.lifetime.ended.max(1.0);
        let spread = RANGE_STDDEVS * (to_come + of_the_mean).sqrt()
            + 0.25 * dispersion * life.min(turns.seconds);
        (
            turns.seconds * short / life - spread,
            turns.seconds * long / life + spread,
        )
    }
}

/// A wait for other passes to end.
#[derive(Debug, Clone, Copy, Default)]
struct CapWait {
    seconds: f64,
    /// How many have to end.
    wanted: f64,
}

/// Why the line does not move, where it does not.
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
