//! One value an event that many readers follow: worked out and encoded once, shared as bytes, the
//! latest only. A reader that is slow skips what it missed; the number of readers is bounded.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use waitingroom::ids::EventId;

/// See the module's documentation. Whoever owns a feed publishes into it; events without readers
/// cost nothing.
#[derive(Debug)]
pub(crate) struct Feed {
    name: &'static str,
    /// Most readers, over all events.
    limit: usize,
    /// Nothing once the feed has ended.
    events: Mutex<Option<HashMap<EventId, watch::Sender<Bytes>>>>,
    permits: Arc<Semaphore>,
}

/// One reader's end. Its permit is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    latest: watch::Receiver<Bytes>,
    _permit: OwnedSemaphorePermit,
}

/// The right to read, before there is something to be read.
#[derive(Debug)]
pub(crate) struct ReaderPermit(OwnedSemaphorePermit);

/// A value as an event of `text/event-stream`.
pub(crate) fn sse_event(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).expect("what is published has only text keys");
    format!("event: {name}\ndata: {data}\n\n").into()
}

impl Feed {
    /// A feed for at most `limit` readers, over all events. `name` is the label of its metric.
    pub(crate) fn new(name: &'static str, limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            name,
            limit,
            events: Mutex::new(Some(HashMap::new())),
            permits: Arc::new(Semaphore::new(limit)),
        }
    }

    /// A permit among the readers; nothing where all are taken.
    pub(crate) fn acquire(&self) -> Option<ReaderPermit> {
        Arc::clone(&self.permits)
            .try_acquire_owned()
            .ok()
            .map(ReaderPermit)
    }

    /// Follows an event that others follow already. The permit comes back where nobody does.
    pub(crate) fn subscribe_existing(
        &self,
        event: EventId,
        permit: ReaderPermit,
    ) -> Result<Reader, ReaderPermit> {
        let events = self.events.lock();
        match events.as_ref().and_then(|events| events.get(&event)) {
            Some(sender) => Ok(Reader {
                latest: sender.subscribe(),
                _permit: permit.0,
            }),
            None => Err(permit),
        }
    }

    /// Follows an event; `first` is what is true now. Nothing where the feed has ended.
    pub(crate) fn subscribe(
        &self,
        event: EventId,
        first: Bytes,
        permit: ReaderPermit,
    ) -> Option<Reader> {
        let mut events = self.events.lock();
        let sender = events
            .as_mut()?
            .entry(event)
            .or_insert_with(|| watch::Sender::new(first));
        Some(Reader {
            latest: sender.subscribe(),
            _permit: permit.0,
        })
    }

    /// Events that somebody follows. The others are forgotten.
    pub(crate) fn subscribed_events(&self) -> Vec<EventId> {
        let readers = self.limit - self.permits.available_permits();
        metrics::gauge!("stanchion_feed_readers", "feed" => self.name).set(readers as f64);
        let mut events = self.events.lock();
        let Some(events) = events.as_mut() else {
            return Vec::new();
        };
        events.retain(|_, sender| sender.receiver_count() > 0);
        events.keys().copied().collect()
    }

    /// Tells the event's readers, unless this is what they have.
    pub(crate) fn publish(&self, event: EventId, value: Bytes) {
        let events = self.events.lock();
        let Some(sender) = events.as_ref().and_then(|events| events.get(&event)) else {
            return;
        };
        sender.send_if_modified(|latest| {
            let differs = *latest != value;
            *latest = value;
            differs
        });
    }

    /// Ends every reader, and admits no more.
    pub(crate) fn close(&self) {
        *self.events.lock() = None;
    }
}

impl Reader {
    /// The latest value, which counts as read.
    pub(crate) fn read(&mut self) -> Bytes {
        self.latest.borrow_and_update().clone()
    }

    /// Returns when there is a value that was not read; false where there will be none any more.
    pub(crate) async fn changed(&mut self) -> bool {
        self.latest.changed().await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn event() -> EventId {
        Uuid::from_u128(1).into()
    }

    #[tokio::test]
    async fn readers_share_the_latest_value_and_hear_of_changes_only() {
        let feed = Feed::new("test", 2);
        let mut one = feed
            .subscribe(event(), "a".into(), feed.acquire().unwrap())
            .unwrap();
        let mut two = feed
            .subscribe_existing(event(), feed.acquire().unwrap())
            .unwrap();
        assert!(feed.acquire().is_none(), "no third");
        let (first, second) = (one.read(), two.read());
        assert_eq!(
            (&*first, first.as_ptr()),
            (&b"a"[..], second.as_ptr()),
            "encoded once"
        );
        feed.publish(event(), "a".into());
        assert!(!one.latest.has_changed().unwrap());
        feed.publish(event(), "b".into());
        feed.publish(event(), "c".into());
        assert!(one.changed().await);
        assert_eq!(&*one.read(), b"c");
        assert!(!one.latest.has_changed().unwrap());
    }

    #[tokio::test]
    async fn what_nobody_follows_is_forgotten_and_the_end_is_for_all() {
        let feed = Feed::new("test", 1);
        let reader = feed
            .subscribe(event(), "a".into(), feed.acquire().unwrap())
            .unwrap();
        assert_eq!(feed.subscribed_events(), [event()]);
        drop(reader);
        assert_eq!(feed.subscribed_events(), []);
        assert!(
            feed.subscribe_existing(event(), feed.acquire().unwrap())
                .is_err()
        );
        let mut reader = feed
            .subscribe(event(), "b".into(), feed.acquire().unwrap())
            .unwrap();
        feed.close();
        assert_eq!(&*reader.read(), b"b");
        assert!(!reader.changed().await);
        drop(reader);
        assert!(
            feed.subscribe(event(), "c".into(), feed.acquire().unwrap())
                .is_none()
        );
    }
}
