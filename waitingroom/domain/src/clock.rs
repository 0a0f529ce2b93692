//! Time as an argument: rules never ask what time it is.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::schema::text_schema;

/// A moment, in milliseconds since the Unix epoch (UTC). On the wire: RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: the unit of JWT claims.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment moved forward.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by.as_millis() as i64))
    }

    /// This moment moved back.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by.as_millis() as i64))
    }

    /// Time from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// Parses RFC 3339.
    pub fn parse(text: &str) -> Option<Self> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        Some(Self((moment.unix_timestamp_nanos() / 1_000_000) as i64))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok());
        f.write_str(text.as_deref().unwrap_or("out of range"))
    }
}

text_schema!(Timestamp, { "format": "date-time", "description": "RFC 3339 in UTC." });

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("must be an RFC 3339 date and time"))
    }
}

/// A host's clock that is further from the one that all go by than this is wrong.
pub const MAX_HOST_OFFSET: Duration = Duration::from_secs(1);

/// How much faster or slower than time a steady clock goes while it is set right.
const MAX_SLEW: f64 = 0.05;

/// What is told with more doubt than this sets no clock right.
const MAX_SAMPLE_ERROR: Duration = Duration::from_millis(500);

/// Where the roles take the time from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The host's clock, for what asks once.
    #[default]
    System,
    /// A clock that goes on evenly, whatever happens to the host's.
    Steady(Arc<Mutex<Steady>>),
    /// A clock that a test moves.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock for tests that stands still until it is advanced.
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.millis())))
    }

    /// A clock that shows `start` now and goes on evenly from there. It is set right by
    /// [`Clock::follow`] and never jumps: a jump of an hour would end every pass and hold.
    pub fn steady(start: Timestamp) -> Self {
        Self::Steady(Arc::new(Mutex::new(Steady::new(start, Instant::now()))))
    }

    /// Sets a steady clock right, little by little, by one that shows `right` now with at most this
    /// error, and compares the host's clock with it. None for other clocks, and for an error that is
    /// too large: then nothing changes.
    pub fn follow(&self, right: Timestamp, error: Duration) -> Option<HostClockComparison> {
        let Self::Steady(steady) = self else {
            return None;
        };
        if error > MAX_SAMPLE_ERROR {
            return None;
        }

        let (now, host) = (Instant::now(), Self::System.now());
        let mut steady = steady.lock();

        steady.follow(right, error, now);
        let was_right = steady.host_is_right();

        steady.host_ahead_ms = host.millis() - right.millis();

        Some(HostClockComparison {
            ahead_seconds: steady.host_ahead_ms as f64 / 1000.0,
            change: match (was_right, steady.host_is_right()) {
                (true, false) => Some(HostClockChange::BecameWrong),
                (false, true) => Some(HostClockChange::BecameRight),
                _ => None,
            },
        })
    }

    /// Is the host's clock right, as far as it was compared? Whose is not, ends nothing for others.
    ///
    /// # Errors
    /// Says how wrong it is.
    pub fn check(&self) -> Result<(), String> {
        let Self::Steady(steady) = self else {
            return Ok(());
        };
        let steady = steady.lock();
        let ahead = steady.host_ahead_ms as f64 / 1000.0;

        if steady.host_is_right() {
            Ok(())
        } else {
            Err(format!("this host's clock is {ahead} s ahead"))
        }
    }

    /// The current moment.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let elapsed = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                Timestamp(elapsed.as_millis() as i64)
            }
            Self::Steady(steady) => steady.lock().shown(Instant::now()),
            Self::Manual(millis) => Timestamp(millis.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward; no effect on the system's.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(millis) = self {
            millis.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
        }
    }
}

/// How the host's clock compares with the shared one; see [`Clock::follow`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostClockComparison {
    /// By how much the host's clock is ahead.
    pub ahead_seconds: f64,
    /// What changed since the comparison before.
    pub change: Option<HostClockChange>,
}

/// The host's clock left or regained the range of [`MAX_HOST_OFFSET`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostClockChange {
    /// It is too far from the shared one.
    BecameWrong,
    /// It is near enough again.
    BecameRight,
}

/// See [`Clock::steady`]. Times are in milliseconds.
#[derive(Debug)]
pub struct Steady {
    /// What was shown at `at`.
    shown: f64,
    at: Instant,
    /// By how much it was behind the right time then.
    behind: f64,
    host_ahead_ms: i64,
}

impl Steady {
    fn new(start: Timestamp, at: Instant) -> Self {
        Self {
            shown: start.millis() as f64,
            at,
            behind: 0.0,
            host_ahead_ms: 0,
        }
    }

    /// How much of the way to the right time is made up for by `now`, and what is shown then.
    fn course(&self, now: Instant) -> (f64, f64) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64() * 1000.0;
        let made_up = self.behind.clamp(-MAX_SLEW * elapsed, MAX_SLEW * elapsed);
        (made_up, self.shown + elapsed + made_up)
    }

    fn shown(&self, now: Instant) -> Timestamp {
        Timestamp(self.course(now).1 as i64)
    }

    fn follow(&mut self, right: Timestamp, error: Duration, now: Instant) {
        (_, self.shown) = self.course(now);
        self.at = now.max(self.at);
        let behind = right.millis() as f64 - self.shown;
        self.behind = if behind.abs() <= error.as_secs_f64() * 1000.0 {
            0.0
        } else {
            behind
        };
    }

    fn host_is_right(&self) -> bool {
        self.host_ahead_ms.unsigned_abs() <= MAX_HOST_OFFSET.as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_clock_is_set_right_without_a_jump() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let ms = Timestamp::from_millis;
        let mut clock = Steady::new(ms(1_000_000), start);

        // The one that it follows is an hour ahead for three seconds.
        clock.follow(ms(4_600_000), Duration::ZERO, start);
        assert_eq!(clock.shown(start + 3 * second), ms(1_003_150));
        clock.follow(ms(1_003_000), Duration::ZERO, start + 3 * second);
        assert_eq!(
            clock.shown(start + 4 * second),
            ms(1_004_100),
            "it never stands still"
        );
        assert_eq!(
            clock.shown(start + 60 * second),
            ms(1_060_000),
            "and is right in the end"
        );
        clock.follow(
            ms(1_060_020),
            Duration::from_millis(30),
            start + 60 * second,
        );

        assert_eq!(
            clock.shown(start + 61 * second),
            ms(1_061_000),
            "what may be an error of the measurement is none"
        );
    }

    #[test]
    fn a_host_whose_clock_is_wrong_is_told() {
        let clock = Clock::steady(Clock::System.now());
        let compare = |behind: u64, error: u64| {
            let right = Clock::System.now().minus(Duration::from_secs(behind));
            clock.follow(right, Duration::from_secs(error))
        };

        assert_eq!(compare(0, 0).unwrap().change, None);
        assert_eq!(clock.check(), Ok(()));
        assert_eq!(compare(90, 1), None, "told with too much doubt");
        assert_eq!(clock.check(), Ok(()));

        let wrong = compare(90, 0).unwrap();
        assert_eq!(wrong.change, Some(HostClockChange::BecameWrong));
        assert!((89.0..91.0).contains(&wrong.ahead_seconds), "{wrong:?}");
        assert_eq!(compare(90, 0).unwrap().change, None, "said once");

        let told = clock.check().unwrap_err();
        assert!(told.contains("90"), "{told}");

        let right = compare(0, 0).unwrap();
        assert_eq!(right.change, Some(HostClockChange::BecameRight));
        assert_eq!(clock.check(), Ok(()));
    }

    #[test]
    fn timestamps_round_trip_as_rfc_3339() {
        let moment = Timestamp::from_millis(1_734_345_000_123);
        let text = serde_json::to_string(&moment).unwrap();
        assert_eq!(text, "\"2024-12-16T10:30:00.123Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), moment);
    }
}
