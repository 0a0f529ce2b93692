//! Telling the engine what the database decided.

use std::time::Duration;

use waitingroom::{
    clock::Timestamp,
    engine::{EngineError, SharedEngine},
    ids::{BookingId, EventId},
    seats::Settlement,
};

use crate::reservation::Status;

/// Longest wait for the engine. What it misses is found by the repair of stale holds.
const DEADLINE: Duration = Duration::from_secs(1);

/// How a hold ends whose booking has this status, or is not there.
pub(crate) fn settlement_of(status: Option<Status>) -> Settlement {
    match status {
        None => Settlement::Aborted,
        Some(Status::Reserved) => Settlement::Committed,
        Some(Status::Confirmed) => Settlement::Confirmed,
        Some(Status::Cancelled | Status::Expired) => Settlement::Released,
    }
}

/// Tells the engine; a failure is logged, because the repair of stale holds makes good for it.
pub(crate) async fn settle(
    engine: &SharedEngine,
    event: EventId,
    settlements: &[(BookingId, Settlement)],
    now: Timestamp,
) {
    let late = || EngineError::Unavailable(format!("no answer in {} ms", DEADLINE.as_millis()));
    let answer = tokio::time::timeout(DEADLINE, engine.settle(event, settlements, now)).await;
    if let Err(error) = answer.unwrap_or_else(|_| Err(late())) {
        metrics::counter!("stanchion_booking_settlements_missed_total").increment(settlements.len() as u64);
        tracing::warn!(%event, %error, settlements = settlements.len(), "the engine did not hear how holds ended");
    }
}
