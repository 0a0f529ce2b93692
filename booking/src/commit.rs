//! Group commit: reservations that arrive together are stored together. One transaction for each booking would make hot
//! zones wait for a flush to disk each; one for a batch makes them wait once.
//!
//! A lane takes whatever waits, up to [`BATCH`], as soon as the batch before is done: alone, a request waits for nobody;
//! under load, batches grow by themselves.

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

use crate::{
    refusal::Refusal,
    reservation::NewBooking,
    settle::{settle, settlement_of},
    store::{Decision, Inserted, Ruling, SharedStore, StoreError},
};

/// Most rows of one transaction.
const BATCH: usize = 200;

/// Requests that may wait for their turn; beyond it, a request is refused before it holds any seats.
const WAITING: usize = 4_096;

/// A hold that waited longer than this is not committed any more: the repair of stale holds, which looks at holds older than
/// [`crate::reconcile::PATIENCE`], must never meet one that is about to be.
const TURN_DEADLINE: Duration = Duration::from_millis(1_000);

/// Longest wait for a decision. It may be carried out later; asking again tells.
const DECISION_DEADLINE: Duration = Duration::from_secs(8);

/// After a drain began, a lane ends when nothing has come for this long.
const LAST_CALL: Duration = Duration::from_secs(1);

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
    /// Its turn came too late; the hold was given back.
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

/// What a lane works with.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) store: SharedStore,
    pub(crate) engine: SharedEngine,
    pub(crate) clock: Clock,
}

impl Lanes {
    /// Runs both lanes.
    pub(crate) fn start(self, tools: Tools, lifecycle: &Lifecycle) {
        let Self { mut inserts, mut choices } = self;
        let (store, watch) = (tools.clone(), lifecycle.clone());
        lifecycle.spawn("commit reservations", async move {
            while let Some(batch) = collect(&mut inserts, &watch).await {
                insert(&store, batch).await;
            }
        });
        let watch = lifecycle.clone();
        lifecycle.spawn("commit decisions", async move {
            while let Some(batch) = collect(&mut choices, &watch).await {
                decide(&tools, batch).await;
            }
        });
    }
}

/// The next batch; `None` when everybody is gone, or when the drain has begun and nothing comes any more.
async fn collect<T>(lane: &mut mpsc::Receiver<T>, lifecycle: &Lifecycle) -> Option<Vec<T>> {
    let mut batch = Vec::with_capacity(BATCH);
    let last_call = async {
        lifecycle.draining().await;
        tokio::time::sleep(LAST_CALL).await;
    };
    let taken = tokio::select! {
        biased;
        taken = lane.recv_many(&mut batch, BATCH) => taken,
        () = last_call => 0,
    };
    (taken > 0).then_some(batch)
}

async fn insert(tools: &Tools, batch: Vec<Insert>) {
    let (batch, late): (Vec<_>, Vec<_>) =
        batch.into_iter().partition(|insert| insert.held_at.elapsed() < TURN_DEADLINE);
    let mut settlements = Settlements::default();
    let mut answers: Vec<_> = late.into_iter().map(|insert| (insert, Outcome::TooLate)).collect();
    if !batch.is_empty() {
        answers.extend(stored(tools, batch).await);
    }
    let mut given_back = Vec::new();
    for (insert, outcome) in answers {
        settlements.note(&insert.row, &outcome);
        match outcome {
            // Nothing is left to wait for.
            Outcome::Stored => drop(insert.answer.send(outcome)),
            // The client may try again at once: its pass must be live by then.
            _ => given_back.push((insert.answer, outcome)),
        }
    }
    settlements.carry_out(tools).await;
    for (answer, outcome) in given_back {
        let _ = answer.send(outcome); // the client may have gone
    }
}

async fn stored(tools: &Tools, batch: Vec<Insert>) -> Vec<(Insert, Outcome)> {
    let (rows, waiting): (Vec<_>, Vec<_>) = batch.into_iter().map(|insert| (insert.row.clone(), insert)).unzip();
    let started = Instant::now();
    let answer = tools.store.insert(&rows).await;
    metrics::histogram!("stanchion_booking_commit_batch_size").record(rows.len() as f64);
    metrics::histogram!("stanchion_booking_commit_seconds").record(started.elapsed().as_secs_f64());
    match answer {
        Ok(answers) => waiting.into_iter().zip(answers.into_iter().map(Outcome::from)).collect(),
        Err(error) => {
            tracing::warn!(%error, reservations = rows.len(), "a batch of reservations was not committed");
            waiting.into_iter().map(|insert| (insert, Outcome::Failed(error.clone()))).collect()
        }
    }
}

impl From<Inserted> for Outcome {
    fn from(inserted: Inserted) -> Self {
        match inserted {
            Inserted::Stored => Self::Stored,
            Inserted::Duplicate => Self::Duplicate,
            Inserted::NoSeats => Self::NoSeats,
        }
    }
}

/// What the engine is to be told after a batch.
#[derive(Default)]
struct Settlements(HashMap<EventId, Vec<(BookingId, Settlement)>>);

impl Settlements {
    fn note(&mut self, row: &NewBooking, outcome: &Outcome) {
        let settlement = match outcome {
            Outcome::Stored => Settlement::Committed,
            // The row may be there: the repair of stale holds asks the database once it can be asked.
            Outcome::Failed(error) if error.may_stand() => return,
            _ => Settlement::Aborted,
        };
        self.0.entry(row.booking.event_id).or_default().push((row.booking.booking_id, settlement));
    }

    async fn carry_out(self, tools: &Tools) {
        for (event, settlements) in self.0 {
            settle(&tools.engine, event, &settlements, tools.clock.now()).await;
        }
    }
}

async fn decide(tools: &Tools, batch: Vec<Choice>) {
    let decisions: Vec<_> = batch.iter().map(|choice| choice.decision.clone()).collect();
    let rulings = match tools.store.decide(&decisions, tools.clock.now()).await {
        Ok(rulings) => rulings.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error); batch.len()],
    };
    let mut settlements = Settlements::default();
    for booking in rulings.iter().filter_map(changed) {
        let settlement = settlement_of(Some(booking.status));
        settlements.0.entry(booking.event_id).or_default().push((booking.booking_id, settlement));
    }
    settlements.carry_out(tools).await;
    for (choice, ruling) in batch.into_iter().zip(rulings) {
        let _ = choice.answer.send(ruling); // the client may have gone
    }
}

fn changed(ruling: &Result<Ruling, StoreError>) -> Option<&crate::reservation::Booking> {
    match ruling {
        Ok(Ruling::Changed(booking)) => Some(booking),
        _ => None,
    }
}
