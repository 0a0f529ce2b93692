//! The hold stage: passes are redeemed and seats held for many reservations in one step of the
//! engine.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use waitingroom_domain::{
    ids::EventId,
    seats::{Reserve, ReserveOutcome},
};
use waitingroom_engine::EngineError;

use super::{PendingInsert, PipelineDeps, ReservationOutcome};
use crate::{engine_timeout::with_timeout, model::booking::NewBooking};

/// Longest wait for the engine. A request that was queued for as long is not held any more.
const HOLD_TIMEOUT: Duration = Duration::from_secs(2);

/// A reservation whose seats are not held yet.
#[derive(Debug)]
pub(super) struct HoldRequest {
    pub(super) hold: Reserve,
    pub(super) row: NewBooking,
    pub(super) queued_at: Instant,
    pub(super) answer: oneshot::Sender<ReservationOutcome>,
}

/// Holds the seats of a batch. Held reservations are forwarded to the commit stage, the others are
/// answered.
pub(super) async fn hold_batch(
    deps: &PipelineDeps,
    batch: Vec<HoldRequest>,
    inserts: &mpsc::Sender<PendingInsert>,
) {
    let mut by_event = HashMap::<EventId, Vec<HoldRequest>>::new();
    for request in batch {
        // Nothing was done yet for a client that has gone.
        if request.answer.is_closed() {
            continue;
        }
        if request.queued_at.elapsed() > HOLD_TIMEOUT {
            answer(request.answer, ReservationOutcome::TimedOut);
            continue;
        }
        by_event
            .entry(request.hold.event_id)
            .or_default()
            .push(request);
    }

    let events = by_event
        .into_iter()
        .map(|(event, batch)| hold_event_batch(deps, event, batch, inserts));
    join_all(events).await;
}

async fn hold_event_batch(
    deps: &PipelineDeps,
    event: EventId,
    batch: Vec<HoldRequest>,
    inserts: &mpsc::Sender<PendingInsert>,
) {
    let (holds, pending): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|request| (request.hold, (request.row, request.answer)))
        .unzip();
    let held_at = Instant::now();
    let outcomes = match reserve_batch(deps, event, &holds).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            // The engine may have made the holds before its answer was lost.
            if matches!(error, EngineError::Unavailable(_)) {
                let bookings = holds.iter().map(|hold| hold.booking_id);
                deps.settlements.abort_holds(event, bookings);
            }

            for (_, sender) in pending {
                answer(sender, ReservationOutcome::EngineFailed(error.clone()));
            }
            return;
        }
    };

    let mut held = Vec::with_capacity(outcomes.len());
    for (outcome, (row, sender)) in outcomes.into_iter().zip(pending) {
        match outcome {
            ReserveOutcome::Held => held.push(PendingInsert {
                row,
                held_at,
                answer: sender,
            }),
            rejected => answer(sender, ReservationOutcome::Rejected(rejected)),
        }
    }

    // The whole batch at once, otherwise the commit stage would start with a part of it. That stage
    // ends after this one, so its queue is open.
    if let Ok(slots) = inserts.reserve_many(held.len()).await {
        slots.zip(held).for_each(|(slot, insert)| slot.send(insert));
    }
}

async fn reserve_batch(
    deps: &PipelineDeps,
    event: EventId,
    holds: &[Reserve],
) -> Result<Vec<ReserveOutcome>, EngineError> {
    let started = Instant::now();
    let reserve = deps.engine.reserve_all(event, holds, deps.clock.now());
    let outcomes = with_timeout(HOLD_TIMEOUT, reserve).await?;

    metrics::histogram!(crate::metric_definitions::HOLD_BATCH_SIZE).record(holds.len() as f64);
    metrics::histogram!(crate::metric_definitions::HOLD_DURATION)
        .record(started.elapsed().as_secs_f64());
    if outcomes.len() == holds.len() {
        Ok(outcomes)
    } else {
        Err(EngineError::Unavailable(
            "an answer of another length".into(),
        ))
    }
}

/// The client may have gone.
fn answer(sender: oneshot::Sender<ReservationOutcome>, outcome: ReservationOutcome) {
    let _ = sender.send(outcome);
}
