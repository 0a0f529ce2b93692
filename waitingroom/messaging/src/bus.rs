//! The bus: what others may want to know of bookings, published at least once and told apart by
//! message ids.
//!
//! Two backends: [`memory`] within one process, [`nats`] on NATS JetStream.

pub mod memory;
pub mod nats;

use async_trait::async_trait;
use bytes::Bytes;

pub use self::{memory::InMemoryBus, nats::NatsBus};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it belongs, complete: `stanchion.bookings.reserved`.
    pub subject: String,
    /// The same whenever the same message is published again: consumers and the server tell
    /// repetitions by it.
    pub message_id: String,
    /// JSON.
    pub payload: Bytes,
}

/// A message that was not acknowledged. It may have arrived all the same.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the bus did not acknowledge: {0}")]
pub struct BusError(pub String);

/// Publishes messages.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Publishes the messages in order and answers for each, in order, whether it is kept. Ends
    /// within a deadline of seconds; what failed may be published again with the same message id.
    async fn publish(&self, messages: &[Message]) -> Vec<Result<(), BusError>>;
}
