//! Telling the engine what the database decided, until it has heard.
//!
//! What the engine could not be told waits here and is told again, with growing pauses. It is the
//! same however often it is told, and in whatever order: a settlement ends its own hold only, and
//! the last one of a booking says everything. Where too much waits, the event is suspected instead
//! and rebuilt from the database.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::Notify;
use waitingroom::{
    clock::Clock,
    engine::{EngineError, SharedEngine},
    ids::{BookingId, EventId},
    seats::Settlement,
};

use crate::{model::booking::Status, settlements::rebuild_queue::RebuildQueue};

/// Longest wait for the engine.
const DEADLINE: Duration = Duration::from_secs(1);

/// Settlements that may wait to be told again, of all events together: about a megabyte.
const MOST_MISSED: usize = 10_000;

/// How a hold ends whose booking has this status, or is not there.
pub(crate) fn settlement_of(status: Option<Status>) -> Settlement {
    match status {
        None => Settlement::Aborted,
        Some(Status::Reserved) => Settlement::Committed,
        Some(Status::Confirmed) => Settlement::Confirmed,
        Some(Status::Cancelled | Status::Expired) => Settlement::Released,
    }
}

/// See the module's documentation. Clones share what waits.
#[derive(Clone)]
pub(crate) struct SettlementDispatcher(Arc<Shared>);

struct Shared {
    engine: SharedEngine,
    clock: Clock,
    suspects: Arc<RebuildQueue>,
    missed: Mutex<RetryQueue>,
    came: Notify,
}

impl SettlementDispatcher {
    /// Nothing waits.
    pub(crate) fn new(engine: SharedEngine, clock: Clock, suspects: Arc<RebuildQueue>) -> Self {
        Self(Arc::new(Shared {
            engine,
            clock,
            suspects,
            missed: Mutex::default(),
            came: Notify::new(),
        }))
    }

    /// Tells the engine; what it does not hear is told again by [`SettlementDispatcher::retell`]. While
    /// something of this event waits for that, so does this: an engine that was silent a moment ago
    /// holds nobody up.
    pub(crate) async fn settle(&self, event: EventId, settlements: &[(BookingId, Settlement)]) {
        if self.0.missed.lock().has(event) {
            return self.keep(event, settlements);
        }
        if let Err(error) = self.tell(event, settlements).await {
            metrics::counter!("stanchion_booking_settlements_missed_total")
                .increment(settlements.len() as u64);
            tracing::warn!(%event, %error, settlements = settlements.len(), "the engine did not hear how holds ended");
            self.keep(event, settlements);
        }
    }

    /// What the engine was asked to hold, and did not say whether it did, is not stored by anybody:
    /// it is to be given back, as soon as the engine answers.
    pub(crate) fn give_back(&self, event: EventId, bookings: impl IntoIterator<Item = BookingId>) {
        let aborted: Vec<_> = bookings
            .into_iter()
            .map(|booking| (booking, Settlement::Aborted))
            .collect();
        self.keep(event, &aborted);
    }

    /// Has the engine missed how holds of this event ended?
    pub(crate) fn is_behind(&self, event: EventId) -> bool {
        self.0.missed.lock().has(event)
    }

    /// Returns when something waits to be told again.
    pub(crate) async fn something_missed(&self) {
        while self.0.missed.lock().is_empty() {
            self.0.came.notified().await;
        }
    }

    /// Tells what waits; true where nothing does any more.
    pub(crate) async fn retell(&self) -> bool {
        let events = self.0.missed.lock().events();
        for event in events {
            let settlements = self.0.missed.lock().of(event);
            match self.tell(event, &settlements).await {
                Ok(()) => self.0.missed.lock().told(event, &settlements),
                Err(error) => tracing::debug!(%event, %error, "the engine still does not hear"),
            }
            self.measure();
        }
        self.0.missed.lock().is_empty()
    }

    fn keep(&self, event: EventId, settlements: &[(BookingId, Settlement)]) {
        if !self.0.missed.lock().keep(event, settlements) {
            tracing::warn!(%event, "more settlements are missed than can be kept: its seats are going to be rebuilt");
            self.0.suspects.report(event);
        }
        self.measure();
        self.0.came.notify_one();
    }

    /// An event that the engine does not hold is going to be rebuilt from the database, which knows
    /// all this.
    async fn tell(
        &self,
        event: EventId,
        settlements: &[(BookingId, Settlement)],
    ) -> Result<(), EngineError> {
        let late =
            |_| EngineError::Unavailable(format!("no answer in {} ms", DEADLINE.as_millis()));
        let asking = self.0.engine.settle(event, settlements, self.0.clock.now());
        match tokio::time::timeout(DEADLINE, asking).await.map_err(late)? {
            Err(EngineError::UnknownEvent) => Ok(()),
            answer => answer,
        }
    }

    fn measure(&self) {
        metrics::gauge!("stanchion_booking_settlements_waiting")
            .set(self.0.missed.lock().count as f64);
    }
}

/// What the engine is to be told again: of each booking the last word.
#[derive(Debug, Default)]
struct RetryQueue {
    events: HashMap<EventId, HashMap<BookingId, Settlement>>,
    count: usize,
}

impl RetryQueue {
    fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn has(&self, event: EventId) -> bool {
        self.events.contains_key(&event)
    }

    fn events(&self) -> Vec<EventId> {
        self.events.keys().copied().collect()
    }

    fn of(&self, event: EventId) -> Vec<(BookingId, Settlement)> {
        let missed = self.events.get(&event).into_iter().flatten();
        missed
            .map(|(booking, settlement)| (*booking, *settlement))
            .collect()
    }

    /// False where there is no room: nothing of the event is kept then.
    fn keep(&mut self, event: EventId, settlements: &[(BookingId, Settlement)]) -> bool {
        let missed = self.events.entry(event).or_default();
        let before = missed.len();
        missed.extend(settlements.iter().copied());
        self.count += missed.len() - before;
        let fits = self.count <= MOST_MISSED;
        if !fits {
            self.count -= self.events.remove(&event).map_or(0, |missed| missed.len());
        }
        fits
    }

    /// Forgets what was told, unless there is another word by now.
    fn told(&mut self, event: EventId, settlements: &[(BookingId, Settlement)]) {
        let Some(missed) = self.events.get_mut(&event) else {
            return;
        };
        let before = missed.len();
        for (booking, settlement) in settlements {
            if missed.get(booking) == Some(settlement) {
                missed.remove(booking);
            }
        }
        self.count -= before - missed.len();
        if missed.is_empty() {
            self.events.remove(&event);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn booking(number: u128) -> BookingId {
        Uuid::from_u128(number).into()
    }

    #[test]
    fn the_last_word_of_a_booking_is_kept_until_it_was_told() {
        let (mut missed, event) = (RetryQueue::default(), Uuid::from_u128(1).into());
        assert!(missed.keep(
            event,
            &[
                (booking(1), Settlement::Committed),
                (booking(2), Settlement::Committed)
            ]
        ));
        let first = missed.of(event);
        assert!(missed.keep(event, &[(booking(1), Settlement::Released)]));
        missed.told(event, &first);
        assert_eq!(
            (missed.of(event), missed.count),
            (vec![(booking(1), Settlement::Released)], 1)
        );
        missed.told(event, &[(booking(1), Settlement::Released)]);
        assert!((missed.is_empty(), missed.count) == (true, 0));
    }

    #[test]
    fn an_event_that_misses_too_much_is_not_kept_and_leaves_the_others_alone() {
        let (mut missed, [small, large]) = (
            RetryQueue::default(),
            [1, 2].map(|id| Uuid::from_u128(id).into()),
        );
        assert!(missed.keep(small, &[(booking(0), Settlement::Released)]));
        let many: Vec<_> = (1..=MOST_MISSED as u128)
            .map(|id| (booking(id), Settlement::Released))
            .collect();
        assert!(!missed.keep(large, &many));
        assert_eq!((missed.events(), missed.count), (vec![small], 1));
    }
}
