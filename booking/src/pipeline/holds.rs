//! The lane before the commit: passes are burned and seats held for many reservations in one step
//! of the engine.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use waitingroom::{
    engine::EngineError,
    ids::EventId,
    seats::{Reserve, ReserveOutcome},
};

use super::{PendingInsert, ReservationOutcome, commits::PipelineDeps};
use crate::model::booking::NewBooking;

/// Longest wait for the engine; who waited as long for their turn is not asked for any more.
const HOLD_TIMEOUT: Duration = Duration::from_secs(2);

/// A reservation whose seats are not held yet.
#[derive(Debug)]
pub(super) struct HoldRequest {
    pub(super) request: Reserve,
    pub(super) row: NewBooking,
    pub(super) queued_at: Instant,
    pub(super) answer: oneshot::Sender<ReservationOutcome>,
}

/// Holds what the batch wants; what is held goes on to be committed, the rest is answered.
pub(super) async fn hold_batch(
    deps: &PipelineDeps,
    batch: Vec<HoldRequest>,
    inserts: &mpsc::Sender<PendingInsert>,
) {
    let mut by_event = HashMap::<EventId, Vec<HoldRequest>>::new();
    for request in batch {
        if request.answer.is_closed() {
            continue; // the client has gone, and nothing was done for it
        }
        if request.queued_at.elapsed() > HOLD_TIMEOUT {
            let _ = request.answer.send(ReservationOutcome::TimedOut); // the client may have gone
            continue;
        }
        by_event
            .entry(request.request.event_id)
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
    let (requests, waiting): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|request| (request.request, (request.row, request.answer)))
        .unzip();
    let held_at = Instant::now();
    match reserve_batch(deps, event, &requests).await {
        Ok(outcomes) => {
            let answered = outcomes.into_iter().zip(waiting);
            forward(
                answered.map(|(outcome, (row, answer))| {
                    (
                        outcome,
                        PendingInsert {
                            row,
                            held_at,
                            answer,
                        },
                    )
                }),
                inserts,
            )
            .await;
        }
        Err(error) => {
            if matches!(error, EngineError::Unavailable(_)) {
                deps.settlements
                    .abort_holds(event, requests.iter().map(|request| request.booking_id));
            }
            for (_, answer) in waiting {
                let _ = answer.send(ReservationOutcome::EngineFailed(error.clone())); // the client may have gone
            }
        }
    }
}

async fn reserve_batch(
    deps: &PipelineDeps,
    event: EventId,
    requests: &[Reserve],
) -> Result<Vec<ReserveOutcome>, EngineError> {
    let started = Instant::now();
    let late =
        |_| EngineError::Unavailable(format!("no answer in {} ms", HOLD_TIMEOUT.as_millis()));
    let asking = deps.engine.reserve_all(event, requests, deps.clock.now());
    let outcomes = tokio::time::timeout(HOLD_TIMEOUT, asking)
        .await
        .map_err(late)??;
    metrics::histogram!("stanchion_booking_hold_batch_size").record(requests.len() as f64);
    metrics::histogram!("stanchion_booking_hold_seconds").record(started.elapsed().as_secs_f64());
    if outcomes.len() == requests.len() {
        Ok(outcomes)
    } else {
        Err(EngineError::Unavailable(
            "an answer of another length".into(),
        ))
    }
}

/// What is held goes on together: one by one, the runtime would let the lane of commits begin with
/// a part of it.
async fn forward(
    answered: impl Iterator<Item = (ReserveOutcome, PendingInsert)>,
    inserts: &mpsc::Sender<PendingInsert>,
) {
    let (held, refused): (Vec<_>, Vec<_>) =
        answered.partition(|(outcome, _)| *outcome == ReserveOutcome::Held);
    for (outcome, insert) in refused {
        let _ = insert.answer.send(ReservationOutcome::Rejected(outcome)); // the client may have gone
    }
    // The lane of commits ends after this one: it is there.
    let Ok(places) = inserts.reserve_many(held.len()).await else {
        return;
    };
    places
        .zip(held)
        .for_each(|(place, (_, insert))| place.send(insert));
}
