//! Group commit: reservations that arrive together are stored together. One transaction for each booking would make hot
//! zones wait for a flush to disk each; one for a batch makes them wait once.
//!
//! A lane takes whatever waits, up to 200, as soon as the batch before is done: alone, a request waits for nobody;
//! under load, batches grow by themselves.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::{
    refusal::Refusal,
    reservation::NewBooking,
    store::{Decision, Ruling, StoreError},
};

mod lanes;

pub(crate) use lanes::Tools;

/// Requests that may wait for their turn; beyond it, a request is refused before it holds any seats.
const WAITING: usize = 4_096;

/// Longest wait for a decision. It may be carried out later; asking again tells.
const DECISION_DEADLINE: Duration = Duration::from_secs(8);

/// What became of a reservation.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is in the database.
    Stored,
    /// Pass or key have a booking; the hold was given back.
    Duplicate,
    /// The database has no seats left where the engine had; the hold was given back.
    NoSeats,
    /// It is not in the database, or nobody knows; in the first case the hold was given back.
    Failed(StoreError),
    /// Its turn came too late, or to a client that had gone; the hold was given back.
    TooLate,
}

#[derive(Debug)]
struct Insert {
    row: NewBooking,
    held_at: Instant,
    answer: oneshot::Sender<Outcome>,
}

#[derive(Debug)]
struct Choice {
    decision: Decision,
    answer: oneshot::Sender<Result<Ruling, StoreError>>,
}

/// The way into both lanes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Committer {
    inserts: mpsc::Sender<Insert>,
    choices: mpsc::Sender<Choice>,
}

/// The lanes' other ends, until [`Lanes::start`].
#[derive(Debug)]
pub(crate) struct Lanes {
    inserts: mpsc::Receiver<Insert>,
    choices: mpsc::Receiver<Choice>,
}

/// A turn in the lane of reservations, taken before any seats are held.
#[derive(Debug)]
pub(crate) struct Turn<'a>(mpsc::Permit<'a, Insert>);

impl Committer {
    /// Both lanes, empty.
    pub(crate) fn new() -> (Self, Lanes) {
        let (inserts, insert_lane) = mpsc::channel(WAITING);
        let (choices, choice_lane) = mpsc::channel(WAITING);
        (Self { inserts, choices }, Lanes { inserts: insert_lane, choices: choice_lane })
    }

    /// A turn for one reservation.
    ///
    /// # Errors
    /// [`Refusal::NotNow`] where the lane is full or closed.
    pub(crate) fn turn(&self) -> Result<Turn<'_>, Refusal> {
        metrics::gauge!("stanchion_booking_commit_waiting").set((WAITING - self.inserts.capacity()) as f64);
        self.inserts.try_reserve().map(Turn).map_err(|_| Refusal::NotNow("too many reservations are under way"))
    }

    /// Reservations that wait, and most that may.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        ((WAITING - self.inserts.capacity()) as u64, WAITING as u64)
    }

    /// Has one booking confirmed or cancelled.
    ///
    /// # Errors
    /// [`Refusal::NotNow`] where the lane is full or closed, and what the store fails with.
    pub(crate) async fn decide(&self, decision: Decision) -> Result<Ruling, Refusal> {
        let (answer, ruling) = oneshot::channel();
        let full = |_| Refusal::NotNow("too many bookings are being changed");
        self.choices.try_send(Choice { decision, answer }).map_err(full)?;
        let ruling = tokio::time::timeout(DECISION_DEADLINE, ruling).await;
        let ruling = ruling.map_err(|_| Refusal::NotNow("too many bookings are being changed"))?;
        Ok(ruling.map_err(|_| Refusal::NotNow("this node is about to stop"))??)
    }
}

impl Turn<'_> {
    /// Stores the booking of a hold.
    pub(crate) async fn store(self, row: NewBooking, held_at: Instant) -> Outcome {
        let (answer, stored) = oneshot::channel();
        self.0.send(Insert { row, held_at, answer });
        let lost = || StoreError::Uncertain("this node stopped before the answer".into());
        stored.await.unwrap_or_else(|_| Outcome::Failed(lost()))
    }
}
