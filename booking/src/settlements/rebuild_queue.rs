//! Events whose seats in the engine may differ from the database's, until they have been rebuilt.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::sync::Notify;
use waitingroom_domain::ids::EventId;

/// See the module's documentation. Bounded by the catalogue: only its events are queued, each once.
#[derive(Debug, Default)]
pub(crate) struct RebuildQueue {
    events: Mutex<HashSet<EventId>>,
    requested: Notify,
}

impl RebuildQueue {
    /// Engine and database seem to differ.
    pub(crate) fn request(&self, event: EventId) {
        self.events.lock().insert(event);
        self.requested.notify_one();
    }

    /// The next event, which is taken out of the queue: a caller that fails to rebuild it requests
    /// it again.
    pub(crate) async fn next(&self) -> EventId {
        loop {
            if let Some(event) = self.take() {
                return event;
            }
            self.requested.notified().await;
        }
    }

    fn take(&self) -> Option<EventId> {
        let mut events = self.events.lock();
        let event = events.iter().next().copied()?;
        events.take(&event)
    }
}
