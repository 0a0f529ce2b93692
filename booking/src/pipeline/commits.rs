//! The stages of the pipeline as tasks: hold, commit, settle, and the transitions. Each works on a
//! batch of its own at the same time as the others.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};
use waitingroom_domain::{
    ids::{BookingId, EventId},
    seats::Settlement,
};
use waitingroom_server::start_and_drain::Lifecycle;

use super::{
    PendingInsert, PendingTransition, PipelineDeps, PipelineReceivers, ReservationOutcome,
    holds::{HoldRequest, hold_batch},
    latency::CommitLatency,
};
use crate::{
    model::booking::{Booking, NewBooking},
    settlements::dispatcher::settlement_for_status,
    store::{AsOf, HoldResolution, InsertOutcome, StoreError, TransitionOutcome},
};

/// Max rows of one transaction.
pub(super) const MAX_BATCH: usize = 200;

/// After a batch of this size, the next one lingers for more requests.
const LINGER_THRESHOLD: usize = 8;

const MIN_LINGER: Duration = Duration::from_millis(2);

const MAX_LINGER: Duration = Duration::from_millis(12);

/// An older hold is not committed any more: its client has gone by then, and the repair of stale
/// holds, which looks at holds older than [`crate::inventory::reconcile::STALE_AFTER`], would be
/// about to put a tombstone in its place.
const MAX_HOLD_AGE: Duration = Duration::from_secs(4);

/// Longest wait for the resolution of reservations whose commit was not answered.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Batches that are stored and not yet settled in the engine; with more, the commit stage waits.
const MAX_UNSETTLED_BATCHES: usize = 2;

/// After the drain began, a stage ends when no request has come for this long.
const DRAIN_IDLE_TIMEOUT: Duration = Duration::from_secs(1);

impl PipelineReceivers {
    /// Starts the stages. Each ends after the one before it, whose sender is the only one.
    pub(crate) fn start(self, lifecycle: &Lifecycle) {
        let deps = self.deps;
        let (results, unsettled) = mpsc::channel(MAX_UNSETTLED_BATCHES);
        lifecycle.spawn(
            "hold seats",
            hold_stage(
                deps.clone(),
                self.hold_requests,
                self.insert_sender,
                lifecycle.clone(),
            ),
        );
        lifecycle.spawn(
            "commit reservations",
            commit_stage(deps.clone(), self.inserts, results, self.latency),
        );
        lifecycle.spawn("settle reservations", settle_stage(deps.clone(), unsettled));

        lifecycle.spawn(
            "commit transitions",
            transition_stage(deps, self.transitions, lifecycle.clone()),
        );
    }
}

async fn hold_stage(
    deps: PipelineDeps,
    mut requests: mpsc::Receiver<HoldRequest>,
    inserts: mpsc::Sender<PendingInsert>,
    lifecycle: Lifecycle,
) {
    let mut last_len = 0;
    let mut last_duration = Duration::ZERO;
    while let Some(mut batch) = collect(&mut requests, &lifecycle).await {
        if last_len >= LINGER_THRESHOLD {
            linger(&mut requests, &mut batch, last_duration).await;
        }
        last_len = batch.len();

        let started = Instant::now();
        hold_batch(&deps, batch, &inserts).await;
        last_duration = started.elapsed();
    }
}

async fn commit_stage(
    deps: PipelineDeps,
    mut inserts: mpsc::Receiver<PendingInsert>,
    results: mpsc::Sender<BatchResult>,
    latency: Arc<CommitLatency>,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while inserts.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let batch = std::mem::replace(&mut batch, Vec::with_capacity(MAX_BATCH));
        let result = commit_batch(&deps, batch, &latency).await;
        let _ = results.send(result).await; // the settle stage ends after this one
    }
}

async fn settle_stage(deps: PipelineDeps, mut unsettled: mpsc::Receiver<BatchResult>) {
    while let Some(result) = unsettled.recv().await {
        publish_results(&deps, result).await;
    }
}

async fn transition_stage(
    deps: PipelineDeps,
    mut transitions: mpsc::Receiver<PendingTransition>,
    lifecycle: Lifecycle,
) {
    while let Some(batch) = collect(&mut transitions, &lifecycle).await {
        apply_transitions(&deps, batch).await;
    }
}

/// The next batch; `None` if every sender is gone, or if the drain has begun and no request comes
/// any more.
async fn collect<T>(queue: &mut mpsc::Receiver<T>, lifecycle: &Lifecycle) -> Option<Vec<T>> {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let drained = async {
        lifecycle.draining().await;
        tokio::time::sleep(DRAIN_IDLE_TIMEOUT).await;
    };

    let taken = tokio::select! {
        biased;
        taken = queue.recv_many(&mut batch, MAX_BATCH) => taken,
        () = drained => 0,
    };
    (taken > 0).then_some(batch)
}

/// Waits for more requests: a batch costs engine and database as much as some thirty reservations
/// do. The wait is as long as the engine took for the last batch: if many instances share it, the
/// batches of each would be small.
async fn linger<T>(queue: &mut mpsc::Receiver<T>, batch: &mut Vec<T>, last_duration: Duration) {
    if batch.len() >= MAX_BATCH {
        return;
    }

    tokio::time::sleep(last_duration.clamp(MIN_LINGER, MAX_LINGER)).await;
    while batch.len() < MAX_BATCH {
        let Ok(request) = queue.try_recv() else {
            return;
        };

        batch.push(request);
    }
}

/// The outcome of a batch, as far as it was not answered at once.
struct BatchResult {
    settlements: SettlementBatch,
    /// Answered after the settlement: the client may try again at once, and its pass must be live
    /// by then.
    rejected: Vec<(oneshot::Sender<ReservationOutcome>, ReservationOutcome)>,
    /// The commit's answer was lost: answered once the database has been asked.
    unknown: Vec<InsertedRow>,
}

struct InsertedRow {
    booking: Booking,
    outcome: ReservationOutcome,
    answer: oneshot::Sender<ReservationOutcome>,
}

async fn commit_batch(
    deps: &PipelineDeps,
    batch: Vec<PendingInsert>,
    latency: &CommitLatency,
) -> BatchResult {
    let mut result = BatchResult {
        settlements: SettlementBatch::default(),
        rejected: Vec::new(),
        unknown: Vec::new(),
    };

    let (batch, late): (Vec<_>, Vec<_>) = batch.into_iter().partition(should_commit);
    for PendingInsert { row, answer, .. } in late {
        let outcome = ReservationOutcome::TimedOut;
        result.settlements.add(&row.booking, &outcome);
        result.rejected.push((answer, outcome));
    }
    if batch.is_empty() {
        return result;
    }

    latency.batch_started(Instant::now());
    let inserted = insert_batch(deps, batch).await;
    latency.batch_finished(Instant::now());

    for row in inserted {
        result.settlements.add(&row.booking, &row.outcome);
        match &row.outcome {
            // A stored booking is answered before the engine knows of it: it is final.
            ReservationOutcome::Stored(_) => drop(row.answer.send(row.outcome)),
            ReservationOutcome::StoreFailed(error) if error.may_be_committed() => {
                result.unknown.push(row);
            }
            _ => result.rejected.push((row.answer, row.outcome)),
        }
    }
    result
}

/// Settles a batch in the engine, then answers the clients that waited for that.
async fn publish_results(deps: &PipelineDeps, result: BatchResult) {
    let BatchResult {
        mut settlements,
        rejected: mut answers,
        unknown,
    } = result;
    for row in resolve_unknown(deps, unknown).await {
        settlements.add(&row.booking, &row.outcome);
        answers.push((row.answer, row.outcome));
    }

    settlements.send(deps).await;

    for (answer, outcome) in answers {
        let _ = answer.send(outcome); // the client may have gone
    }
}

/// A client that gets 503 relies on it: its request was not carried out and will not be. So if the
/// answer of a commit was lost, the database is asked, and puts a tombstone in place of each
/// booking that is not there ([`crate::store::BookingStore::resolve_holds`]). If it does not
/// answer, or the commit is still in flight, the outcome stays unknown: the repair of stale holds
/// keeps asking, and a request with the same idempotency key finds the answer.
async fn resolve_unknown(deps: &PipelineDeps, unknown: Vec<InsertedRow>) -> Vec<InsertedRow> {
    let mut by_event = HashMap::<EventId, Vec<BookingId>>::new();
    for row in &unknown {
        by_event
            .entry(row.booking.event_id)
            .or_default()
            .push(row.booking.booking_id);
    }

    let mut resolutions = HashMap::new();
    for (event, bookings) in by_event {
        let resolving = deps.store.resolve_holds(event, &bookings);
        match tokio::time::timeout(RESOLVE_TIMEOUT, resolving).await {
            Ok(Ok(known)) => resolutions.extend(known),
            Ok(Err(error)) => {
                tracing::warn!(%event, %error, "reservations with a lost answer are not resolved yet");
            }
            Err(_) => {
                tracing::warn!(%event, "reservations with a lost answer are not resolved yet");
            }
        }
    }

    let resolve = |row: InsertedRow| {
        let outcome = match resolutions.get(&row.booking.booking_id) {
            None => row.outcome,
            Some(HoldResolution::Void) => {
                ReservationOutcome::StoreFailed(StoreError::Unavailable("it was not stored".into()))
            }
            Some(HoldResolution::Booked(status)) => ReservationOutcome::Stored(Box::new(Booking {
                status: *status,
                ..row.booking.clone()
            })),
        };
        InsertedRow { outcome, ..row }
    };
    unknown.into_iter().map(resolve).collect()
}

/// A client that has gone was promised nothing, and may never learn of a booking: its seats and
/// pass are released.
fn should_commit(insert: &PendingInsert) -> bool {
    insert.held_at.elapsed() < MAX_HOLD_AGE && !insert.answer.is_closed()
}

async fn insert_batch(deps: &PipelineDeps, batch: Vec<PendingInsert>) -> Vec<InsertedRow> {
    let (rows, answers): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|insert| (insert.row, insert.answer))
        .unzip();

    let started = Instant::now();
    let inserted = deps.store.insert(&rows).await;
    metrics::histogram!(crate::metric_definitions::COMMIT_BATCH_SIZE).record(rows.len() as f64);
    metrics::histogram!(crate::metric_definitions::COMMIT_DURATION)
        .record(started.elapsed().as_secs_f64());

    let outcomes: Vec<_> = match inserted {
        Ok(inserted) => inserted
            .into_iter()
            .zip(&rows)
            .map(|(inserted, row)| reservation_outcome(inserted, row))
            .collect(),
        Err(error) => {
            tracing::warn!(%error, reservations = rows.len(), "reservation batch commit failed");
            vec![error; rows.len()]
                .into_iter()
                .map(ReservationOutcome::StoreFailed)
                .collect()
        }
    };
    rows.into_iter()
        .zip(outcomes)
        .zip(answers)
        .map(|((row, outcome), answer)| InsertedRow {
            booking: row.booking,
            outcome,
            answer,
        })
        .collect()
}

fn reservation_outcome(inserted: InsertOutcome, row: &NewBooking) -> ReservationOutcome {
    match inserted {
        InsertOutcome::Stored => ReservationOutcome::Stored(Box::new(row.booking.clone())),
        InsertOutcome::Duplicate => ReservationOutcome::Duplicate,
        InsertOutcome::NoSeats => ReservationOutcome::NoSeats,
        InsertOutcome::OverLimit(left) => ReservationOutcome::OverLimit(left),
        InsertOutcome::Unavailable => ReservationOutcome::StoreFailed(StoreError::Unavailable(
            "the zone could not be changed".into(),
        )),
        InsertOutcome::Unknown => {
            ReservationOutcome::StoreFailed(StoreError::Uncertain("the answer was lost".into()))
        }
    }
}

/// The settlements of a batch, to be sent to the engine.
#[derive(Default)]
struct SettlementBatch(HashMap<EventId, Vec<(BookingId, Settlement)>>);

impl SettlementBatch {
    fn add(&mut self, booking: &Booking, outcome: &ReservationOutcome) {
        match outcome {
            ReservationOutcome::Stored(_) => self.push(booking, Settlement::Committed),
            // The row may be there: the repair of stale holds asks the database once it answers.
            ReservationOutcome::StoreFailed(error) if error.may_be_committed() => {}
            _ => self.push(booking, Settlement::Aborted),
        }
    }

    fn push(&mut self, booking: &Booking, settlement: Settlement) {
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
        .map(|pending| pending.request.clone())
        .collect();
    let as_of = AsOf::of(&deps.clock);
    let outcomes = match deps.store.apply_transitions(&requests, as_of).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error); batch.len()],
    };

    let mut settlements = SettlementBatch::default();
    for outcome in &outcomes {
        if let Ok(TransitionOutcome::Changed(booking)) = outcome {
            settlements.push(booking, settlement_for_status(Some(booking.status)));
        }
    }
    settlements.send(deps).await;

    for (pending, outcome) in batch.into_iter().zip(outcomes) {
        let _ = pending.answer.send(outcome); // the client may have gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn linger_time(batch_len: usize, last_ms: u64) -> Duration {
        let (_sender, mut queue) = mpsc::channel(1);
        let mut batch = vec![(); batch_len];
        let started = tokio::time::Instant::now();
        linger(&mut queue, &mut batch, Duration::from_millis(last_ms)).await;
        started.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn lingers_as_long_as_engine_took() {
        assert_eq!(linger_time(1, 0).await, MIN_LINGER);
        assert_eq!(
            linger_time(MAX_BATCH - 1, 7).await,
            Duration::from_millis(7)
        );
        assert_eq!(linger_time(1, 500).await, MAX_LINGER);
        assert_eq!(
            linger_time(MAX_BATCH, 500).await,
            Duration::ZERO,
            "a full batch does not wait"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn linger_fills_batch_to_max() {
        let (sender, mut queue) = mpsc::channel(MAX_BATCH);
        let mut batch = vec![0; MAX_BATCH - 2];
        let send = async {
            for request in 1..=3 {
                sender.send(request).await.unwrap();
            }
        };

        tokio::join!(linger(&mut queue, &mut batch, Duration::ZERO), send);
        assert_eq!(
            (batch.len(), &batch[MAX_BATCH - 2..]),
            (MAX_BATCH, &[1, 2][..])
        );
        assert_eq!(queue.recv().await, Some(3), "the rest is for the next");
    }
}
