//! The lanes of the group commit: collect, hold, store, answer, tell the engine. Each works on a
//! batch of its own meanwhile.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};
use waitingroom::{
    clock::Clock,
    engine::SharedEngine,
    ids::{BookingId, EventId},
    lifecycle::Lifecycle,
    seats::Settlement,
};

use super::{
    PendingInsert, PendingTransition, PipelineReceivers, ReservationOutcome, holds::hold_batch,
    latency::CommitLatency,
};
use crate::{
    model::booking::{Booking, NewBooking},
    settlements::dispatcher::{SettlementDispatcher, settlement_for_status},
    store::{AsOf, HoldResolution, InsertOutcome, SharedStore, StoreError, TransitionOutcome},
};

/// Most rows of one transaction.
pub(super) const MAX_BATCH: usize = 200;

/// After a batch of so many, the next waits for more.
const LINGER_THRESHOLD: usize = 8;

/// For so long at least.
const MIN_LINGER: Duration = Duration::from_millis(2);

/// And at most.
const MAX_LINGER: Duration = Duration::from_millis(12);

/// A hold that waited longer than this is not committed any more: its client has gone by then, and
/// the repair of stale holds, which looks at holds older than [`crate::inventory::reconcile::STALE_AFTER`], would
/// be about to take its place.
const MAX_HOLD_AGE: Duration = Duration::from_secs(4);

/// Longest wait for what became of reservations whose commit was not answered.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Batches that are stored and that the engine has not heard of: with more, the lane of commits
/// waits.
const MAX_UNSETTLED_BATCHES: usize = 2;

/// After a drain began, a lane ends when nothing has come for this long.
const DRAIN_IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a lane works with.
#[derive(Clone)]
pub(crate) struct PipelineDeps {
    pub(crate) store: SharedStore,
    pub(crate) engine: SharedEngine,
    pub(crate) clock: Clock,
    pub(crate) settlements: SettlementDispatcher,
}

impl PipelineReceivers {
    /// Runs the lanes.
    pub(crate) fn start(self, deps: PipelineDeps, lifecycle: &Lifecycle) {
        let Self {
            mut hold_requests,
            held_inserts,
            mut inserts,
            mut transitions,
            latency,
        } = self;
        let (engine, watch) = (deps.clone(), lifecycle.clone());
        lifecycle.spawn("hold seats", async move {
            let (mut last_batch_len, mut took) = (0, Duration::ZERO);
            while let Some(mut batch) = collect(&mut hold_requests, &watch).await {
                if last_batch_len >= LINGER_THRESHOLD {
                    linger(&mut hold_requests, &mut batch, took).await;
                }
                last_batch_len = batch.len();
                let started = Instant::now();
                hold_batch(&engine, batch, &held_inserts).await;
                took = started.elapsed();
            }
        });
        let (store, (results, mut results_receiver)) =
            (deps.clone(), mpsc::channel(MAX_UNSETTLED_BATCHES));
        lifecycle.spawn("commit reservations", async move {
            // Ends after the lane of holds, whose sender is the only one; the next ends after this
            // one for the same reason.
            let mut batch = Vec::with_capacity(MAX_BATCH);
            while inserts.recv_many(&mut batch, MAX_BATCH).await > 0 {
                let batch = std::mem::replace(&mut batch, Vec::with_capacity(MAX_BATCH));
                let _ = results
                    .send(commit_batch(&store, batch, &latency).await)
                    .await; // the lane that follows is there
            }
        });
        let engine = deps.clone();
        lifecycle.spawn("tell the engine", async move {
            while let Some(committed) = results_receiver.recv().await {
                publish_results(&engine, committed).await;
            }
        });
        let watch = lifecycle.clone();
        lifecycle.spawn("commit transitions", async move {
            while let Some(batch) = collect(&mut transitions, &watch).await {
                apply_transitions(&deps, batch).await;
            }
        });
    }
}

/// The next batch; `None` when everybody is gone, or when the drain has begun and nothing comes any
/// more.
async fn collect<T>(lane: &mut mpsc::Receiver<T>, lifecycle: &Lifecycle) -> Option<Vec<T>> {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let last_call = async {
        lifecycle.draining().await;
        tokio::time::sleep(DRAIN_IDLE_TIMEOUT).await;
    };
    let taken = tokio::select! {
        biased;
        taken = lane.recv_many(&mut batch, MAX_BATCH) => taken,
        () = last_call => 0,
    };
    (taken > 0).then_some(batch)
}

/// Waits for more: a batch costs engine and database as much as some thirty reservations do. As
/// long as the engine took for the last one: where it is shared by many, the batches of each would
/// be small.
async fn linger<T>(lane: &mut mpsc::Receiver<T>, batch: &mut Vec<T>, took: Duration) {
    if batch.len() >= MAX_BATCH {
        return;
    }
    tokio::time::sleep(took.clamp(MIN_LINGER, MAX_LINGER)).await;
    while batch.len() < MAX_BATCH {
        let Ok(one) = lane.try_recv() else { return };
        batch.push(one);
    }
}

/// What a batch came to, for the engine and for those who hear of it only once the engine has.
struct BatchResult {
    settlements: SettlementBatch,
    rejected: Vec<(oneshot::Sender<ReservationOutcome>, ReservationOutcome)>,
    /// Whose answer was lost: they are answered once the database knows.
    unknown: Vec<StoredRow>,
}

async fn commit_batch(
    deps: &PipelineDeps,
    batch: Vec<PendingInsert>,
    latency: &CommitLatency,
) -> BatchResult {
    let (batch, late): (Vec<_>, Vec<_>) = batch.into_iter().partition(should_commit);
    let mut settlements = SettlementBatch::default();
    let (mut rejected, mut unknown) = (Vec::new(), Vec::new());
    for PendingInsert { row, answer, .. } in late {
        settlements.add(&row.booking, &ReservationOutcome::TimedOut);
        rejected.push((answer, ReservationOutcome::TimedOut));
    }
    if !batch.is_empty() {
        latency.batch_started(Instant::now());
        let stored = insert_batch(deps, batch).await;
        latency.batch_finished(Instant::now());
        for (booking, outcome, answer) in stored {
            settlements.add(&booking, &outcome);
            match outcome {
                ReservationOutcome::StoreFailed(ref error) if error.may_be_committed() => {
                    unknown.push((booking, outcome, answer))
                }
                // Nothing is left to wait for.
                ReservationOutcome::Stored(_) => drop(answer.send(outcome)),
                // The client may try again at once: its pass must be live by then.
                _ => rejected.push((answer, outcome)),
            }
        }
    }
    BatchResult {
        settlements,
        rejected,
        unknown,
    }
}

async fn publish_results(deps: &PipelineDeps, committed: BatchResult) {
    let BatchResult {
        mut settlements,
        mut rejected,
        unknown,
    } = committed;
    for (booking, outcome, answer) in resolve_unknown(deps, unknown).await {
        settlements.add(&booking, &outcome);
        rejected.push((answer, outcome));
    }
    settlements.send(deps).await;
    for (answer, outcome) in rejected {
        let _ = answer.send(outcome); // the client may have gone
    }
}

/// Who is results 503 is results that nothing was done and nothing will be: where the answer of a commit
/// was lost, the database is asked what became of it, and what is not there is made impossible
/// ([`crate::store::BookingStore::resolve_holds`]). If it does not answer, or the commit is still under
/// way, nobody knows: the repair of stale holds goes on asking, and the same idempotency key finds
/// the answer.
async fn resolve_unknown(deps: &PipelineDeps, unknown: Vec<StoredRow>) -> Vec<StoredRow> {
    let mut events = HashMap::<EventId, Vec<BookingId>>::new();
    for (booking, _, _) in &unknown {
        events
            .entry(booking.event_id)
            .or_default()
            .push(booking.booking_id);
    }
    let mut resolutions = HashMap::new();
    for (event, bookings) in events {
        match tokio::time::timeout(RESOLVE_TIMEOUT, deps.store.resolve_holds(event, &bookings))
            .await
        {
            Ok(Ok(known)) => resolutions.extend(known),
            Ok(Err(error)) => {
                tracing::warn!(%event, %error, "what became of reservations is not known yet")
            }
            Err(_) => tracing::warn!(%event, "what became of reservations is not known yet"),
        }
    }
    let resolve = |(booking, outcome, answer): StoredRow| match resolutions.get(&booking.booking_id)
    {
        None => (booking, outcome, answer),
        Some(HoldResolution::Void) => (
            booking,
            ReservationOutcome::StoreFailed(StoreError::Unavailable("it was not stored".into())),
            answer,
        ),
        Some(HoldResolution::Booked(status)) => {
            let stored = Booking {
                status: *status,
                ..booking.clone()
            };
            (
                booking,
                ReservationOutcome::Stored(Box::new(stored)),
                answer,
            )
        }
    };
    unknown.into_iter().map(resolve).collect()
}

/// A client that has gone was promised nothing, and may never learn of a booking: better to give
/// its seats and pass back.
fn should_commit(insert: &PendingInsert) -> bool {
    insert.held_at.elapsed() < MAX_HOLD_AGE && !insert.answer.is_closed()
}

type StoredRow = (
    Booking,
    ReservationOutcome,
    oneshot::Sender<ReservationOutcome>,
);

async fn insert_batch(deps: &PipelineDeps, batch: Vec<PendingInsert>) -> Vec<StoredRow> {
    let (rows, waiting): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|insert| (insert.row, insert.answer))
        .unzip();
    let started = Instant::now();
    let answer = deps.store.insert(&rows).await;
    metrics::histogram!("stanchion_booking_commit_batch_size").record(rows.len() as f64);
    metrics::histogram!("stanchion_booking_commit_seconds").record(started.elapsed().as_secs_f64());
    let outcomes: Vec<_> = match answer {
        Ok(answers) => answers
            .into_iter()
            .zip(&rows)
            .map(|(answer, row)| outcome(answer, row))
            .collect(),
        Err(error) => {
            tracing::warn!(%error, reservations = rows.len(), "a batch of reservations was not committed");
            rows.iter()
                .map(|_| ReservationOutcome::StoreFailed(error.clone()))
                .collect()
        }
    };
    let answered = rows.into_iter().zip(outcomes).zip(waiting);
    answered
        .map(|((row, outcome), answer)| (row.booking, outcome, answer))
        .collect()
}

fn outcome(inserted: InsertOutcome, row: &NewBooking) -> ReservationOutcome {
    match inserted {
        InsertOutcome::Stored => ReservationOutcome::Stored(Box::new(row.booking.clone())),
        InsertOutcome::Duplicate => ReservationOutcome::Duplicate,
        InsertOutcome::NoSeats => ReservationOutcome::NoSeats,
        InsertOutcome::Unavailable => ReservationOutcome::StoreFailed(StoreError::Unavailable(
            "the zone could not be changed".into(),
        )),
        InsertOutcome::Unknown => {
            ReservationOutcome::StoreFailed(StoreError::Uncertain("the answer was lost".into()))
        }
        InsertOutcome::OverLimit(room) => ReservationOutcome::OverLimit(room),
    }
}

/// What the engine is to be results after a batch.
#[derive(Default)]
struct SettlementBatch(HashMap<EventId, Vec<(BookingId, Settlement)>>);

impl SettlementBatch {
    fn add(&mut self, booking: &Booking, outcome: &ReservationOutcome) {
        let settlement = match outcome {
            ReservationOutcome::Stored(_) => Settlement::Committed,
            // The row may be there: the repair of stale holds asks the database once it can be
            // asked.
            ReservationOutcome::StoreFailed(error) if error.may_be_committed() => return,
            _ => Settlement::Aborted,
        };
        self.0
            .entry(booking.event_id)
            .or_default()
            .push((booking.booking_id, settlement));
    }

    async fn send(self, deps: &PipelineDeps) {
        for (event, settlements) in self.0 {
            deps.settlements.settle(event, &settlements).await;
        }
    }
}

async fn apply_transitions(deps: &PipelineDeps, batch: Vec<PendingTransition>) {
    let requests: Vec<_> = batch
        .iter()
        .map(|transition| transition.request.clone())
        .collect();
    let outcomes = match deps
        .store
        .apply_transitions(&requests, AsOf::of(&deps.clock))
        .await
    {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error); batch.len()],
    };
    let mut settlements = SettlementBatch::default();
    for booking in outcomes.iter().filter_map(changed_booking) {
        let settlement = settlement_for_status(Some(booking.status));
        settlements
            .0
            .entry(booking.event_id)
            .or_default()
            .push((booking.booking_id, settlement));
    }
    settlements.send(deps).await;
    for (transition, outcome) in batch.into_iter().zip(outcomes) {
        let _ = transition.answer.send(outcome); // the client may have gone
    }
}

fn changed_booking(outcome: &Result<TransitionOutcome, StoreError>) -> Option<&Booking> {
    match outcome {
        Ok(TransitionOutcome::Changed(booking)) => Some(booking),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn waits(had: usize, took: u64) -> Duration {
        let (_sender, mut lane) = mpsc::channel(1);
        let (mut batch, begun) = (vec![(); had], tokio::time::Instant::now());
        linger(&mut lane, &mut batch, Duration::from_millis(took)).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_waits_as_long_as_the_engine_took_within_limits() {
        assert_eq!(waits(1, 0).await, MIN_LINGER);
        assert_eq!(waits(MAX_BATCH - 1, 7).await, Duration::from_millis(7));
        assert_eq!(waits(1, 500).await, MAX_LINGER);
        assert_eq!(
            waits(MAX_BATCH, 500).await,
            Duration::ZERO,
            "nobody waits behind a full batch"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_meanwhile_is_in_the_batch_as_far_as_there_is_room() {
        let (sender, mut lane) = mpsc::channel(MAX_BATCH);
        let mut batch = vec![0; MAX_BATCH - 2];
        let come = async {
            for one in 1..=3 {
                sender.send(one).await.unwrap();
            }
        };
        tokio::join!(linger(&mut lane, &mut batch, Duration::ZERO), come);
        assert_eq!(
            (batch.len(), &batch[MAX_BATCH - 2..]),
            (MAX_BATCH, &[1, 2][..])
        );
        assert_eq!(lane.recv().await, Some(3), "the rest is for the next");
    }
}
