//! Events whose seats in the engine may not be the database's, until they have been rebuilt from
//! it.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::sync::Notify;
use waitingroom::ids::EventId;

/// See the module's documentation. Bounded by the catalogue: only its events come under suspicion,
/// each once.
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

    /// The next one, which is not suspected any more unless it is reported again: whoever fails to
    /// rebuild it does so.
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
