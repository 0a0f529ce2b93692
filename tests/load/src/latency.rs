//! How long each step takes, in microseconds, with three significant digits.

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// A step of a user's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// From the intended arrival to the place in line: TCP, upgrade, token, join.
    Join,
    /// From the place in line to the pass: what the release rate makes of it.
    Wait,
    /// From the release on the server to the pass at the client. The release is the pass's end less
    /// its life, which the server writes with milliseconds; both clocks are this machine's.
    PassDelivery,
    /// A question of a polling user, from the moment it was due.
    Poll,
    /// From the pass (or the moment the reservation was due) to the booking.
    Reserve,
    /// From the booking to its confirmation.
    Confirm,
    /// From the booking to its cancellation.
    Cancel,
    /// From the wish to leave to the answer.
    Leave,
    /// From a lost connection to the place in line again.
    Rejoin,
}

impl Step {
    /// Every step, in the order of a user's way.
    pub const ALL: [Self; 9] = [
        Self::Join,
        Self::Wait,
        Self::PassDelivery,
        Self::Poll,
        Self::Reserve,
        Self::Confirm,
        Self::Cancel,
        Self::Leave,
        Self::Rejoin,
    ];

    /// The step's name in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Join => "connect + join",
            Self::Wait => "queued → pass",
            Self::PassDelivery => "released → pass",
            Self::Poll => "poll",
            Self::Reserve => "reserve",
            Self::Confirm => "confirm",
            Self::Cancel => "cancel",
            Self::Leave => "leave",
            Self::Rejoin => "rejoin",
        }
    }
}

/// Longest time that is recorded exactly: ten minutes.
const LONGEST_US: u64 = 600_000_000;

/// The measurements of one step in the format between processes: (microseconds, count).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    step: Step,
    counts: Vec<(u64, u64)>,
}

/// Every step's times.
pub struct Latencies([Mutex<Histogram<u64>>; Step::ALL.len()]);

/// The percentiles of one step, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Percentiles {
    /// Which step.
    pub step: Step,
    /// How often it was taken.
    pub count: u64,
    /// Half were faster.
    pub p50_ms: f64,
    /// Nine in ten were faster.
    pub p90_ms: f64,
    /// 19 in 20.
    pub p95_ms: f64,
    /// 99 in 100.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        let empty = |_| {
            Mutex::new(Histogram::new_with_max(LONGEST_US, 3).expect("three digits are allowed"))
        };
        Self(std::array::from_fn(empty))
    }
}

impl Latencies {
    /// Records one time.
    pub fn record(&self, step: Step, taken: std::time::Duration) {
        let us = u64::try_from(taken.as_micros()).unwrap_or(LONGEST_US);
        self.0[step as usize].lock().saturating_record(us);
    }

    /// The measurements, for another process.
    pub fn measured(&self) -> Vec<Measured> {
        let counts = |step: Step| {
            let histogram = self.0[step as usize].lock();
            histogram
                .iter_recorded()
                .map(|v| (v.value_iterated_to(), v.count_at_value()))
                .collect()
        };

        Step::ALL
            .into_iter()
            .map(|step| Measured {
                step,
                counts: counts(step),
            })
            .collect()
    }

    /// Adds what another process measured.
    pub fn add(&self, measured: &[Measured]) {
        for Measured { step, counts } in measured {
            let mut histogram = self.0[*step as usize].lock();
            counts
                .iter()
                .for_each(|(us, count)| histogram.saturating_record_n(*us, *count));
        }
    }

    /// The percentiles of every step that was taken.
    pub fn percentiles(&self) -> Vec<Percentiles> {
        let of = |step: Step| (step, self.0[step as usize].lock());
        let taken = Step::ALL
            .into_iter()
            .map(of)
            .filter(|(_, histogram)| !histogram.is_empty());
        taken
            .map(|(step, histogram)| percentiles(step, &histogram))
            .collect()
    }
}

fn percentiles(step: Step, histogram: &Histogram<u64>) -> Percentiles {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    Percentiles {
        step,
        count: histogram.len(),
        p50_ms: at(0.50),
        p90_ms: at(0.90),
        p95_ms: at(0.95),
        p99_ms: at(0.99),
        max_ms: histogram.max() as f64 / 1_000.0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let latencies = Latencies::default();
        (1..=1_000).for_each(|ms| latencies.record(Step::Reserve, Duration::from_millis(ms)));
        let found = latencies.percentiles();

        assert_eq!(
            (found.len(), found[0].step, found[0].count),
            (1, Step::Reserve, 1_000)
        );
        for (is, expected) in [
            (found[0].p50_ms, 500.0),
            (found[0].p95_ms, 950.0),
            (found[0].p99_ms, 990.0),
            (found[0].max_ms, 1_000.0),
        ] {
            assert!((is - expected).abs() / expected < 0.002, "{is} {expected}");
        }
    }

    #[test]
    fn processes_add_up() {
        let (one, other, all) = (
            Latencies::default(),
            Latencies::default(),
            Latencies::default(),
        );
        (0..500).for_each(|us| one.record(Step::Join, Duration::from_micros(us)));
        (500..1_000).for_each(|us| other.record(Step::Join, Duration::from_micros(us)));
        other.record(Step::Wait, Duration::from_secs(3_600));
        all.add(&one.measured());
        all.add(&other.measured());
        let found = all.percentiles();

        assert_eq!((found[0].count, found[0].p50_ms), (1_000, 0.499));
        assert!(
            found[1].max_ms >= 600_000.0,
            "beyond the longest counts as the longest"
        );
    }

    #[test]
    fn every_step_has_its_own_histogram() {
        for (at, step) in Step::ALL.into_iter().enumerate() {
            assert_eq!(step as usize, at);
        }
    }
}
