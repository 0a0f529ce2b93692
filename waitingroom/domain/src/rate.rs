//! How many may be released now: a token bucket under a cap on active passes. How fast it fills is
//! the configured rate, or the share of it that the pace leaves ([`crate::overload_throttle`]).

use std::time::Duration;

use crate::clock::Timestamp;

/// Least users a second of a queue that is slowed, unless it is set to fewer: enough to see that
/// booking has recovered.
pub const MIN_RATE: f64 = 1.0;

/// The rate that a share of it leaves, in users a second: none at all for no share.
pub fn throttled_rate(rate_per_second: f64, share: f64) -> f64 {
    if share > 0.0 {
        (rate_per_second * share).max(rate_per_second.min(MIN_RATE))
    } else {
        0.0
    }
}

/// The burst that a share of the rate leaves: tokens saved up before must not come all at once.
pub fn throttled_burst(burst: u32, share: f64) -> f64 {
    (f64::from(burst) * share).max(1.0)
}

/// Passes that one step is to release: as many come at once, and each waits for those before it.
const PASSES_A_STEP: f64 = 8.0;
/// Shortest pause between two steps: a step costs Redis about a tenth of a millisecond.
const SHORTEST_STEP_PAUSE: Duration = Duration::from_millis(10);

/// The pause between two steps of a queue that moves at this rate, in users a second: at most
/// `longest`, and so short that few go in each step.
pub fn tick_interval(rate_per_second: f64, longest: Duration) -> Duration {
    let pause = Duration::try_from_secs_f64(PASSES_A_STEP / rate_per_second).unwrap_or(longest);
    pause.max(SHORTEST_STEP_PAUSE).min(longest)
}

/// What is left of the configured rates, and since when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttle {
    /// 0 to 1.
    pub factor: f64,
    /// When it was decided. Of several workers' shares the latest counts.
    pub decided_at: Timestamp,
}

impl Default for Throttle {
    /// The whole, before anything was decided.
    fn default() -> Self {
        Self {
            factor: 1.0,
            decided_at: Timestamp::default(),
        }
    }
}

/// A token bucket. Tokens are users; they flow in at the rate and never exceed the burst.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenBucket {
    /// Users who could be released at `at`.
    pub tokens: f64,
    /// When the tokens were last counted.
    pub at: Timestamp,
}

impl TokenBucket {
    /// A bucket that has just been opened: full, so that the first tick may release the burst.
    pub fn full(burst: u32, at: Timestamp) -> Self {
        Self {
            tokens: f64::from(burst),
            at,
        }
    }

    /// The bucket at `now`. Time never runs backwards in it.
    #[must_use]
    pub fn refilled(self, rate_per_second: f64, burst: f64, now: Timestamp) -> Self {
        let elapsed_ms = (now.millis() - self.at.millis()).max(0) as f64;
        let tokens = self.tokens + rate_per_second * elapsed_ms / 1000.0;
        Self {
            tokens: tokens.min(burst),
            at: self.at.max(now),
        }
    }

    /// Whole users that may go now, with `active` passes out under a cap of `max_active`.
    pub fn available(self, active: u64, max_active: u32) -> u64 {
        (self.tokens.floor() as u64).min(u64::from(max_active).saturating_sub(active))
    }

    /// The bucket after `released` users have gone.
    #[must_use]
    pub fn take(self, released: u64) -> Self {
        Self {
            tokens: self.tokens - released as f64,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_above_rate_and_burst(rate in 0.0..500.0f64, burst in 1u32..100, steps in prop::collection::vec(0u64..3000, 1..60)) {
            let start = Timestamp::from_millis(0);
            let (mut bucket, mut now, mut released) = (TokenBucket::full(burst, start), start, 0);
            for step in steps {
                now = now.plus(Duration::from_millis(step));
                bucket = bucket.refilled(rate, burst.into(), now);
                let go = bucket.available(0, u32::MAX);
                bucket = bucket.take(go);
                released += go;
                let most = f64::from(burst) + rate * now.since(start).as_secs_f64();
                prop_assert!(released as f64 <= most + 1e-6);
            }
        }
    }

    #[test]
    fn a_share_slows_down_to_a_trickle_and_none_stops() {
        for (rate, share, paced) in [
            (50.0, 1.0, 50.0),
            (50.0, 0.5, 25.0),
            (50.0, 0.001, 1.0),
            (0.5, 0.1, 0.5),
            (50.0, 0.0, 0.0),
            (0.0, 0.5, 0.0),
        ] {
            assert_eq!(throttled_rate(rate, share), paced, "{share} of {rate}");
        }

        assert_eq!(
            [
                throttled_burst(50, 1.0),
                throttled_burst(50, 0.1),
                throttled_burst(2, 0.1)
            ],
            [50.0, 5.0, 1.0]
        );
    }

    #[test]
    fn steps_are_finer_where_the_line_is_faster() {
        let tick = Duration::from_millis(100);
        for (rate, ms) in [
            (0.0, 100),
            (1.0, 100),
            (80.0, 100),
            (160.0, 50),
            (500.0, 16),
            (800.0, 10),
            (10_000.0, 10),
        ] {
            assert_eq!(
                tick_interval(rate, tick),
                Duration::from_millis(ms),
                "{rate}/s"
            );
        }

        assert_eq!(
            tick_interval(10_000.0, Duration::from_millis(5)),
            Duration::from_millis(5),
            "never longer than the tick"
        );
    }

    #[test]
    fn the_cap_counts_active_passes() {
        let bucket = TokenBucket::full(100, Timestamp::from_millis(0));
        assert_eq!(bucket.available(7, 10), 3);
        assert_eq!(bucket.available(12, 10), 0);
    }

    #[test]
    fn a_clock_that_runs_back_gives_nothing() {
        let bucket = TokenBucket {
            tokens: 0.0,
            at: Timestamp::from_millis(5_000),
        };
        let back = bucket.refilled(10.0, 10.0, Timestamp::from_millis(1_000));
        assert_eq!(back, bucket);
    }
}
