//! What waits to be written to one connection: per event at most one pass, the latest position, the
//! latest state. An update replaces an older one of its kind, so a slow reader costs a bounded amount of
//! memory, whatever happens meanwhile.

use std::{
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
const MAX_EVENTS: usize = 8;

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
    pub(crate) lapse: Option<Lapse>,
    pub(crate) sale: Option<Arc<QueueSettings>>,
    pub(crate) unacknowledged: Option<Box<RejectedAck>>,
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
    /// There is news.
    pub(crate) const NEWS: Self = Self(1);
    /// A heartbeat is due.
    pub(crate) const HEARTBEAT: Self = Self(2);
    /// The node drains: the client is told when it will be sent away.
    pub(crate) const WARNING: Self = Self(4);
    /// The client is sent away now.
    pub(crate) const LEAVE: Self = Self(8);

    /// Both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Is this among what is due?
    pub(crate) const fn has(self, what: Self) -> bool {
        self.0 & what.0 != 0
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    news: Mutex<Vec<(EventId, PendingUpdates)>>,
    waker: AtomicWaker,
    leaves_after_ms: AtomicU32,
    due: AtomicU8,
}

impl Mailbox {
    /// What is due, leaving nothing; for the one task that serves the connection.
    pub(crate) fn poll_due(&self, context: &mut Context<'_>) -> Poll<WakeReasons> {
        if self.due.load(Ordering::Acquire) == 0 {
            self.waker.register(context.waker());
        }
        match self.due.swap(0, Ordering::AcqRel) {
            0 => Poll::Pending,
            due => Poll::Ready(WakeReasons(due)),
        }
    }

    /// Returns when something is due, or at once where something was already.
    pub(crate) async fn due(&self) -> WakeReasons {
        std::future::poll_fn(|context| self.poll_due(context)).await
    }

    /// Something is due.
    pub(crate) fn wake(&self, due: WakeReasons) {
        if self.due.fetch_or(due.0, Ordering::AcqRel) == 0 {
            self.waker.wake();
        }
    }

    /// There is news, unless it was told already.
    pub(super) fn wake_for_news(&self) {
        if !self.news.lock().is_empty() {
            self.wake(WakeReasons::NEWS);
        }
    }

    /// The client is to be told that it will be sent away after this time.
    pub(crate) fn warn(&self, leaves_after: Duration) {
        let millis = u32::try_from(leaves_after.as_millis()).unwrap_or(u32::MAX);
        self.leaves_after_ms.store(millis, Ordering::Relaxed);
        self.wake(WakeReasons::WARNING);
    }

    /// When the client is sent away, counted from the warning.
    pub(crate) fn leaves_after(&self) -> Duration {
        Duration::from_millis(self.leaves_after_ms.load(Ordering::Relaxed).into())
    }

    /// Takes all the news, leaving none.
    pub(crate) fn take(&self) -> Vec<(EventId, PendingUpdates)> {
        std::mem::take(&mut *self.news.lock())
    }

    /// Leaves a position here without waking the connection; true where it is to be woken for it.
    #[must_use]
    pub(crate) fn lay_position(&self, event: EventId, position: PositionUpdate) -> bool {
        self.lay(event, |news| news.position = Some(position))
    }

    /// Leaves the state of the sale here without waking the connection; true where it is to be
    /// woken for it.
    #[must_use]
    pub(crate) fn lay_sale(&self, event: EventId, settings: Arc<QueueSettings>) -> bool {
        self.lay(event, |news| news.sale = Some(settings))
    }

    /// Drops a position that is further back than this one.
    pub(crate) fn forget_positions_above(&self, event: EventId, position: u64) {
        let mut all = self.news.lock();
        if let Some((_, news)) = all.iter_mut().find(|(known, _)| *known == event) {
            news.position.take_if(|news| news.position > position);
        }
    }

    pub(crate) fn put_pass(&self, event: EventId, grant: Arc<Grant>) {
        self.put(event, |news| {
            news.position = None; // the pass is the better news
            news.pass = Some(grant);
        });
    }

    pub(crate) fn put_place(&self, event: EventId, place: Place) {
        self.put(event, |news| {
            news.position = None; // of another place
            news.place = Some(Box::new(place));
        });
    }

    pub(crate) fn put_lapse(&self, event: EventId, lapse: Lapse) {
        self.put(event, |news| {
            *news = PendingUpdates {
                lapse: Some(lapse),
                sale: news.sale.take(),
                ..PendingUpdates::default()
            };
        });
    }

    pub(crate) fn put_sale(&self, event: EventId, settings: Arc<QueueSettings>) {
        self.put(event, |news| news.sale = Some(settings));
    }

    pub(crate) fn put_unacknowledged(
        &self,
        event: EventId,
        pass: PassId,
        error: Option<EngineError>,
    ) {
        self.put(event, |news| {
            news.unacknowledged = Some(Box::new(RejectedAck { pass, error }))
        });
    }

    fn put(&self, event: EventId, change: impl FnOnce(&mut PendingUpdates)) {
        self.lay(event, change);
        self.wake(WakeReasons::NEWS);
    }

    /// Changes the news. False where there was some already: then the connection is woken, or will
    /// be.
    fn lay(&self, event: EventId, change: impl FnOnce(&mut PendingUpdates)) -> bool {
        let mut all = self.news.lock();
        let first = all.is_empty();
        let room = all.len() < MAX_EVENTS;
        match all.iter_mut().find(|(known, _)| *known == event) {
            Some((_, news)) => change(news),
            None if room => {
                let mut news = PendingUpdates::default();
                change(&mut news);
                all.reserve_exact(1); // nearly always the only one, and gone in a moment
                all.push((event, news));
            }
            None => {} // a connection follows at most as many events, so this is news of one it has left
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
            mailbox.lay_position(event, position(5)),
            "the first news is to be woken for"
        );
        assert!(!mailbox.lay_position(event, position(4)));
        let news = mailbox.take();
        assert_eq!(news[0].1.position, Some(position(4)));
        assert!(mailbox.take().is_empty());
        assert!(mailbox.lay_position(event, position(3)));
        let (pass_id, epoch, at) = (
            "b-1".parse().unwrap(),
            "e".parse().unwrap(),
            Timestamp::from_millis(1),
        );
        mailbox.put_pass(
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
            mailbox.due().await.has(WakeReasons::NEWS),
            "a pass does not wait"
        );
        let news = mailbox.take();
        assert!(news[0].1.position.is_none() && news[0].1.pass.is_some());
    }
}
