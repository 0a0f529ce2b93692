//! The updates that wait to be written to one connection: for each event at most one pass, the
//! latest position, the latest state. An update replaces an older one of its kind, so a slow reader
//! costs a bounded amount of memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bitflags::bitflags;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use waitingroom_domain::{
    ids::{EventId, PassId},
    queue::{Grant, Place, QueueSettings, Removal},
};
use waitingroom_engine::EngineError;

use crate::wait_estimator::WaitEstimate;

/// Max events that one connection may subscribe to.
pub(crate) const MAX_EVENTS_PER_CONNECTION: usize = 8;

/// A position to send.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PositionUpdate {
    pub(crate) position: u64,
    pub(crate) total: u64,
    pub(crate) seats_left: u64,
    pub(crate) estimate: WaitEstimate,
}

/// Updates of one event for one connection. Rare ones are boxed: thousands of positions come at
/// once.
#[derive(Debug, Clone, Default)]
pub(crate) struct PendingUpdates {
    pub(crate) position: Option<PositionUpdate>,
    /// Another place than the client knows, with a number and ticket of its own.
    pub(crate) place: Option<Box<Place>>,
    pub(crate) pass: Option<Arc<Grant>>,
    pub(crate) removal: Option<Removal>,
    pub(crate) sale: Option<Arc<QueueSettings>>,
    pub(crate) rejected_ack: Option<Box<RejectedAck>>,
}

/// A pass whose acknowledgement was rejected; without an error, it is not the user's or no longer
/// live.
#[derive(Debug, Clone)]
pub(crate) struct RejectedAck {
    pub(crate) pass: PassId,
    pub(crate) error: Option<EngineError>,
}

bitflags! {
    /// Why a connection is woken.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct WakeReasons: u8 {
        /// There are updates.
        const UPDATES = 1;
        /// A heartbeat is due.
        const HEARTBEAT = 2;
        /// The node drains: the client is sent the delay until its connection is closed.
        const DRAIN_NOTICE = 4;
        /// The connection is closed now.
        const CLOSE = 8;
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    updates: Mutex<Vec<(EventId, PendingUpdates)>>,
    waker: AtomicWaker,
    drain_delay_ms: AtomicU32,
    wake_reasons: AtomicU8,
}

impl Mailbox {
    /// Takes the reasons to wake; for the one task that serves the connection.
    pub(crate) fn poll_wake(&self, context: &mut Context<'_>) -> Poll<WakeReasons> {
        if self.wake_reasons.load(Ordering::Acquire) == 0 {
            self.waker.register(context.waker());
        }
        match self.wake_reasons.swap(0, Ordering::AcqRel) {
            0 => Poll::Pending,
            reasons => Poll::Ready(WakeReasons::from_bits_truncate(reasons)),
        }
    }

    /// Waits for a reason to wake.
    pub(crate) async fn wait(&self) -> WakeReasons {
        std::future::poll_fn(|context| self.poll_wake(context)).await
    }

    /// Wakes the connection for these reasons.
    pub(crate) fn wake(&self, reasons: WakeReasons) {
        if self.wake_reasons.fetch_or(reasons.bits(), Ordering::AcqRel) == 0 {
            self.waker.wake();
        }
    }

    /// Wakes the connection, unless its updates were written already.
    pub(super) fn wake_for_updates(&self) {
        if !self.updates.lock().is_empty() {
            self.wake(WakeReasons::UPDATES);
        }
    }

    /// Wakes the connection to announce that it will be closed after this time.
    pub(crate) fn announce_drain(&self, delay: Duration) {
        let millis = u32::try_from(delay.as_millis()).unwrap_or(u32::MAX);
        self.drain_delay_ms.store(millis, Ordering::Relaxed);
        self.wake(WakeReasons::DRAIN_NOTICE);
    }

    /// Time from the announcement until the connection is closed.
    pub(crate) fn drain_delay(&self) -> Duration {
        Duration::from_millis(self.drain_delay_ms.load(Ordering::Relaxed).into())
    }

    /// Takes all updates.
    pub(crate) fn drain(&self) -> Vec<(EventId, PendingUpdates)> {
        std::mem::take(&mut *self.updates.lock())
    }

    /// Sets a position without waking the connection; true if the connection must be woken for it.
    #[must_use]
    pub(crate) fn set_position_quietly(&self, event: EventId, position: PositionUpdate) -> bool {
        self.set_quietly(event, |updates| updates.position = Some(position))
    }

    /// Sets the state of the sale without waking the connection; true if the connection must be
    /// woken for it.
    #[must_use]
    pub(crate) fn set_sale_quietly(&self, event: EventId, settings: Arc<QueueSettings>) -> bool {
        self.set_quietly(event, |updates| updates.sale = Some(settings))
    }

    /// Discards a position that is worse than this one.
    pub(crate) fn discard_stale_position(&self, event: EventId, position: u64) {
        let mut all = self.updates.lock();
        if let Some((_, updates)) = all.iter_mut().find(|(known, _)| *known == event) {
            updates
                .position
                .take_if(|update| update.position > position);
        }
    }

    pub(crate) fn push_pass(&self, event: EventId, grant: Arc<Grant>) {
        self.push(event, |updates| {
            updates.position = None; // the pass replaces it
            updates.pass = Some(grant);
        });
    }

    pub(crate) fn push_place(&self, event: EventId, place: Place) {
        self.push(event, |updates| {
            updates.position = None; // of another place
            updates.place = Some(Box::new(place));
        });
    }

    pub(crate) fn push_removal(&self, event: EventId, lapse: Removal) {
        self.push(event, |updates| {
            *updates = PendingUpdates {
                removal: Some(lapse),
                sale: updates.sale.take(),
                ..PendingUpdates::default()
            };
        });
    }

    pub(crate) fn push_sale(&self, event: EventId, settings: Arc<QueueSettings>) {
        self.push(event, |updates| updates.sale = Some(settings));
    }

    pub(crate) fn push_rejected_ack(
        &self,
        event: EventId,
        pass: PassId,
        error: Option<EngineError>,
    ) {
        self.push(event, |updates| {
            updates.rejected_ack = Some(Box::new(RejectedAck { pass, error }))
        });
    }

    fn push(&self, event: EventId, change: impl FnOnce(&mut PendingUpdates)) {
        self.set_quietly(event, change);
        self.wake(WakeReasons::UPDATES);
    }

    /// Changes the updates. False if there were some already: the connection is about to be woken.
    fn set_quietly(&self, event: EventId, change: impl FnOnce(&mut PendingUpdates)) -> bool {
        let mut all = self.updates.lock();
        let was_empty = all.is_empty();
        let has_room = all.len() < MAX_EVENTS_PER_CONNECTION;
        match all.iter_mut().find(|(known, _)| *known == event) {
            Some((_, updates)) => change(updates),
            None if has_room => {
                let mut updates = PendingUpdates::default();
                change(&mut updates);
                all.reserve_exact(1); // nearly always the only one, and taken at once
                all.push((event, updates));
            }
            // A connection has at most as many subscriptions: this is an event that it has left.
            None => {}
        }

        was_empty
    }
}

#[cfg(test)]
mod tests {
    use waitingroom_domain::clock::Timestamp;

    use super::*;

    fn position(position: u64) -> PositionUpdate {
        PositionUpdate {
            position,
            total: 9,
            seats_left: 1,
            estimate: WaitEstimate::default(),
        }
    }

    #[tokio::test]
    async fn keeps_latest_position_until_a_pass_comes() {
        let (mailbox, event) = (Mailbox::default(), EventId::from(uuid::Uuid::nil()));
        assert!(
            mailbox.set_position_quietly(event, position(5)),
            "the first update wakes the connection"
        );
        assert!(!mailbox.set_position_quietly(event, position(4)));

        let updates = mailbox.drain();
        assert_eq!(updates[0].1.position, Some(position(4)));
        assert!(mailbox.drain().is_empty());
        assert!(mailbox.set_position_quietly(event, position(3)));

        let (pass_id, epoch, at) = (
            "b-1".parse().unwrap(),
            "e".parse().unwrap(),
            Timestamp::from_millis(1),
        );
        mailbox.push_pass(
            event,
            Arc::new(Grant {
                pass_id,
                number: 1,
                epoch,
                issued_at: at,
                expires_at: at,
            }),
        );
        assert!(
            mailbox.wait().await.contains(WakeReasons::UPDATES),
            "a pass does not wait"
        );

        let updates = mailbox.drain();
        assert!(updates[0].1.position.is_none() && updates[0].1.pass.is_some());
    }
}
