//! Keeps a process's clock at the shared time, and reports how far the host's clock is off.

use std::time::Duration;

use waitingroom_domain::clock::{Clock, HostClockChange, Timestamp};

/// Sets `clock` right by one that shows `right` now with at most this error. Logs if the host's
/// clock becomes wrong or right.
pub fn follow(clock: &Clock, right: Timestamp, error: Duration) {
    let Some(comparison) = clock.follow(right, error) else {
        return;
    };
    let ahead_seconds = comparison.ahead_seconds;

    metrics::gauge!(crate::metric_definitions::CLOCK_OFFSET).set(ahead_seconds);

    match comparison.change {
        Some(HostClockChange::BecameWrong) => {
            tracing::error!(ahead_seconds, "this host's clock is wrong; set it by NTP");
        }
        Some(HostClockChange::BecameRight) => {
            tracing::info!("this host's clock is right again");
        }
        None => {}
    }
}
