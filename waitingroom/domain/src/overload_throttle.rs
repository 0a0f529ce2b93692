//! The admission throttle (AIMD: additive increase, multiplicative decrease): the factor applied to
//! all configured rates, so that admission follows the capacity of booking.
//!
//! One throttle holds for every queue, since all of them end in the same booking. It is decided by
//! a rule without state of its own: throttle before + [`ReportedLoad`]s → throttle after.
//! Workers decide at the same time and store by compare-and-set, so any number of them decides
//! once.
//!
//! The rule is that of congestion control: halve under overload (at most every
//! [`DECREASE_INTERVAL`], so that a cut can show its effect), raise in steps while calm, hold in
//! between. The band between calm and strain is wider than the small steps, which is why the pace
//! comes to rest. Big steps lead back to the point where overload last began, slow ones beyond it.

mod load;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::load::{BookingLoad, ReportedLoad};
use crate::{clock::Timestamp, rate::Throttle};

/// The full configured rate, in permille.
const FULL_PERMILLE: u32 = 1_000;
/// Time between two decreases: measurements look back two to three seconds.
pub const DECREASE_INTERVAL: Duration = Duration::from_millis(2_500);
/// Time between two increases.
const INCREASE_INTERVAL: Duration = Duration::from_secs(1);
/// An increase below the ceiling: from the floor to the full rate in three.
const FAST_INCREASE_PERMILLE: u32 = 300;
/// An increase beyond the ceiling.
const SLOW_INCREASE_PERMILLE: u32 = 20;
/// Overload that returns within this time was not transient: the ceiling comes down.
const PROBE_WINDOW: Duration = Duration::from_secs(60);
/// Overload that becomes an outage within this time was its onset, and says nothing about the
/// capacity of booking.
const OUTAGE_ONSET: Duration = Duration::from_secs(5);
/// After an outage, admission resumes at this share of the ceiling. Booking took the ceiling before
/// the outage; half of it leaves room for the requests that waited for the end. At the floor, queues
/// were whole again one to three seconds later (docs/reliability-results.md).
const RESUME_RATIO: f64 = 0.5;
/// Without any booking for this long, and from the first decision on, releasing stops: passes would
/// run out unused.
pub const BOOKING_ABSENCE_LIMIT: Duration = Duration::from_secs(10);
/// Below this share of every limit booking has recovered.
pub const RECOVERED_RATIO: f64 = 0.5;

/// The limits of booking's load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThrottleConfig {
    /// The smallest share of the configured rate while booking is alive, 0 to 1. Above zero, or no
    /// recovery could be seen.
    pub floor: f64,
    /// Overload begins if the slowest twentieth of reservations, or the database, takes longer
    /// than this.
    pub slow: Duration,
    /// Overload begins if this share of answers is 5xx.
    pub error_share: f64,
    /// Overload begins if this share of the places before the group commit is taken.
    pub queue_share: f64,
}

impl Default for ThrottleConfig {
    /// A tenth; 250 ms; one in twenty; one half.
    fn default() -> Self {
        Self {
            floor: 0.1,
            slow: Duration::from_millis(250),
            error_share: 0.05,
            queue_share: 0.5,
        }
    }
}

/// Why queues move slower than configured: `slowed` if booking is or was overloaded, `paused` if
/// nothing can be booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleReason {
    /// Booking is or was overloaded.
    Slowed,
    /// Nothing can be booked: no booking process is live, or none is able.
    Paused,
}

/// The throttle as it is stored. Integers only: it is compared as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionThrottle {
    thousandths: u32,
    /// The factor at which overload last began.
    ceiling: u32,
    /// When the factor last changed.
    moved_at: Timestamp,
    /// When the latest overload began, and whether it lasts.
    strained_from: Option<Timestamp>,
    strained: bool,
    booking_seen_at: Timestamp,
    /// Nothing can be booked.
    paused: bool,
    /// Ceiling and start of the overload before the one that lasts.
    #[serde(default)]
    before: Option<(u32, Option<Timestamp>)>,
    /// When the latest outage ended.
    #[serde(default)]
    resumed_at: Option<Timestamp>,
}

/// The load of booking as a whole, compared with the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    Recovered,
    Elevated,
    Overloaded,
}

impl AdmissionThrottle {
    /// The full rate, as first decided at `at`.
    pub fn full(at: Timestamp) -> Self {
        Self {
            thousandths: FULL_PERMILLE,
            ceiling: FULL_PERMILLE,
            moved_at: at,
            strained_from: None,
            strained: false,
            booking_seen_at: at,
            paused: false,
            before: None,
            resumed_at: None,
        }
    }

    /// The throttle at `at`, after the one before (none if this is the first) and by the load of
    /// every booking process.
    pub fn after(
        before: Option<&Self>,
        bookings: &[ReportedLoad],
        at: Timestamp,
        rules: &ThrottleConfig,
    ) -> Self {
        let mut pace = before.cloned().unwrap_or_else(|| Self::full(at));

        let youngest = bookings.iter().map(|booking| booking.age).min();
        let loads = bookings.iter().map(|booking| &booking.load);
        let worst = loads.clone().map(|load| condition(load, rules)).max();
        let (Some(age), Some(worst)) = (youngest, worst) else {
            return pace.on_missing_booking(at, rules);
        };

        pace.booking_seen_at = pace.booking_seen_at.max(at.minus(age));

        if loads.into_iter().all(|load| load.unable) {
            pace.pause(at, rules);
            return pace;
        }

        if pace.paused {
            (pace.paused, pace.moved_at, pace.resumed_at) = (false, at, Some(at));
        }

        match worst {
            Condition::Overloaded => pace.on_overload(at, rules),
            Condition::Elevated => pace.end_overload(),
            Condition::Recovered => pace.on_recovery(at),
        }

        pace
    }

    fn on_missing_booking(mut self, at: Timestamp, rules: &ThrottleConfig) -> Self {
        if at.since(self.booking_seen_at) > BOOKING_ABSENCE_LIMIT {
            self.pause(at, rules);
        }
        self
    }

    /// After the pause, admission resumes at [`RESUME_RATIO`] of the ceiling, or at the present
    /// share if overload lasts that is more than the onset of the outage.
    fn pause(&mut self, at: Timestamp, rules: &ThrottleConfig) {
        if self.paused {
            return;
        }

        let is_onset = |from: Timestamp| at.since(from) < OUTAGE_ONSET;
        let before_onset = self
            .before
            .filter(|_| self.strained_from.is_some_and(is_onset));
        let mut most = FULL_PERMILLE;
        if let Some(before) = before_onset {
            (self.ceiling, self.strained_from) = before;
        } else if self.strained {
            // Booking did not take more than the present rate before the outage.
            most = self.thousandths;
        }
        self.end_overload();

        let half = (f64::from(self.ceiling) * RESUME_RATIO) as u32;
        self.thousandths = half.min(most).max(floor(rules));
        (self.paused, self.moved_at) = (true, at);
    }

    fn end_overload(&mut self) {
        (self.strained, self.before) = (false, None);
    }

    fn on_overload(&mut self, at: Timestamp, rules: &ThrottleConfig) {
        // At the floor there is nothing to decrease. Just after an outage, slow requests are those
        // that waited for its end: they say nothing about the ceiling.
        let measured_outage = |resumed: Timestamp| at.since(resumed) < DECREASE_INTERVAL;
        if self.thousandths <= floor(rules) || self.resumed_at.is_some_and(measured_outage) {
            self.strained = true;
            return;
        }

        if !self.strained {
            self.before = Some((self.ceiling, self.strained_from));
            let returns = self
                .strained_from
                .is_some_and(|earlier| at.since(earlier) < PROBE_WINDOW);
            self.ceiling = if returns {
                self.thousandths * 9 / 10
            } else {
                self.thousandths
            };
            self.strained_from = Some(at);
        } else if at.since(self.moved_at) < DECREASE_INTERVAL {
            return;
        }
        self.strained = true;
        self.thousandths = (self.thousandths / 2).max(floor(rules));
        self.moved_at = at;
    }

    fn on_recovery(&mut self, at: Timestamp) {
        self.end_overload();

        if self.thousandths == FULL_PERMILLE || at.since(self.moved_at) < INCREASE_INTERVAL {
            return;
        }

        let big = (self.thousandths + FAST_INCREASE_PERMILLE).min(self.ceiling);
        self.thousandths = big
            .max(self.thousandths + SLOW_INCREASE_PERMILLE)
            .min(FULL_PERMILLE);
        self.moved_at = at;
    }

    /// The factor of the configured rate: 0 while nothing can be booked, else from the floor to 1.
    pub fn share(&self) -> f64 {
        if self.paused {
            0.0
        } else {
            f64::from(self.thousandths) / f64::from(FULL_PERMILLE)
        }
    }

    /// The form that the engine takes.
    pub fn decided(&self) -> Throttle {
        Throttle {
            factor: self.share(),
            decided_at: self.moved_at,
        }
    }
}

fn floor(rules: &ThrottleConfig) -> u32 {
    ((rules.floor * f64::from(FULL_PERMILLE)) as u32).clamp(1, FULL_PERMILLE)
}

fn condition(status: &BookingLoad, rules: &ThrottleConfig) -> Condition {
    let slow_ms = rules.slow.as_secs_f64() * 1000.0;
    let waiting = status.commit_waiting as f64 / (status.commit_capacity.max(1)) as f64;
    let loads = [
        status.reserve_p95_ms.unwrap_or(0.0) / slow_ms,
        status.database_ms / slow_ms,
        status.error_share / rules.error_share,
        waiting / rules.queue_share,
    ];

    match loads.into_iter().fold(0.0, f64::max) {
        // Others are able: some of the users get through.
        _ if status.unable => Condition::Overloaded,
        load if load > 1.0 => Condition::Overloaded,
        load if load > RECOVERED_RATIO => Condition::Elevated,
        _ => Condition::Recovered,
    }
}

/// Why a queue at this share is slower than configured; nothing where it is not.
pub fn throttle_reason(share: f64) -> Option<ThrottleReason> {
    match share {
        share if share <= 0.0 => Some(ThrottleReason::Paused),
        share if share < 1.0 => Some(ThrottleReason::Slowed),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
