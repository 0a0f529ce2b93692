//! When the queue will be empty and the seats gone, if both go on as they did in the last minute.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::AdmissionStatus;
use crate::clock::Timestamp;

/// A shorter observation says too little.
const MIN_OBSERVATION: Duration = Duration::from_secs(5);
/// No end is foreseen beyond a day.
const HORIZON: Duration = Duration::from_secs(24 * 3_600);

/// When the queue will be empty and the seats gone, as far as that can be foreseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Forecast {
    /// When no user will be left in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub queue_empty_at: Option<Timestamp>,
    /// Why `queue_empty_at` is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub no_queue_forecast: Option<NoForecast>,
    /// When no seat will be left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub seats_gone_at: Option<Timestamp>,
    /// Why `seats_gone_at` is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub no_seats_forecast: Option<NoForecast>,
}

/// Why there is no forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoForecast {
    /// None is left already.
    Done,
    /// No user is released.
    StandsStill,
    /// There are too few samples since the process started or the settings changed.
    Measuring,
    /// The number does not go down.
    NotDecreasing,
    /// The end is more than a day away.
    TooFar,
}

/// A number that is to reach zero, observed at two moments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// At the beginning of the observation.
    pub before: f64,
    /// Now.
    pub now: f64,
}

impl Forecast {
    /// The forecast from how queue and free seats changed over `observed_for`. A number that is not
    /// known is NaN.
    pub fn new(
        at: Timestamp,
        status: AdmissionStatus,
        observed_for: Duration,
        queue: Observed,
        free_seats: Observed,
    ) -> Self {
        let end_of = |observed: Observed| {
            if observed.now == 0.0 {
                return Err(NoForecast::Done);
            }
            if status.stands_still() {
                return Err(NoForecast::StandsStill);
            }
            time_left(observed, observed_for).map(|left| at.plus(left))
        };

        let (queue, seats) = (end_of(queue), end_of(free_seats));
        Self {
            queue_empty_at: queue.ok(),
            no_queue_forecast: queue.err(),
            seats_gone_at: seats.ok(),
            no_seats_forecast: seats.err(),
        }
    }
}

fn time_left(observed: Observed, observed_for: Duration) -> Result<Duration, NoForecast> {
    let per_second = (observed.before - observed.now) / observed_for.as_secs_f64();
    if observed_for < MIN_OBSERVATION || per_second.is_nan() {
        return Err(NoForecast::Measuring);
    }
    if per_second <= 0.0 {
        return Err(NoForecast::NotDecreasing);
    }

    let seconds = observed.now / per_second;
    if seconds > HORIZON.as_secs_f64() {
        Err(NoForecast::TooFar)
    } else {
        Ok(Duration::from_secs_f64(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_000_000);

    fn forecast(
        status: AdmissionStatus,
        seconds: u64,
        queue: [f64; 2],
        seats: [f64; 2],
    ) -> Forecast {
        let observed = |[before, now]: [f64; 2]| Observed { before, now };
        let observed_for = Duration::from_secs(seconds);
        Forecast::new(AT, status, observed_for, observed(queue), observed(seats))
    }

    #[test]
    fn continues_what_was_observed() {
        let seen = forecast(
            AdmissionStatus::Releasing,
            60,
            [160.0, 100.0],
            [500.0, 470.0],
        );
        assert_eq!(
            (seen.queue_empty_at, seen.seats_gone_at),
            (
                Some(AT.plus(Duration::from_secs(100))),
                Some(AT.plus(Duration::from_secs(940)))
            )
        );
        assert_eq!(
            (seen.no_queue_forecast, seen.no_seats_forecast),
            (None, None)
        );
    }

    #[test]
    fn says_why_there_is_none() {
        use AdmissionStatus::{AllAbsent, Empty, Releasing};

        for (status, seconds, queue, why) in [
            (Releasing, 60, [9.0, 9.0], NoForecast::NotDecreasing),
            (Releasing, 60, [9.0, 19.0], NoForecast::NotDecreasing),
            (Releasing, 4, [9.0, 5.0], NoForecast::Measuring),
            (Releasing, 60, [f64::NAN, 5.0], NoForecast::Measuring),
            (Releasing, 60, [100_001.0, 100_000.0], NoForecast::TooFar),
            (AllAbsent, 60, [9.0, 5.0], NoForecast::StandsStill),
            (Empty, 60, [9.0, 0.0], NoForecast::Done),
        ] {
            let seen = forecast(status, seconds, queue, [f64::NAN, f64::NAN]);
            assert_eq!(
                (seen.queue_empty_at, seen.no_queue_forecast),
                (None, Some(why)),
                "{status:?} {queue:?}"
            );
        }
    }
}
