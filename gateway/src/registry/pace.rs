//! How fast the line moves, measured, and how long a wait is likely to be at that pace.

use waitingroom::{
    clock::Timestamp,
    line::{Progress, QueueSettings, SaleState},
    rate::paced_rate,
    wire::{WaitRange, WaitReason},
};

/// Weight of the newest span in the mean and the variance of the pace: about the last ten seconds count.
const WEIGHT: f64 = 0.2;
/// Spans that a mean with this weight is worth, (2 − w) / w: the error of the mean is that of so many measurements.
const WORTH: f64 = (2.0 - WEIGHT) / WEIGHT;
/// Half of the range is at least this part of the wait: nobody knows better how many will leave.
const LEAST_SPREAD: f64 = 0.1;
/// Standard deviations on each side: the turn comes within the range 19 times in 20, as long as the pace is what it is.
const DEVIATIONS: f64 = 2.0;
/// Before anything is measured, the set rate is the fastest that can be, and twice the time is not out of the way.
const UNMEASURED: f64 = 2.0;
/// A wait longer than a day is not foreseen, and told as a day.
const FORESEEN_SECONDS: f64 = 86_400.0;

/// What is told of a wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Estimate {
    /// Seconds, or what they will be once the line moves again.
    pub(crate) wait_seconds: u32,
    /// Nothing where no end can be foreseen.
    pub(crate) range: Option<WaitRange>,
    /// What keeps the line from moving.
    pub(crate) reason: Option<WaitReason>,
}

impl Estimate {
    /// Is this wait longer than one that was told, by more than an estimate wobbles?
    pub(super) fn is_worse_than(&self, told_seconds: u32) -> bool {
        self.wait_seconds > told_seconds.saturating_add((told_seconds / 4).max(5))
    }
}

/// Measures the pace over spans of at least a second in which the line was held back by rate or cap. A line that is empty, or
/// in which nobody is present, says nothing of how fast it could move.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace {
    since: Option<Timestamp>,
    removed: u64,
    mean: f64,
    variance: f64,
    spans: u32,
    /// What booking leaves of the set rate; nothing where that is not known yet.
    share: Option<f64>,
    /// The rate and the cap that it was measured under.
    set: Option<(f64, u32)>,
}

impl Pace {
    /// Takes one message's removals into account. What was measured under another rate or cap says nothing any more.
    pub(super) fn observe(&mut self, progress: &Progress, now: Timestamp) {
        let settings = &progress.settings;
        let set = Some((settings.rate_per_second, settings.max_active));
        if self.set != set {
            *self = Self { set, ..Self::default() };
        }
        self.share = Some(progress.share);
        let Some(since) = self.since.filter(|_| settings.state == SaleState::Open) else {
            (self.since, self.removed) = (Some(now), 0);
            return;
        };
        self.removed += progress.removed.len() as u64;
        let span = now.since(since).as_secs_f64();
        if span < 1.0 {
            return;
        }
        let at_the_cap = progress.active >= settings.max_active.into();
        if progress.total > 0 && (self.removed > 0 || at_the_cap) {
            self.learn(self.removed as f64 / span);
        }
        (self.since, self.removed) = (Some(now), 0);
    }

    fn learn(&mut self, newest: f64) {
        let away = newest - self.mean;
        if self.spans == 0 {
            self.mean = newest;
        } else {
            self.mean += WEIGHT * away;
            self.variance = (1.0 - WEIGHT) * (self.variance + WEIGHT * away * away);
        }
        self.spans = self.spans.saturating_add(1);
    }

    /// The wait from this position.
    pub(crate) fn estimate(&self, position: u64, settings: &QueueSettings, seats_left: u64) -> Estimate {
        let share = self.share.unwrap_or(1.0);
        let reason = standstill(settings, seats_left, share);
        if position == 0 {
            return Estimate { wait_seconds: 0, range: None, reason: None };
        }
        // Whoever leaves makes the line faster than it is set to release; that cannot be counted on.
        let most = paced_rate(settings.rate_per_second, if share > 0.0 { share } else { 1.0 });
        let rate = if self.spans > 0 { self.mean.min(most) } else { most };
        let expected = position as f64 / rate; // infinite where nothing moves
        let foreseen = reason.is_none() && expected <= FORESEEN_SECONDS;
        Estimate {
            wait_seconds: expected.min(FORESEEN_SECONDS).ceil() as u32,
            range: foreseen.then(|| self.range(expected, rate)),
            reason,
        }
    }

    /// The wait is a sum of seconds that each bring about `rate` steps: its deviation is that of the seconds to come and of the
    /// mean that stands for them.
    fn range(&self, expected: f64, rate: f64) -> WaitRange {
        if self.spans == 0 {
            return WaitRange { low: expected.floor() as u32, high: (expected * UNMEASURED).ceil() as u32 };
        }
        let of_a_second = self.variance.sqrt() / rate;
        let to_come = of_a_second * of_a_second * expected;
        let of_the_mean = (of_a_second * expected).powi(2) / f64::from(self.spans).min(WORTH);
        let spread = (DEVIATIONS * (to_come + of_the_mean).sqrt()).max(LEAST_SPREAD * expected);
        WaitRange { low: (expected - spread).max(0.0).floor() as u32, high: (expected + spread).ceil() as u32 }
    }
}

/// Why the line does not move, where it does not.
fn standstill(settings: &QueueSettings, seats_left: u64, share: f64) -> Option<WaitReason> {
    match settings.state {
        SaleState::Paused => Some(WaitReason::Paused),
        SaleState::SoldOut => Some(WaitReason::SoldOut),
        SaleState::Open if seats_left == 0 => Some(WaitReason::SoldOut),
        SaleState::Open if share <= 0.0 => Some(WaitReason::Paused),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(state: SaleState, rate_per_second: f64) -> QueueSettings {
        QueueSettings { state, rate_per_second, max_active: 10, ..QueueSettings::default() }
    }

    fn progress(settings: QueueSettings, removed: u64, active: u64) -> Progress {
        Progress {
            event_id: uuid::Uuid::nil().into(),
            epoch: "e1".parse().unwrap(),
            from: 0,
            to: removed,
            removed: (0..removed).collect(),
            total: 1_000,
            active,
            seats_left: 10,
            settings,
            share: 1.0,
            counting: false,
            seats_known: true,
        }
    }

    /// A pace after seconds that each brought so many steps.
    fn measured(seconds: &[u64], active: u64) -> Pace {
        let mut pace = Pace::default();
        let set = settings(SaleState::Open, 100.0);
        pace.observe(&progress(set.clone(), 0, active), Timestamp::from_millis(0));
        for (at, removed) in seconds.iter().enumerate() {
            let now = |ms: i64| Timestamp::from_millis(at as i64 * 1_000 + ms);
            pace.observe(&progress(set.clone(), *removed, active), now(500));
            pace.observe(&progress(set.clone(), 0, active), now(1_000));
        }
        pace
    }

    #[test]
    fn estimates_follow_the_measured_pace() {
        let (steady, held, idle) = (measured(&[50; 20], 5), measured(&[0; 60], 10), measured(&[0; 60], 5));
        let uneven = measured(&[20, 80, 10, 90, 20, 80, 50, 50, 10, 90], 5);
        let range = |low, high| Some(WaitRange { low, high });
        let cases = [
            ("nothing measured: the set rate", Pace::default(), 100.0, 1_000, 10, range(10, 20)),
            ("a steady pace", steady.clone(), 100.0, 1_000, 20, range(18, 22)),
            ("never faster than set", steady.clone(), 25.0, 1_000, 40, range(36, 44)),
            ("no passes for want of a turn", held, 100.0, 1_000, 86_400, None),
            ("nobody there says nothing of the pace", idle, 100.0, 1_000, 10, range(10, 20)),
            ("a rate of nothing", steady.clone(), 0.0, 1_000, 86_400, None),
            ("one's turn", steady, 100.0, 0, 0, None),
        ];
        for (name, pace, rate, position, wait_seconds, range) in cases {
            let told = pace.estimate(position, &settings(SaleState::Open, rate), 10);
            assert_eq!((told.wait_seconds, told.range, told.reason), (wait_seconds, range, None), "{name}");
        }
        let told = uneven.estimate(1_000, &settings(SaleState::Open, 100.0), 10);
        let range = told.range.unwrap();
        assert!(range.high - range.low > 8, "an uneven pace widens the range: {range:?}");
        assert!(range.low < told.wait_seconds && told.wait_seconds < range.high, "{told:?}");
    }

    #[test]
    fn a_pace_that_an_operator_changed_is_measured_anew() {
        let mut pace = measured(&[0, 1, 0, 1, 0, 1], 10);
        let lifted = QueueSettings { max_active: 1_000, ..settings(SaleState::Open, 100.0) };
        let wait = |pace: &Pace| pace.estimate(1_000, &lifted, 10).wait_seconds;
        assert!(wait(&pace) > 1_000, "held back by the cap: {} s", wait(&pace));
        pace.observe(&progress(lifted.clone(), 1, 11), Timestamp::from_millis(7_000));
        assert_eq!(wait(&pace), 10, "nothing is known but the set rate");
        pace.observe(&progress(lifted.clone(), 50, 61), Timestamp::from_millis(8_000));
        assert_eq!(wait(&pace), 20, "and then what the first second shows");
    }

    #[test]
    fn who_stands_still_is_told_why() {
        let cases = [
            (SaleState::Open, 10, None),
            (SaleState::Open, 0, Some(WaitReason::SoldOut)),
            (SaleState::SoldOut, 10, Some(WaitReason::SoldOut)),
            (SaleState::Paused, 0, Some(WaitReason::Paused)),
        ];
        for (state, seats_left, reason) in cases {
            let told = Pace::default().estimate(1_000, &settings(state, 100.0), seats_left);
            assert_eq!(told.reason, reason, "{state:?}");
            assert_eq!((told.wait_seconds, told.range.is_some()), (10, reason.is_none()), "{state:?}");
        }
    }

    #[test]
    fn a_line_that_booking_slows_is_told_so() {
        let mut pace = measured(&[50; 20], 5);
        let open = settings(SaleState::Open, 100.0);
        pace.observe(&Progress { share: 0.1, ..progress(open.clone(), 0, 0) }, Timestamp::from_millis(20_500));
        assert_eq!(pace.estimate(1_000, &open, 10).wait_seconds, 100, "at once, not when it was measured");
        pace.observe(&Progress { share: 0.0, ..progress(open.clone(), 0, 0) }, Timestamp::from_millis(20_600));
        let told = pace.estimate(1_000, &open, 10);
        assert_eq!((told.wait_seconds, told.range, told.reason), (20, None, Some(WaitReason::Paused)));
    }

    #[test]
    fn a_pause_is_no_measurement() {
        let mut pace = measured(&[50; 20], 5);
        let paused = settings(SaleState::Paused, 100.0);
        for second in 21..60 {
            pace.observe(&progress(paused.clone(), 0, 10), Timestamp::from_millis(second * 1_000));
        }
        assert_eq!(pace.estimate(1_000, &settings(SaleState::Open, 100.0), 10).wait_seconds, 20);
    }

    #[test]
    fn a_wobble_is_not_worse() {
        let wait = |wait_seconds| Estimate { wait_seconds, range: None, reason: None };
        for (told, now, worse) in [(10, 15, false), (10, 16, true), (100, 125, false), (100, 126, true), (9, 3, false)]
        {
            assert_eq!(wait(now).is_worse_than(told), worse, "{told} → {now}");
        }
        assert!(!wait(86_400).is_worse_than(u32::MAX));
    }
}
