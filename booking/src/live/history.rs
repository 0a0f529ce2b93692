//! The samples of one event: each second of the last quarter of an hour, averages of the last six
//! hours, and the rates between two samples.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use waitingroom_domain::{
    clock::Timestamp,
    ids::Epoch,
    queue::{AdmissionStatus, Counters, Forecast, Observed},
    schema::openapi_schema,
};
use waitingroom_engine::QueueStatus;

use super::event_metrics::{EventMetrics, METRIC_COUNT, Rates};

/// Samples kept: a quarter of an hour at one a second.
pub(crate) const CAPACITY: usize = 900;

/// Samples of which an average is kept, by time.
const AVERAGED: Duration = Duration::from_secs(20);
/// Averages kept: six hours.
const AVERAGES: usize = 1_080;

/// A forecast continues what was observed in this time.
const OBSERVATION: Duration = Duration::from_secs(60);

/// Rates over less time than this would be noise.
const MIN_RATE_INTERVAL: Duration = Duration::from_millis(100);

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct History {
    samples: VecDeque<Sample>,
    averages: VecDeque<Sample>,
    average: Average,
    observations: VecDeque<Observation>,
    last: Option<LastSample>,
}

/// The part of the history that a client asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum HistoryRange {
    /// Each second.
    #[default]
    QuarterHour,
    /// Averages.
    Hour,
    /// Averages.
    SixHours,
}

impl HistoryRange {
    /// The range of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "15m" => Some(Self::QuarterHour),
            "1h" => Some(Self::Hour),
            "6h" => Some(Self::SixHours),
            _ => None,
        }
    }

    /// The time between two samples, in seconds.
    pub(crate) const fn step_seconds(self) -> u64 {
        match self {
            Self::QuarterHour => 1,
            Self::Hour | Self::SixHours => AVERAGED.as_secs(),
        }
    }

    const fn max_samples(self) -> usize {
        match self {
            Self::QuarterHour => CAPACITY,
            Self::Hour => AVERAGES / 6,
            Self::SixHours => AVERAGES,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Timestamp,
    values: [f32; METRIC_COUNT],
}

/// The average of the samples since the last one; unknown values do not count.
#[derive(Debug)]
struct Average {
    since: Option<Timestamp>,
    sums: [f64; METRIC_COUNT],
    counts: [u16; METRIC_COUNT],
}

impl Default for Average {
    fn default() -> Self {
        Self {
            since: None,
            sums: [0.0; METRIC_COUNT],
            counts: [0; METRIC_COUNT],
        }
    }
}

impl Average {
    /// Adds a sample; returns the average of those before it once their time is over.
    fn add(&mut self, sample: &Sample) -> Option<Sample> {
        let since = *self.since.get_or_insert(sample.at);
        let complete = (sample.at.since(since) >= AVERAGED).then(|| {
            let whole = std::mem::take(self);
            self.since = Some(sample.at);
            whole.value(sample.at)
        });

        for (column, value) in sample.values.iter().enumerate() {
            if !value.is_nan() {
                self.sums[column] += f64::from(*value);
                self.counts[column] += 1;
            }
        }
        complete
    }

    fn value(&self, at: Timestamp) -> Sample {
        let average = |column: usize| match self.counts[column] {
            0 => f32::NAN,
            count => (self.sums[column] / f64::from(count)) as f32,
        };
        Sample {
            at,
            values: std::array::from_fn(average),
        }
    }
}

/// What a forecast is made of.
#[derive(Debug, Clone, Copy)]
struct Observation {
    at: Timestamp,
    line: f64,
    free: f64,
    regime: Regime,
}

/// What the speed of a queue depends on: a forecast looks back until it last changed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Regime {
    rate: f64,
    max_active: f64,
    stands_still: bool,
}

impl Observation {
    fn new(at: Timestamp, status: AdmissionStatus, figures: &EventMetrics) -> Self {
        Self {
            at,
            line: figures.line,
            free: figures.free,
            regime: Regime {
                rate: figures.rate_set,
                max_active: figures.max_active,
                stands_still: status.stands_still(),
            },
        }
    }
}

#[derive(Debug)]
struct LastSample {
    at: Instant,
    epoch: Epoch,
    counters: Counters,
}

impl History {
    /// The rates since the last sample, per second; unknown at the first sample of an epoch.
    pub(crate) fn rates(&mut self, at: Instant, status: &QueueStatus) -> Rates {
        let sample = LastSample {
            at,
            epoch: status.epoch.clone(),
            counters: status.counters,
        };

        let before = self.last.replace(sample);
        let Some(before) = before.filter(|before| before.epoch == status.epoch) else {
            return Rates::UNKNOWN;
        };

        let elapsed = at.duration_since(before.at);
        if elapsed < MIN_RATE_INTERVAL {
            self.last = Some(before);
            return Rates::UNKNOWN;
        }

        rates(&before.counters, &status.counters, elapsed)
    }

    /// Adds a sample, and drops the oldest if the history is full.
    pub(crate) fn push(&mut self, at: Timestamp, status: AdmissionStatus, figures: &EventMetrics) {
        let sample = Sample {
            at,
            values: figures.values(),
        };
        push_within(&mut self.samples, CAPACITY, sample);
        if let Some(average) = self.average.add(&sample) {
            push_within(&mut self.averages, AVERAGES, average);
        }

        self.observations
            .retain(|observed| at.since(observed.at) <= OBSERVATION);
        let observation = Observation::new(at, status, figures);
        push_within(&mut self.observations, CAPACITY, observation);
    }

    /// The forecast from what was observed since the settings last changed.
    pub(crate) fn forecast(
        &self,
        at: Timestamp,
        status: AdmissionStatus,
        figures: &EventMetrics,
    ) -> Forecast {
        let now = Observation::new(at, status, figures);
        let first = self
            .observations
            .iter()
            .rev()
            .take_while(|observed| {
                observed.regime == now.regime && at.since(observed.at) <= OBSERVATION
            })
            .last()
            .copied()
            .unwrap_or(now);

        let between = |of: fn(&Observation) -> f64| Observed {
            before: of(&first),
            now: of(&now),
        };
        Forecast::new(
            at,
            status,
            at.since(first.at),
            between(|observed| observed.line),
            between(|observed| observed.free),
        )
    }

    /// The samples of a range as columns.
    pub(crate) fn columns(&self, range: HistoryRange) -> HistoryColumns<'_> {
        let samples = match range {
            HistoryRange::QuarterHour => &self.samples,
            HistoryRange::Hour | HistoryRange::SixHours => &self.averages,
        };
        HistoryColumns {
            samples,
            skipped: samples.len().saturating_sub(range.max_samples()),
        }
    }
}

fn push_within<T>(values: &mut VecDeque<T>, max: usize, value: T) {
    if values.len() == max {
        values.pop_front();
    }
    values.push_back(value);
}

fn rates(before: &Counters, after: &Counters, elapsed: Duration) -> Rates {
    let per_second = |of: fn(&Counters) -> u64| {
        of(after).saturating_sub(of(before)) as f64 / elapsed.as_secs_f64()
    };
    Rates {
        arrivals: per_second(|counters| counters.joined),
        departures: per_second(|counters| counters.left + counters.dropped),
        released: per_second(|counters| counters.released),
        unclaimed: per_second(|counters| counters.unclaimed),
        expired: per_second(|counters| counters.expired),
    }
}

/// One list for each metric, beside the list of timestamps: a third of the size of a list of
/// objects.
#[derive(Debug)]
pub(crate) struct HistoryColumns<'a> {
    samples: &'a VecDeque<Sample>,
    skipped: usize,
}

/// The schema of the columns.
impl PartialSchema for History {
    fn schema() -> RefOr<Schema> {
        openapi_schema(json!({
            "type": "object",
            "description": "One list for each metric, all of the same length, oldest first: at most 900 samples, one per second, or 1080 averages of 20 seconds.",
            "required": ["at_ms"],
            "properties": {
                "at_ms": { "type": "array", "items": { "type": "integer" }, "description": "Unix milliseconds." },
            },
            "additionalProperties": { "type": "array", "items": { "type": ["number", "null"] } },
        }))
    }
}

impl ToSchema for History {}

impl Serialize for HistoryColumns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut columns = serializer.serialize_map(Some(METRIC_COUNT + 1))?;
        columns.serialize_entry(
            "at_ms",
            &self
                .samples
                .iter()
                .skip(self.skipped)
                .map(|sample| sample.at.millis())
                .collect::<Vec<_>>(),
        )?;
        for (column, name) in EventMetrics::NAMES.iter().enumerate() {
            let values: Vec<f64> = self
                .samples
                .iter()
                .skip(self.skipped)
                .map(|sample| rounded(sample.values[column]))
                .collect();
            columns.serialize_entry(name, &values)?;
        }

        columns.end()
    }
}

fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use waitingroom_domain::queue::QueueSettings;

    use super::*;

    fn status(epoch: &str, joined: u64, released: u64) -> QueueStatus {
        QueueStatus {
            share: 1.0,
            settings: QueueSettings::default(),
            epoch: epoch.parse().unwrap(),
            sequence: joined,
            head: released,
            total: joined - released,
            active: 0,
            seats_left: 9,
            absent: 0,
            counters: Counters {
                joined,
                released,
                ..Counters::default()
            },
            counting: false,
            seats_known: true,
            frozen: None,
        }
    }

    #[test]
    fn rates_are_differences_within_epoch() {
        let (mut history, start) = (History::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);

        assert!(
            history
                .rates(at(0), &status("one", 10, 0))
                .arrivals
                .is_nan(),
            "nothing to compare with"
        );

        let rates = history.rates(at(2_000), &status("one", 30, 5));
        assert_eq!((rates.arrivals, rates.released), (10.0, 2.5));
        assert!(
            history
                .rates(at(2_010), &status("one", 31, 5))
                .arrivals
                .is_nan(),
            "too soon"
        );
        assert_eq!(
            history.rates(at(3_000), &status("one", 32, 5)).arrivals,
            2.0,
            "since the last sample"
        );
        assert!(
            history
                .rates(at(4_000), &status("two", 1, 0))
                .arrivals
                .is_nan(),
            "a queue that was opened again"
        );
        assert_eq!(history.rates(at(5_000), &status("two", 4, 0)).arrivals, 3.0);
    }

    #[test]
    fn keeps_quarter_of_hour_as_columns() {
        let mut history = History::default();
        let line = status("one", 10, 0);

        for second in 0..CAPACITY as i64 + 5 {
            let mut figures =
                super::super::event_metrics::event_metrics(&line, &Rates::UNKNOWN, None, None);
            figures.line = second as f64 + 0.1;
            let at = Timestamp::from_millis(second * 1_000);
            history.push(at, AdmissionStatus::Releasing, &figures);
        }

        let columns = serde_json::to_value(history.columns(HistoryRange::QuarterHour)).unwrap();
        assert_eq!(columns["at_ms"].as_array().unwrap().len(), CAPACITY);
        assert_eq!(
            (&columns["at_ms"][0], &columns["line"][0]),
            (&5_000.into(), &5.1.into())
        );
        assert!(columns["sold"][0].is_null() && columns["arrivals_per_second"][0].is_null());
    }

    fn figures(line: f64, free: f64, rate: f64) -> EventMetrics {
        let figures = super::super::event_metrics::event_metrics(
            &status("one", 10, 0),
            &Rates::UNKNOWN,
            None,
            None,
        );
        EventMetrics {
            line,
            free,
            rate_set: rate,
            ..figures
        }
    }

    #[test]
    fn keeps_six_hours_as_averages() {
        let mut history = History::default();
        let second = |number: i64| Timestamp::from_millis(number * 1_000);

        for number in 0..6 * 3_600 + 100 {
            let figures = figures(number as f64, 9.0, 5.0);
            history.push(second(number), AdmissionStatus::Releasing, &figures);
        }

        let columns = |range| serde_json::to_value(history.columns(range)).unwrap();
        let six_hours = columns(HistoryRange::SixHours);
        let lengths = |columns: &serde_json::Value| {
            ["at_ms", "line", "sold"].map(|name| columns[name].as_array().unwrap().len())
        };
        assert_eq!(lengths(&six_hours), [AVERAGES; 3]);
        assert_eq!(lengths(&columns(HistoryRange::Hour)), [180; 3]);
        let last = |name: &str| six_hours[name].as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            (last("at_ms"), last("line"), last("sold")),
            (21_680_000.into(), 21_669.5.into(), serde_json::Value::Null)
        );
    }

    #[test]
    fn forecast_looks_back_to_last_change() {
        let mut history = History::default();
        let second = |number: i64| Timestamp::from_millis(number * 1_000);
        let status = AdmissionStatus::Releasing;

        for number in 0..30 {
            history.push(second(number), status, &figures(1_000.0, 500.0, 1.0));
        }
        for number in 30..50 {
            let line = 1_000.0 - 10.0 * (number - 30) as f64;
            history.push(second(number), status, &figures(line, 500.0, 10.0));
        }

        let seen = history.forecast(second(50), status, &figures(800.0, 500.0, 10.0));
        assert_eq!(seen.queue_empty_at, Some(second(130)), "800 at 10 a second");
        let changed = history.forecast(second(50), status, &figures(800.0, 500.0, 20.0));
        assert_eq!(
            (changed.queue_empty_at, changed.no_queue_forecast),
            (None, Some(waitingroom_domain::queue::NoForecast::Measuring))
        );
    }
}
