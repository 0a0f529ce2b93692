//! Group commit: reservations that arrive together are held_inserts and stored together. One script and one
//! transaction for each would make hot zones wait for a flush to disk each; one for a batch makes
//! them wait once.
//!
//! A lane takes whatever waits, up to 200, as soon as the batch before is done: alone, a request
//! waits for nobody; under load, batches grow by themselves. A reservation goes through the lane of
//! holds (one step of the engine), then through the lane of commits, while the next batch is being
//! held_inserts and the engine is told of the last one. Where the commits fall behind, new reservations are
//! refused at once: nobody is let in to wait for long.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};
use waitingroom::{
    engine::EngineError,
    seats::{Reserve, ReserveOutcome},
};

use self::{commits::MAX_BATCH, holds::HoldRequest, latency::CommitLatency};
use crate::{
    error::BookingError,
    model::booking::{Booking, NewBooking},
    store::{StoreError, TransitionOutcome, TransitionRequest},
};

mod commits;
mod holds;
mod latency;

pub(crate) use commits::PipelineDeps;

/// Requests that may wait for their turn in a lane; beyond it, a request is refused before it holds
/// any seats.
const QUEUE_CAPACITY: usize = 4_096;

/// A request that would probably wait longer than this for its commit is refused.
const MAX_QUEUE_WAIT: Duration = Duration::from_secs(2);

/// Longest wait for a decision. It may be carried out later; asking again tells.
const TRANSITION_TIMEOUT: Duration = Duration::from_secs(8);

/// What became of a reservation.
#[derive(Debug)]
pub(crate) enum ReservationOutcome {
    /// It is in the database.
    Stored(Box<Booking>),
    /// The engine refused it.
    Rejected(ReserveOutcome),
    /// The engine did not answer; where it holds something, the repair of stale holds gives it
    /// back.
    EngineFailed(EngineError),
    /// Pass or key have a booking; the hold was given back.
    Duplicate,
    /// The database has no seats left where the engine had; the hold was given back.
    NoSeats,
    /// The user has seats that the engine does not know of, and may have only this many more; the
    /// hold was given back.
    OverLimit(u32),
    /// It is not in the database, or nobody knows; in the first case the hold was given back.
    StoreFailed(StoreError),
    /// Its turn came too late, or to a client that had gone; a hold was given back.
    TimedOut,
}

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

/// The way into the lanes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    hold_requests: mpsc::Sender<HoldRequest>,
    inserts: mpsc::WeakSender<PendingInsert>,
    transitions: mpsc::Sender<PendingTransition>,
    latency: Arc<CommitLatency>,
}

/// The lanes' other ends, until [`PipelineReceivers::start`].
#[derive(Debug)]
pub(crate) struct PipelineReceivers {
    hold_requests: mpsc::Receiver<HoldRequest>,
    /// For the lane of holds; the lane of commits ends with it.
    held_inserts: mpsc::Sender<PendingInsert>,
    inserts: mpsc::Receiver<PendingInsert>,
    transitions: mpsc::Receiver<PendingTransition>,
    latency: Arc<CommitLatency>,
}

/// A turn in the lanes of reservations, taken before any seats are held_inserts.
#[derive(Debug)]
pub(crate) struct PipelinePermit<'a>(mpsc::Permit<'a, HoldRequest>);

impl Pipeline {
    /// The lanes, empty.
    pub(crate) fn new() -> (Self, PipelineReceivers) {
        let (hold_requests, hold_receiver) = mpsc::channel(QUEUE_CAPACITY);
        let (held_inserts, insert_receiver) = mpsc::channel(QUEUE_CAPACITY);
        let (transitions, transition_receiver) = mpsc::channel(QUEUE_CAPACITY);
        let latency = Arc::new(CommitLatency::default());
        let lanes = PipelineReceivers {
            hold_requests: hold_receiver,
            held_inserts,
            inserts: insert_receiver,
            transitions: transition_receiver,
            latency: Arc::clone(&latency),
        };
        (
            Self {
                hold_requests,
                inserts: lanes.held_inserts.downgrade(),
                transitions,
                latency,
            },
            lanes,
        )
    }

    /// A turn for one reservation.
    ///
    /// # Errors
    /// [`BookingError::Unavailable`] where the lanes are full, slow or closed.
    pub(crate) fn reserve_slot(&self) -> Result<PipelinePermit<'_>, BookingError> {
        let (waiting, _) = self.queue_length();
        metrics::gauge!("stanchion_booking_commit_waiting").set(waiting as f64);
        let busy = BookingError::Unavailable("too many reservations are under way");
        if self
            .latency
            .estimated_wait(waiting as usize / MAX_BATCH, Instant::now())
            > MAX_QUEUE_WAIT
        {
            return Err(busy);
        }
        self.hold_requests
            .try_reserve()
            .map(PipelinePermit)
            .map_err(|_| busy)
    }

    /// Reservations in the lanes, beside the batches under way, and how many are many.
    pub(crate) fn queue_length(&self) -> (u64, u64) {
        let held_inserts = self
            .inserts
            .upgrade()
            .map_or(0, |inserts| QUEUE_CAPACITY - inserts.capacity());
        (
            (QUEUE_CAPACITY - self.hold_requests.capacity() + held_inserts) as u64,
            QUEUE_CAPACITY as u64,
        )
    }

    /// Has one booking confirmed or cancelled.
    ///
    /// # Errors
    /// [`BookingError::Unavailable`] where the lane is full or closed, and what the store fails with.
    pub(crate) async fn submit_transition(
        &self,
        request: TransitionRequest,
    ) -> Result<TransitionOutcome, BookingError> {
        let (answer, outcome) = oneshot::channel();
        let full = |_| BookingError::Unavailable("too many bookings are being changed");
        self.transitions
            .try_send(PendingTransition { request, answer })
            .map_err(full)?;
        let outcome = tokio::time::timeout(TRANSITION_TIMEOUT, outcome).await;
        let outcome = outcome
            .map_err(|_| BookingError::Unavailable("too many bookings are being changed"))?;
        Ok(outcome.map_err(|_| BookingError::Unavailable("this node is about to stop"))??)
    }
}

impl PipelinePermit<'_> {
    /// Holds the seats and stores the booking.
    pub(crate) async fn submit(self, request: Reserve, row: NewBooking) -> ReservationOutcome {
        let (answer, outcome) = oneshot::channel();
        self.0.send(HoldRequest {
            request,
            row,
            queued_at: Instant::now(),
            answer,
        });
        let lost = || StoreError::Uncertain("this node stopped before the answer".into());
        outcome
            .await
            .unwrap_or_else(|_| ReservationOutcome::StoreFailed(lost()))
    }
}
