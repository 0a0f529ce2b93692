//! The bus of one process: whoever listens hears, nothing is kept.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use super::{Bus, BusError, Message};

/// Messages that a slow listener may fall behind by; beyond it, it misses the oldest.
const CHANNEL_CAPACITY: usize = 1_024;

/// See the module's documentation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct InMemoryBus {
    listeners: broadcast::Sender<Message>,
    published: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Default for InMemoryBus {
    fn default() -> Self {
        Self {
            listeners: broadcast::Sender::new(CHANNEL_CAPACITY),
            published: Arc::default(),
        }
    }
}

impl InMemoryBus {
    /// Everything that is published from now on.
    pub fn listen(&self) -> broadcast::Receiver<Message> {
        self.listeners.subscribe()
    }

    /// How many messages each subject has had.
    pub fn published(&self) -> BTreeMap<String, u64> {
        self.published.lock().clone()
    }
}

#[async_trait]
impl Bus for InMemoryBus {
    async fn publish(&self, messages: &[Message]) -> Vec<Result<(), BusError>> {
        for message in messages {
            *self
                .published
                .lock()
                .entry(message.subject.clone())
                .or_default() += 1;
            let _ = self.listeners.send(message.clone()); // nobody needs to listen
        }
        vec![Ok(()); messages.len()]
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[tokio::test]
    async fn listeners_hear_in_order_and_subjects_are_counted() {
        let bus = InMemoryBus::default();
        let mut ear = bus.listen();
        let message = |id: &str| Message {
            subject: "s.a".into(),
            message_id: id.into(),
            payload: Bytes::new(),
        };

        let answers = bus.publish(&[message("1"), message("2")]).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(ear.recv().await.unwrap().message_id, "1");
        assert_eq!(ear.recv().await.unwrap().message_id, "2");
        assert_eq!(bus.published()["s.a"], 2);
    }
}
