//! Signals within one process.

use async_trait::async_trait;
use tokio::sync::broadcast;
use waitingroom_domain::ids::NodeId;

use super::{Listener, ListenerEvent, Recipient, Signal, SignalError, Signals};

/// Signals that a slow listener may fall behind by; beyond it, it hears a gap.
const CHANNEL_CAPACITY: usize = 4_096;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub struct InMemorySignals(broadcast::Sender<(Recipient, Signal)>);

impl Default for InMemorySignals {
    fn default() -> Self {
        Self(broadcast::Sender::new(CHANNEL_CAPACITY))
    }
}

#[async_trait]
impl Signals for InMemorySignals {
    async fn send(&self, signals: &[(Recipient, Signal)]) -> Result<Vec<u64>, SignalError> {
        Ok(signals
            .iter()
            .map(|signal| self.0.send(signal.clone()).unwrap_or(0) as u64)
            .collect())
    }

    async fn listen(&self, node: &NodeId) -> Result<Box<dyn Listener>, SignalError> {
        Ok(Box::new(InMemoryListener {
            node: Recipient::Node(node.clone()),
            signals: self.0.subscribe(),
        }))
    }
}

struct InMemoryListener {
    node: Recipient,
    signals: broadcast::Receiver<(Recipient, Signal)>,
}

#[async_trait]
impl Listener for InMemoryListener {
    async fn next(&mut self) -> ListenerEvent {
        loop {
            match self.signals.recv().await {
                Ok((recipient, signal))
                    if recipient == self.node || recipient == Recipient::AllNodes =>
                {
                    return ListenerEvent::Signal(Box::new(signal));
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return ListenerEvent::Gap,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
