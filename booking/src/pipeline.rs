//! The pipeline of reservations: requests that arrive together are held and stored together. One
//! script and one transaction for each would make hot zones wait for a flush to disk each; one for
//! a batch makes them wait once.
//!
//! A stage takes all requests that are queued, at most 200, as soon as its batch before is done:
//! alone, a request waits for no other; under load, batches grow by themselves. A reservation
//! passes the hold stage (one step of the engine) and the commit stage (one transaction); meanwhile
//! the next batch is being held, and the settlements of the last one are sent to the engine. If the
//! commits fall behind, new reservations are rejected at once instead of queueing for long.
//! Transitions (confirm, cancel) have a stage of their own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};
use waitingroom_domain::{
    clock::Clock,
    ids::EventId,
    overload_throttle::BookingLoad,
    seats::{Reserve, ReserveOutcome},
};
use waitingroom_engine::{EngineError, SharedEngine};

use self::{commits::MAX_BATCH, holds::HoldRequest, latency::CommitLatency};
use crate::{
    error::BookingError,
    load_monitor::LoadMonitor,
    model::booking::{Booking, NewBooking},
    settlements::dispatcher::SettlementDispatcher,
    store::{SharedStore, StoreError, TransitionOutcome, TransitionRequest},
};

mod commits;
mod holds;
mod latency;

/// Requests that may be queued for a stage; more are rejected before they hold any seats.
const QUEUE_CAPACITY: usize = 4_096;

/// A request whose commit is estimated to begin later than this is rejected.
const MAX_QUEUE_WAIT: Duration = Duration::from_secs(2);

/// Longest wait for a transition. It may be applied later; a repeated request gets the outcome.
const TRANSITION_TIMEOUT: Duration = Duration::from_secs(8);

/// The outcome of a reservation.
#[derive(Debug)]
pub(crate) enum ReservationOutcome {
    /// The booking is in the database.
    Stored(Box<Booking>),
    /// The engine rejected the request.
    Rejected(ReserveOutcome),
    /// The engine did not answer, or does not know the event. A hold that it may have made is
    /// released by the repair of stale holds.
    EngineFailed(EngineError),
    /// Pass or key have a booking; the hold is released.
    Duplicate,
    /// The database has fewer seats left than the engine had; the hold is released.
    NoSeats,
    /// The user has seats that the engine does not know of, and may have only this many more; the
    /// hold is released.
    OverLimit(u32),
    /// The booking is not in the database, and the hold is released; or that is not known.
    StoreFailed(StoreError),
    /// The request was queued for too long, or its client has gone; its hold is released.
    TimedOut,
}

impl ReservationOutcome {
    /// True if the engine does not hold the event or its zones.
    pub(crate) fn is_lost_by_engine(&self) -> bool {
        matches!(
            self,
            Self::EngineFailed(EngineError::UnknownEvent)
                | Self::Rejected(ReserveOutcome::UnknownZone)
        )
    }

    /// True if the engine has lost seats that the database counts.
    pub(crate) fn shows_drift(&self) -> bool {
        matches!(self, Self::NoSeats | Self::OverLimit(_))
    }

    /// True if an earlier request with the same key, which the engine does not remember, may have
    /// made the booking.
    pub(crate) fn may_be_repeated(&self) -> bool {
        use ReserveOutcome::{PassExpired, PassRevoked, PassUsed};

        matches!(
            self,
            Self::Duplicate | Self::Rejected(PassExpired | PassRevoked | PassUsed(_))
        )
    }
}

/// A held reservation, to be committed.
#[derive(Debug)]
struct PendingInsert {
    row: NewBooking,
    held_at: Instant,
    answer: oneshot::Sender<ReservationOutcome>,
}

#[derive(Debug)]
struct PendingTransition {
    request: TransitionRequest,
    answer: oneshot::Sender<Result<TransitionOutcome, StoreError>>,
}

/// The entrance of the pipeline. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    hold_requests: mpsc::Sender<HoldRequest>,
    /// Counts what is queued; weak, since the commit stage ends when the last sender is gone.
    inserts: mpsc::WeakSender<PendingInsert>,
    transitions: mpsc::Sender<PendingTransition>,
    latency: Arc<CommitLatency>,
    /// Knows whether database and queues answer, and is informed of what they did.
    load: Arc<LoadMonitor>,
}

/// What the stages work with.
#[derive(Clone)]
pub(crate) struct PipelineDeps {
    pub(crate) store: SharedStore,
    pub(crate) engine: SharedEngine,
    pub(crate) clock: Clock,
    pub(crate) settlements: SettlementDispatcher,
}

/// The other ends of the queues, until [`PipelineReceivers::start`].
pub(crate) struct PipelineReceivers {
    hold_requests: mpsc::Receiver<HoldRequest>,
    /// The hold stage's: the commit stage ends after it.
    insert_sender: mpsc::Sender<PendingInsert>,
    inserts: mpsc::Receiver<PendingInsert>,
    transitions: mpsc::Receiver<PendingTransition>,
    latency: Arc<CommitLatency>,
    deps: PipelineDeps,
}

/// A slot in the queue of reservations, taken before any seats are held.
#[derive(Debug)]
pub(crate) struct PipelinePermit<'a> {
    slot: mpsc::Permit<'a, HoldRequest>,
    load: &'a LoadMonitor,
}

impl Pipeline {
    /// A pipeline with empty queues.
    pub(crate) fn new(deps: PipelineDeps, load: Arc<LoadMonitor>) -> (Self, PipelineReceivers) {
        let (hold_sender, hold_requests) = mpsc::channel(QUEUE_CAPACITY);
        let (insert_sender, inserts) = mpsc::channel(QUEUE_CAPACITY);
        let (transition_sender, transitions) = mpsc::channel(QUEUE_CAPACITY);
        let latency = Arc::new(CommitLatency::default());

        let pipeline = Self {
            hold_requests: hold_sender,
            inserts: insert_sender.downgrade(),
            transitions: transition_sender,
            latency: Arc::clone(&latency),
            load,
        };
        let receivers = PipelineReceivers {
            hold_requests,
            insert_sender,
            inserts,
            transitions,
            latency,
            deps,
        };
        (pipeline, receivers)
    }

    /// A slot for one reservation of this event.
    ///
    /// # Errors
    /// [`BookingError::Unavailable`] if database or queue are known not to answer, or the pipeline
    /// is full, slow or closed: nothing was tried.
    pub(crate) fn reserve_slot(&self, event: EventId) -> Result<PipelinePermit<'_>, BookingError> {
        const BUSY: BookingError =
            BookingError::Unavailable("too many reservations are in progress");

        self.load.require_database()?;
        self.load.require_queue(event)?;

        let (queued, _) = self.queue_length();
        metrics::gauge!(crate::metric_definitions::COMMIT_QUEUE_LENGTH).set(queued as f64);

        let batches_ahead = queued as usize / MAX_BATCH;
        if self.latency.estimated_wait(batches_ahead, Instant::now()) > MAX_QUEUE_WAIT {
            return Err(BUSY);
        }
        let slot = self.hold_requests.try_reserve().map_err(|_| BUSY)?;
        Ok(PipelinePermit {
            slot,
            load: &self.load,
        })
    }

    /// The load on booking at this moment.
    pub(crate) fn load(&self) -> BookingLoad {
        let (queued, capacity) = self.queue_length();
        self.load.load(Instant::now(), queued, capacity)
    }

    /// Queued reservations, without the batches in flight, and the capacity of one queue.
    fn queue_length(&self) -> (u64, u64) {
        let hold_requests = QUEUE_CAPACITY - self.hold_requests.capacity();
        let inserts = self
            .inserts
            .upgrade()
            .map_or(0, |inserts| QUEUE_CAPACITY - inserts.capacity());
        ((hold_requests + inserts) as u64, QUEUE_CAPACITY as u64)
    }

    /// Confirms or cancels one booking.
    ///
    /// # Errors
    /// [`BookingError::Unavailable`] if the database is known not to answer, or the queue is full or
    /// closed, and the errors of the store.
    pub(crate) async fn submit_transition(
        &self,
        request: TransitionRequest,
    ) -> Result<TransitionOutcome, BookingError> {
        const BUSY: BookingError = BookingError::Unavailable("too many bookings are being changed");

        self.load.require_database()?;

        let (answer, outcome) = oneshot::channel();
        self.transitions
            .try_send(PendingTransition { request, answer })
            .map_err(|_| BUSY)?;

        let outcome = tokio::time::timeout(TRANSITION_TIMEOUT, outcome)
            .await
            .map_err(|_| BUSY)?
            .map_err(|_| BookingError::Unavailable("this node is shutting down"))?;
        Ok(outcome?)
    }
}

impl PipelinePermit<'_> {
    /// Holds the seats and stores the booking.
    pub(crate) async fn submit(self, hold: Reserve, row: NewBooking) -> ReservationOutcome {
        let event = hold.event_id;
        let (answer, outcome) = oneshot::channel();
        self.slot.send(HoldRequest {
            hold,
            row,
            queued_at: Instant::now(),
            answer,
        });

        let outcome = outcome.await.unwrap_or_else(|_| {
            let lost = StoreError::Uncertain("this node stopped before the answer".into());
            ReservationOutcome::StoreFailed(lost)
        });
        record_outcome(self.load, event, &outcome);
        outcome
    }
}

/// Records whether the queue answered, and the database stored.
fn record_outcome(load: &LoadMonitor, event: EventId, outcome: &ReservationOutcome) {
    let now = Instant::now();
    match outcome {
        ReservationOutcome::EngineFailed(EngineError::Unavailable(_))
        | ReservationOutcome::StoreFailed(_) => load.reservation_failed(now),
        ReservationOutcome::Stored(_) => {
            load.reservation_stored();
            load.queue_answered(event, now);
        }
        _ => load.queue_answered(event, now),
    }
}
