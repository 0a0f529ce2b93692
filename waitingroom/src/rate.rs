//! How many may be released now: a token bucket under a cap on active passes.

use crate::clock::Timestamp;

/// A token bucket. Tokens are users; they flow in at the rate and never exceed the burst.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Users who could be released at `at`.
    pub tokens: f64,
    /// When the tokens were last counted.
    pub at: Timestamp,
}

impl Bucket {
    /// A bucket that has just been opened: full, so that the first tick may release the burst.
    pub fn full(burst: u32, at: Timestamp) -> Self {
        Self { tokens: f64::from(burst), at }
    }

    /// The bucket at `now`. Time never runs backwards in it.
    #[must_use]
    pub fn refilled(self, rate_per_second: f64, burst: u32, now: Timestamp) -> Self {
        let elapsed_ms = (now.millis() - self.at.millis()).max(0) as f64;
        let tokens = self.tokens + rate_per_second * elapsed_ms / 1000.0;
        Self { tokens: tokens.min(f64::from(burst)), at: self.at.max(now) }
    }

    /// Whole users that may go now, with `active` passes out under a cap of `max_active`.
    pub fn allows(self, active: u64, max_active: u32) -> u64 {
        (self.tokens.floor() as u64).min(u64::from(max_active).saturating_sub(active))
    }

    /// The bucket after `released` users have gone.
    #[must_use]
    pub fn less(self, released: u64) -> Self {
        Self { tokens: self.tokens - released as f64, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_above_rate_and_burst(rate in 0.0..500.0f64, burst in 1u32..100, steps in prop::collection::vec(0u64..3000, 1..60)) {
            let start = Timestamp::from_millis(0);
            let (mut bucket, mut now, mut released) = (Bucket::full(burst, start), start, 0);
            for step in steps {
                now = now.plus(Duration::from_millis(step));
                bucket = bucket.refilled(rate, burst, now);
                let go = bucket.allows(0, u32::MAX);
                bucket = bucket.less(go);
                released += go;
                let most = f64::from(burst) + rate * now.since(start).as_secs_f64();
                prop_assert!(released as f64 <= most + 1e-6);
            }
        }
    }

    #[test]
    fn the_cap_counts_active_passes() {
        let bucket = Bucket::full(100, Timestamp::from_millis(0));
        assert_eq!(bucket.allows(7, 10), 3);
        assert_eq!(bucket.allows(12, 10), 0);
    }

    #[test]
    fn a_clock_that_runs_back_gives_nothing() {
        let bucket = Bucket { tokens: 0.0, at: Timestamp::from_millis(5_000) };
        let back = bucket.refilled(10.0, 10, Timestamp::from_millis(1_000));
        assert_eq!(back, bucket);
    }
}
