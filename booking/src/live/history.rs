//! The samples of one event over the last quarter of an hour, and the rates between two of them.

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
use waitingroom_domain::{clock::Timestamp, ids::Epoch, queue::Counters, schema::openapi_schema};
use waitingroom_engine::QueueStatus;

use super::event_metrics::{EventMetrics, METRIC_COUNT, Rates};

/// Samples kept: a quarter of an hour at one a second.
pub(crate) const CAPACITY: usize = 900;

/// Rates over less time than this would be noise.
const MIN_RATE_INTERVAL: Duration = Duration::from_millis(100);

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct History {
    samples: VecDeque<Sample>,
    last: Option<LastSample>,
}

#[derive(Debug)]
struct Sample {
    at: Timestamp,
    values: [f32; METRIC_COUNT],
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
    pub(crate) fn push(&mut self, at: Timestamp, figures: &EventMetrics) {
        if self.samples.len() == CAPACITY {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample {
            at,
            values: figures.values(),
        });
    }
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
impl PartialSchema for History {
    fn schema() -> RefOr<Schema> {
        openapi_schema(json!({
            "type": "object",
            "description": "One list for each metric, all of the same length, oldest first: at most 900 samples, one per second.",
            "required": ["at_ms"],
            "properties": {
                "at_ms": { "type": "array", "items": { "type": "integer" }, "description": "Unix milliseconds." },
            },
            "additionalProperties": { "type": "array", "items": { "type": ["number", "null"] } },
        }))
    }
}

impl ToSchema for History {}

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut columns = serializer.serialize_map(Some(METRIC_COUNT + 1))?;
        columns.serialize_entry(
            "at_ms",
            &self
                .samples
                .iter()
                .map(|sample| sample.at.millis())
                .collect::<Vec<_>>(),
        )?;
        for (column, name) in EventMetrics::NAMES.iter().enumerate() {
            let values: Vec<f64> = self
                .samples
                .iter()
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
            history.push(Timestamp::from_millis(second * 1_000), &figures);
        }

        let columns = serde_json::to_value(&history).unwrap();
        assert_eq!(columns["at_ms"].as_array().unwrap().len(), CAPACITY);
        assert_eq!(
            (&columns["at_ms"][0], &columns["line"][0]),
            (&5_000.into(), &5.1.into())
        );
        assert!(columns["sold"][0].is_null() && columns["arrivals_per_second"][0].is_null());
    }
}
