//! What waits to be written to one connection: per event at most one pass, the latest position, the
//! latest state. An update replaces an older one of its kind, so a slow reader costs a bounded amount of
//! memory, whatever happens meanwhile.

use std::{
    ops::BitOr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use waitingroom::{
    engine::EngineError,
    ids::{EventId, PassId},
    line::{Grant, Lapse, Place, QueueSettings},
};

use crate::wait_estimator::WaitEstimate;

/// Most events that one connection may follow.
const MAX_EVENTS_PER_CONNECTION: usize = 8;

/// A position to show.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PositionUpdate {
    pub(crate) position: u64,
    pub(crate) total: u64,
    pub(crate) seats_left: u64,
    pub(crate) estimate: WaitEstimate,
}

/// Updates of one event for one connection. What is rare stands elsewhere: positions come by the
/// thousand at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct PendingUpdates {
    pub(crate) position: Option<PositionUpdate>,
    /// Another place than the one that the client knows: with a number, and so a ticket, of its
    /// own.
    pub(crate) place: Option<Box<Place>>,
    pub(crate) pass: Option<Arc<Grant>>,
    pub(crate) removal: Option<Lapse>,
    pub(crate) sale: Option<Arc<QueueSettings>>,
    pub(crate) rejected_ack: Option<Box<RejectedAck>>,
}

/// A pass whose acknowledgement was refused; without an error, it is not the user's or no longer
/// live.
#[derive(Debug, Clone)]
pub(crate) struct RejectedAck {
    pub(crate) pass: PassId,
    pub(crate) error: Option<EngineError>,
}

/// What a connection is woken for; several things may be due at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WakeReasons(u8);

impl WakeReasons {
    /// There is updates.
    pub(crate) const UPDATES: Self = Self(1);
    /// A heartbeat is due.
    pub(crate) const HEARTBEAT: Self = Self(2);
    /// The node drains: the client is told when it will be sent away.
    pub(crate) const DRAIN_NOTICE: Self = Self(4);
    /// The client is sent away now.
    pub(crate) const CLOSE: Self = Self(8);

    /// Is this among what is due?
    pub(crate) const fn contains(self, what: Self) -> bool {
        self.0 & what.0 != 0
    }
}

impl BitOr for WakeReasons {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
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
    /// What is due, leaving nothing; for the one task that serves the connection.
    pub(crate) fn poll_wake(&self, context: &mut Context<'_>) -> Poll<WakeReasons> {
        if self.wake_reasons.load(Ordering::Acquire) == 0 {
            self.waker.register(context.waker());
        }
        match self.wake_reasons.swap(0, Ordering::AcqRel) {
            0 => Poll::Pending,
            due => Poll::Ready(WakeReasons(due)),
        }
    }

    /// Returns when something is due, or at once where something was already.
    pub(crate) async fn wait(&self) -> WakeReasons {
        std::future::poll_fn(|context| self.poll_wake(context)).await
    }

    /// Something is due.
    pub(crate) fn wake(&self, due: WakeReasons) {
        if self.wake_reasons.fetch_or(due.0, Ordering::AcqRel) == 0 {
            self.waker.wake();
        }
    }

    /// There is updates, unless it was told already.
    pub(super) fn wake_for_updates(&self) {
        if !self.updates.lock().is_empty() {
            self.wake(WakeReasons::UPDATES);
        }
    }

    /// The client is to be told that it will be sent away after this time.
    pub(crate) fn announce_drain(&self, delay: Duration) {
        let millis = u32::try_from(delay.as_millis()).unwrap_or(u32::MAX);
        self.drain_delay_ms.store(millis, Ordering::Relaxed);
        self.wake(WakeReasons::DRAIN_NOTICE);
    }

    /// When the client is sent away, counted from the warning.
    pub(crate) fn drain_delay(&self) -> Duration {
        Duration::from_millis(self.drain_delay_ms.load(Ordering::Relaxed).into())
    }

    /// Takes all the updates, leaving none.
    pub(crate) fn drain(&self) -> Vec<(EventId, PendingUpdates)> {
        std::mem::take(&mut *self.updates.lock())
    }

    /// Leaves a position here without waking the connection; true where it is to be woken for it.
    #[must_use]
    pub(crate) fn set_position_quietly(&self, event: EventId, position: PositionUpdate) -> bool {
        self.set_quietly(event, |updates| updates.position = Some(position))
    }

    /// Leaves the state of the sale here without waking the connection; true where it is to be
    /// woken for it.
    #[must_use]
    pub(crate) fn set_sale_quietly(&self, event: EventId, settings: Arc<QueueSettings>) -> bool {
        self.set_quietly(event, |updates| updates.sale = Some(settings))
    }

    /// Drops a position that is further back than this one.
    pub(crate) fn discard_stale_position(&self, event: EventId, position: u64) {
        let mut all = self.updates.lock();
        if let Some((_, updates)) = all.iter_mut().find(|(known, _)| *known == event) {
            updates
                .position
                .take_if(|updates| updates.position > position);
        }
    }

    pub(crate) fn push_pass(&self, event: EventId, grant: Arc<Grant>) {
        self.push(event, |updates| {
            updates.position = None; // the pass is the better updates
            updates.pass = Some(grant);
        });
    }

    pub(crate) fn push_place(&self, event: EventId, place: Place) {
        self.push(event, |updates| {
            updates.position = None; // of another place
            updates.place = Some(Box::new(place));
        });
    }

    pub(crate) fn push_removal(&self, event: EventId, lapse: Lapse) {
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

    /// Changes the updates. False where there was some already: then the connection is woken, or will
    /// be.
    fn set_quietly(&self, event: EventId, change: impl FnOnce(&mut PendingUpdates)) -> bool {
        let mut all = self.updates.lock();
        let first = all.is_empty();
        let room = all.len() < MAX_EVENTS_PER_CONNECTION;
        match all.iter_mut().find(|(known, _)| *known == event) {
            Some((_, updates)) => change(updates),
            None if room => {
                let mut updates = PendingUpdates::default();
                change(&mut updates);
                all.reserve_exact(1); // nearly always the only one, and gone in a moment
                all.push((event, updates));
            }
            None => {} // a connection follows at most as many events, so this is updates of one it has left
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use waitingroom::clock::Timestamp;

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
    async fn the_latest_position_wins_and_a_pass_beats_it() {
        let (mailbox, event) = (Mailbox::default(), EventId::from(uuid::Uuid::nil()));
        assert!(
            mailbox.set_position_quietly(event, position(5)),
            "the first updates is to be woken for"
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
