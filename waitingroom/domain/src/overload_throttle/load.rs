//! The load of booking, as each booking process reports it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The load of booking, over the last two to three seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = BookingVitals)]
pub struct BookingLoad {
    /// Nothing can be booked at the moment: the database cannot be written, or the engine does not
    /// respond. Measured apart from the other values, which say little while no user reserves.
    #[serde(default)]
    pub unable: bool,
    /// Reservations completed per second.
    #[schema(minimum = 0)]
    pub reserves_per_second: f64,
    /// Median response time in milliseconds; a request in progress counts with its age if that is
    /// longer. Absent if there were no requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    pub reserve_p50_ms: Option<f64>,
    /// The same for the 95th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    pub reserve_p95_ms: Option<f64>,
    /// Share of responses that were 5xx, 0 to 1; of at least forty responses.
    #[schema(minimum = 0, maximum = 1)]
    pub error_share: f64,
    /// The last round trip to the database in milliseconds, or the age of the current one if that
    /// is longer.
    #[schema(minimum = 0)]
    pub database_ms: f64,
    /// Reservations queued for the group commit.
    pub commit_waiting: u64,
    /// Max reservations in that queue.
    pub commit_capacity: u64,
    /// Age of the oldest message that is not published yet.
    #[schema(minimum = 0)]
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
