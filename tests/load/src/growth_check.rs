//! Does something grow while as much comes as goes? Least squares over the run, after its warm-up.

use serde::Serialize;

/// Growth in an hour, as a share of the level, that is still called flat.
const SHARE_PER_HOUR: f64 = 0.1;
/// Growth that is smaller than so many times the scatter around the line is noise: users come at a
/// constant rate, but stay for different times.
const SCATTERS: f64 = 3.0;
/// Fewer samples than these make no line.
const FEWEST: usize = 10;

/// A sampled quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Resident memory of the roles, in KiB.
    Memory,
    /// Tasks that live in them.
    Tasks,
    /// Their open descriptors.
    Descriptors,
    /// Keys in Redis.
    RedisKeys,
    /// Memory that Redis uses for data, in KiB.
    RedisMemory,
}

/// How one meter went.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Slope {
    /// The sampled quantity.
    pub meter: Meter,
    /// How often.
    pub samples: usize,
    /// The mean.
    pub level: f64,
    /// The slope of the line through the samples.
    pub per_minute: f64,
    /// The growth over the sampled time.
    pub grown: f64,
    /// Standard deviation of the samples from the line.
    pub scatter: f64,
}

impl Meter {
    /// The meter's name in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory, KiB",
            Self::Tasks => "live tasks",
            Self::Descriptors => "descriptors",
            Self::RedisKeys => "Redis keys",
            Self::RedisMemory => "Redis memory, KiB",
        }
    }

    /// Growth over the whole run that is negligible: an allocator's arena, a pool's
    /// connection.
    const fn negligible(self) -> f64 {
        match self {
            Self::Memory => 4_096.0,
            Self::RedisMemory => 1_024.0,
            Self::Tasks | Self::Descriptors | Self::RedisKeys => 20.0,
        }
    }
}

impl Slope {
    /// The line through samples of (seconds, value); `None` for too few to tell.
    pub fn through(meter: Meter, samples: &[(f64, f64)]) -> Option<Self> {
        let count = samples.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
        let (when, level) = (mean(|sample| sample.0), mean(|sample| sample.1));
        let spread: f64 = samples.iter().map(|(at, _)| (at - when).powi(2)).sum();

        if samples.len() < FEWEST || spread <= 0.0 {
            return None;
        }

        let slope = samples
            .iter()
            .map(|(at, value)| (at - when) * (value - level))
            .sum::<f64>()
            / spread;
        let off = |(at, value): &(f64, f64)| (value - level - slope * (at - when)).powi(2);
        let took = samples[samples.len() - 1].0 - samples[0].0;

        Some(Self {
            meter,
            samples: samples.len(),
            level,
            per_minute: slope * 60.0,
            grown: slope * took,
            scatter: (samples.iter().map(off).sum::<f64>() / count).sqrt(),
        })
    }

    /// Would an hour of it add more than a tenth, and is what was added in this run neither
    /// negligible nor noise?
    pub fn is_growth(&self) -> bool {
        self.per_minute * 60.0 > self.level * SHARE_PER_HOUR
            && self.grown > self.meter.negligible()
            && self.grown > self.scatter * SCATTERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many samples, one a second, of a line that begins at `level` and grows by so much a
    /// minute, with a wave on it.
    fn line(meter: Meter, samples: usize, level: f64, per_minute: f64, wave: f64) -> Slope {
        let at = |second: usize| {
            (
                second as f64,
                level + per_minute / 60.0 * second as f64 + wave * (second as f64).sin(),
            )
        };
        Slope::through(meter, &(0..samples).map(at).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_line_is_found_again() {
        let slope = line(Meter::Memory, 601, 50_000.0, 120.0, 0.0);
        assert!(
            (slope.per_minute - 120.0).abs() < 1e-6 && (slope.grown - 1_200.0).abs() < 1e-6,
            "{slope:?}"
        );
        assert!(
            (slope.level - 50_600.0).abs() < 1e-6 && slope.scatter < 1e-6,
            "{slope:?}"
        );
        assert!((line(Meter::Tasks, 600, 300.0, -6.0, 9.0).per_minute + 6.0).abs() < 0.1);
    }

    #[test]
    fn growth_is_what_adds_a_tenth_in_an_hour_and_is_neither_negligible_nor_noise() {
        for (meter, samples, level, per_minute, wave, growth) in [
            (Meter::Memory, 3_600, 60_000.0, 0.0, 500.0, false),
            (Meter::Memory, 3_600, 60_000.0, 90.0, 500.0, false), // 9 % in an hour
            (Meter::Memory, 3_600, 60_000.0, 120.0, 500.0, true), // 12 %
            (Meter::Memory, 60, 60_000.0, 900.0, 500.0, false), // a minute's 900 KiB may be an arena
            (Meter::Memory, 600, 60_000.0, 900.0, 500.0, true),
            (Meter::Tasks, 3_600, 300.0, 1.0, 15.0, true), // one task a minute of 2,400 visits
            (Meter::Tasks, 3_600, 300.0, 0.3, 15.0, false),
            (Meter::Tasks, 60, 300.0, 25.0, 30.0, false), // the crowd's own wave
            (Meter::Descriptors, 600, 250.0, 12.0, 10.0, true),
            (Meter::RedisKeys, 3_600, 900.0, -50.0, 10.0, false),
            (Meter::RedisKeys, 3_600, 30.0, 40.0, 2.0, true),
            (Meter::RedisMemory, 3_600, 3_000.0, 40.0, 100.0, true),
        ] {
            let slope = line(meter, samples, level, per_minute, wave);
            assert_eq!(slope.is_growth(), growth, "{slope:?}");
        }
    }

    #[test]
    fn a_few_samples_are_no_line() {
        let samples: Vec<_> = (0..9).map(|second| (f64::from(second), 1.0)).collect();
        assert_eq!(Slope::through(Meter::Tasks, &samples), None);
        assert_eq!(
            Slope::through(Meter::Tasks, &[(5.0, 1.0); 20]),
            None,
            "all at one moment"
        );
        assert_eq!(Slope::through(Meter::Tasks, &[]), None);
    }
}
