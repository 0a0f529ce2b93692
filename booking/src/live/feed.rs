//! A feed publishes one value for each event to many readers: computed and encoded once, shared as
//! bytes, the latest only. A slow reader skips values; the number of readers is bounded.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use waitingroom_domain::ids::EventId;

/// See the module's documentation. Events without readers cost nothing.
#[derive(Debug)]
pub(crate) struct Feed {
    name: &'static str,
    /// Max readers, over all events.
    limit: usize,
    /// `None` once the feed is closed.
    events: Mutex<Option<HashMap<EventId, watch::Sender<Bytes>>>>,
    permits: Arc<Semaphore>,
}

/// A reader of one event. Its permit is returned when it is dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    latest: watch::Receiver<Bytes>,
    _permit: OwnedSemaphorePermit,
}

/// The right to subscribe.
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

    /// A permit for one reader; `None` if all are taken.
    pub(crate) fn acquire(&self) -> Option<ReaderPermit> {
        Arc::clone(&self.permits)
            .try_acquire_owned()
            .ok()
            .map(ReaderPermit)
    }

    /// Subscribes to an event that has readers. Returns the permit if it has none.
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

    /// Subscribes to an event whose present value is `first`. `None` if the feed is closed.
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

    /// Events that have readers; the others are removed.
    pub(crate) fn subscribed_events(&self) -> Vec<EventId> {
        let readers = self.limit - self.permits.available_permits();
        metrics::gauge!(crate::metric_definitions::SSE_SUBSCRIBERS, "feed" => self.name)
            .set(readers as f64);

        let mut events = self.events.lock();
        let Some(events) = events.as_mut() else {
            return Vec::new();
        };
        events.retain(|_, sender| sender.receiver_count() > 0);
        events.keys().copied().collect()
    }

    /// Publishes a value to the event's readers, unless they have it.
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

    /// Ends every reader, and takes no more.
    pub(crate) fn close(&self) {
        *self.events.lock() = None;
    }
}

impl Reader {
    /// The latest value; marks it as read.
    pub(crate) fn read(&mut self) -> Bytes {
        self.latest.borrow_and_update().clone()
    }

    /// Waits for a value that was not read; false if the feed is closed.
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
    async fn readers_share_latest_value() {
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
    async fn removes_unread_events_and_closes() {
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
