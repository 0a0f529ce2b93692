//! Sends settlements to the engine: how holds ended, as the database decided.
//!
//! Settlements that fail are queued and sent again, with growing pauses. Neither repetition nor
//! order matters: a settlement ends its own hold only, and the latest one of a booking is the only
//! one that counts. If the queue is full, the event is rebuilt from the database instead.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::Notify;
use waitingroom_domain::{
    clock::Clock,
    ids::{BookingId, EventId},
    seats::Settlement,
};
use waitingroom_engine::{EngineError, SharedEngine};

use super::{rebuild_queue::RebuildQueue, retry_queue::RetryQueue};
use crate::{engine_timeout::with_timeout, model::booking::Status};

/// Longest wait for the engine.
const SETTLEMENT_TIMEOUT: Duration = Duration::from_secs(1);

/// The settlement of a hold whose booking has this status, or is not there.
pub(crate) fn settlement_for_status(status: Option<Status>) -> Settlement {
    match status {
        None => Settlement::Aborted,
        Some(Status::Reserved) => Settlement::Committed,
        Some(Status::Confirmed) => Settlement::Confirmed,
        Some(Status::Cancelled | Status::Expired) => Settlement::Released,
    }
}

/// See the module's documentation. Clones share the retry queue.
#[derive(Clone)]
pub(crate) struct SettlementDispatcher(Arc<DispatcherInner>);

struct DispatcherInner {
    engine: SharedEngine,
    clock: Clock,
    rebuild_queue: Arc<RebuildQueue>,
    retry_queue: Mutex<RetryQueue>,
    enqueued: Notify,
}

impl SettlementDispatcher {
    /// A dispatcher with an empty retry queue.
    pub(crate) fn new(
        engine: SharedEngine,
        clock: Clock,
        rebuild_queue: Arc<RebuildQueue>,
    ) -> Self {
        Self(Arc::new(DispatcherInner {
            engine,
            clock,
            rebuild_queue,
            retry_queue: Mutex::default(),
            enqueued: Notify::new(),
        }))
    }

    /// Sends settlements to the engine; [`SettlementDispatcher::retry`] repeats those that fail. If
    /// some of this event are queued already, these are too: an engine that did not answer a moment
    /// ago delays no caller.
    pub(crate) async fn settle(&self, event: EventId, settlements: &[(BookingId, Settlement)]) {
        if self.has_pending(event) {
            return self.enqueue_retry(event, settlements);
        }

        if let Err(error) = self.send(event, settlements).await {
            let count = settlements.len();
            metrics::counter!(crate::metric_definitions::SETTLEMENT_FAILURES)
                .increment(count as u64);
            tracing::warn!(%event, %error, settlements = count, "settlement delivery failed; queued for retry");
            self.enqueue_retry(event, settlements);
        }
    }

    /// Releases holds that the engine may have made before its answer was lost: no booking is
    /// stored for them.
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

    /// True while settlements of this event are queued.
    pub(crate) fn has_pending(&self, event: EventId) -> bool {
        self.0.retry_queue.lock().contains(event)
    }

    /// Returns once a settlement is queued.
    pub(crate) async fn wait_for_pending(&self) {
        while self.0.retry_queue.lock().is_empty() {
            self.0.enqueued.notified().await;
        }
    }

    /// Sends the queued settlements; true if none are left.
    pub(crate) async fn retry(&self) -> bool {
        let events = self.0.retry_queue.lock().events();
        for event in events {
            let settlements = self.0.retry_queue.lock().of_event(event);
            match self.send(event, &settlements).await {
                Ok(()) => self
                    .0
                    .retry_queue
                    .lock()
                    .remove_delivered(event, &settlements),
                Err(error) => tracing::debug!(%event, %error, "settlement retry failed"),
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

    /// An event that the engine does not hold needs no settlements: it is about to be rebuilt from
    /// the database, which knows all of them.
    async fn send(
        &self,
        event: EventId,
        settlements: &[(BookingId, Settlement)],
    ) -> Result<(), EngineError> {
        let settle = self.0.engine.settle(event, settlements, self.0.clock.now());
        match with_timeout(SETTLEMENT_TIMEOUT, settle).await {
            Err(EngineError::UnknownEvent) => Ok(()),
            answer => answer,
        }
    }

    fn record_pending(&self) {
        let pending = self.0.retry_queue.lock().len();
        metrics::gauge!(crate::metric_definitions::SETTLEMENTS_PENDING).set(pending as f64);
    }
}
