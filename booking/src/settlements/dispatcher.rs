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
const SETTLEMENT_TIMEOUT: Duration = Duration::from_secs(1);

/// Settlements that may wait to be told again, of all events together: about a megabyte.
const MAX_PENDING: usize = 10_000;

/// How a hold ends whose booking has this status, or is not there.
pub(crate) fn settlement_for_status(status: Option<Status>) -> Settlement {
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
    rebuild_queue: Arc<RebuildQueue>,
    retry_queue: Mutex<RetryQueue>,
    enqueued: Notify,
}

impl SettlementDispatcher {
    /// Nothing waits.
    pub(crate) fn new(
        engine: SharedEngine,
        clock: Clock,
        rebuild_queue: Arc<RebuildQueue>,
    ) -> Self {
        Self(Arc::new(Shared {
            engine,
            clock,
            rebuild_queue,
            retry_queue: Mutex::default(),
            enqueued: Notify::new(),
        }))
    }

    /// Tells the engine; what it does not hear is told again by [`SettlementDispatcher::retry`]. While
    /// something of this event waits for that, so does this: an engine that was silent a moment ago
    /// holds nobody up.
    pub(crate) async fn settle(&self, event: EventId, settlements: &[(BookingId, Settlement)]) {
        if self.0.retry_queue.lock().contains(event) {
            return self.enqueue_retry(event, settlements);
        }
        if let Err(error) = self.send(event, settlements).await {
            metrics::counter!("stanchion_booking_settlements_missed_total")
                .increment(settlements.len() as u64);
            tracing::warn!(%event, %error, settlements = settlements.len(), "the engine did not hear how holds ended");
            self.enqueue_retry(event, settlements);
        }
    }

    /// What the engine was asked to hold, and did not say whether it did, is not stored by anybody:
    /// it is to be given back, as soon as the engine answers.
    pub(crate) fn abort_holds(
        &self,
        event: EventId,
        bookings: impl IntoIterator<Item = BookingId>,
    ) {
        let aborted: Vec<_> = bookings
            .into_iter()
            .map(|booking| (booking, Settlement::Aborted))
            .collect();
        self.enqueue_retry(event, &aborted);
    }

    /// Has the engine retry_queue how holds of this event ended?
    pub(crate) fn has_pending(&self, event: EventId) -> bool {
        self.0.retry_queue.lock().contains(event)
    }

    /// Returns when something waits to be told again.
    pub(crate) async fn wait_for_pending(&self) {
        while self.0.retry_queue.lock().is_empty() {
            self.0.enqueued.notified().await;
        }
    }

    /// Tells what waits; true where nothing does any more.
    pub(crate) async fn retry(&self) -> bool {
        let events = self.0.retry_queue.lock().events();
        for event in events {
            let settlements = self.0.retry_queue.lock().pending_of(event);
            match self.send(event, &settlements).await {
                Ok(()) => self
                    .0
                    .retry_queue
                    .lock()
                    .remove_delivered(event, &settlements),
                Err(error) => tracing::debug!(%event, %error, "the engine still does not hear"),
            }
            self.record_pending();
        }
        self.0.retry_queue.lock().is_empty()
    }

    fn enqueue_retry(&self, event: EventId, settlements: &[(BookingId, Settlement)]) {
        if !self.0.retry_queue.lock().enqueue(event, settlements) {
            tracing::warn!(%event, "settlement retry queue full; scheduling inventory rebuild");
            self.0.rebuild_queue.request(event);
        }
        self.record_pending();
        self.0.enqueued.notify_one();
    }

    /// An event that the engine does not hold is going to be rebuilt from the database, which knows
    /// all this.
    async fn send(
        &self,
        event: EventId,
        settlements: &[(BookingId, Settlement)],
    ) -> Result<(), EngineError> {
        let late = |_| {
            EngineError::Unavailable(format!(
                "no answer in {} ms",
                SETTLEMENT_TIMEOUT.as_millis()
            ))
        };
        let asking = self.0.engine.settle(event, settlements, self.0.clock.now());
        match tokio::time::timeout(SETTLEMENT_TIMEOUT, asking)
            .await
            .map_err(late)?
        {
            Err(EngineError::UnknownEvent) => Ok(()),
            answer => answer,
        }
    }

    fn record_pending(&self) {
        metrics::gauge!("stanchion_booking_settlements_waiting")
            .set(self.0.retry_queue.lock().count as f64);
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

    fn contains(&self, event: EventId) -> bool {
        self.events.contains_key(&event)
    }

    fn events(&self) -> Vec<EventId> {
        self.events.keys().copied().collect()
    }

    fn pending_of(&self, event: EventId) -> Vec<(BookingId, Settlement)> {
        let retry_queue = self.events.get(&event).into_iter().flatten();
        retry_queue
            .map(|(booking, settlement)| (*booking, *settlement))
            .collect()
    }

    /// False where there is no room: nothing of the event is kept then.
    fn enqueue(&mut self, event: EventId, settlements: &[(BookingId, Settlement)]) -> bool {
        let retry_queue = self.events.entry(event).or_default();
        let before = retry_queue.len();
        retry_queue.extend(settlements.iter().copied());
        self.count += retry_queue.len() - before;
        let fits = self.count <= MAX_PENDING;
        if !fits {
            self.count -= self
                .events
                .remove(&event)
                .map_or(0, |retry_queue| retry_queue.len());
        }
        fits
    }

    /// Forgets what was told, unless there is another word by now.
    fn remove_delivered(&mut self, event: EventId, settlements: &[(BookingId, Settlement)]) {
        let Some(retry_queue) = self.events.get_mut(&event) else {
            return;
        };
        let before = retry_queue.len();
        for (booking, settlement) in settlements {
            if retry_queue.get(booking) == Some(settlement) {
                retry_queue.remove(booking);
            }
        }
        self.count -= before - retry_queue.len();
        if retry_queue.is_empty() {
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
        let (mut retry_queue, event) = (RetryQueue::default(), Uuid::from_u128(1).into());
        assert!(retry_queue.enqueue(
            event,
            &[
                (booking(1), Settlement::Committed),
                (booking(2), Settlement::Committed)
            ]
        ));
        let first = retry_queue.pending_of(event);
        assert!(retry_queue.enqueue(event, &[(booking(1), Settlement::Released)]));
        retry_queue.remove_delivered(event, &first);
        assert_eq!(
            (retry_queue.pending_of(event), retry_queue.count),
            (vec![(booking(1), Settlement::Released)], 1)
        );
        retry_queue.remove_delivered(event, &[(booking(1), Settlement::Released)]);
        assert!((retry_queue.is_empty(), retry_queue.count) == (true, 0));
    }

    #[test]
    fn an_event_that_misses_too_much_is_not_kept_and_leaves_the_others_alone() {
        let (mut retry_queue, [small, large]) = (
            RetryQueue::default(),
            [1, 2].map(|id| Uuid::from_u128(id).into()),
        );
        assert!(retry_queue.enqueue(small, &[(booking(0), Settlement::Released)]));
        let many: Vec<_> = (1..=MAX_PENDING as u128)
            .map(|id| (booking(id), Settlement::Released))
            .collect();
        assert!(!retry_queue.enqueue(large, &many));
        assert_eq!((retry_queue.events(), retry_queue.count), (vec![small], 1));
    }
}
