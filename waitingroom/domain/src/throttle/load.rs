//! The load of booking, as each booking process reports it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The load of booking, over the last two to three seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BookingLoad {
    /// Nothing can be booked here at the moment: the database cannot be written, or the engine does
    /// not answer. Measured apart from all that follows, which says little while nobody reserves.
    #[serde(default)]
    pub unable: bool,
    /// Reservations answered a second.
    pub reserves_per_second: f64,
    /// Median time to an answer in milliseconds, those under way counted by their age where that is
    /// longer; absent where nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve_p50_ms: Option<f64>,
    /// The same for the slowest twentieth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve_p95_ms: Option<f64>,
    /// Share of answers that were 5xx, 0 to 1; of at least twenty answers.
    pub error_share: f64,
    /// The last round trip to the database in milliseconds, or the age of the one under way where
    /// that is longer.
    pub database_ms: f64,
    /// Reservations that wait for the group commit.
    pub commit_waiting: u64,
    /// Most that may wait.
    pub commit_capacity: u64,
    /// Age of the oldest message that the bus does not have yet.
    pub outbox_lag_seconds: f64,
}

/// A load as it was read from a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReportedLoad {
    /// How long ago it was reported.
    pub age: Duration,
    /// The load.
    pub load: BookingLoad,
}
