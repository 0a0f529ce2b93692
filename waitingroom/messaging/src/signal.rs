//! Signals to gateways: best-effort hints about state in the engine. A lost
//! signal loses nothing; gateways recover by revision numbers, by the repair of unacknowledged
//! passes, or when the client resumes.

pub mod cluster;
pub mod memory;
pub mod redis;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use waitingroom_domain::{
    ids::{EventId, NodeId, UserId},
    queue::{Grant, Progress, QueueSettings, Removal},
};

/// One message to gateways. Its kind is the key that the rest stands under: beside the rest, it
/// would be read only after all of it had been kept aside, which costs as much again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Passes for users of one node.
    Passes {
        /// Whose sale.
        event_id: EventId,
        /// Who received what.
        passes: Vec<(UserId, Grant)>,
    },
    /// Passes and places of users of one node that ended.
    #[serde(rename = "lapsed")]
    Removals {
        /// Whose sale.
        event_id: EventId,
        /// Whose, and how.
        users: Vec<(UserId, Removal)>,
    },
    /// A queue moved; for every node.
    Progress(Progress),
    /// A sale's settings changed; for every node.
    Sale {
        /// Which sale.
        event_id: EventId,
        /// What is in force now.
        settings: QueueSettings,
    },
    /// A node probes its own subscription.
    Probe {
        /// Which probe.
        sequence: u64,
    },
}

/// The recipient of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// One gateway.
    Node(NodeId),
    /// Every gateway.
    AllNodes,
}

/// A signal that could not be sent.
#[derive(Debug, Clone, thiserror::Error)]
#[error("signals are unavailable: {0}")]
pub struct SignalError(pub String);

/// Sends and receives signals. Delivery is at most once, in the order of one sender.
#[async_trait]
pub trait Signals: Send + Sync + 'static {
    /// Sends the signals, in order; returns how many nodes each reached.
    async fn send(&self, signals: &[(Recipient, Signal)]) -> Result<Vec<u64>, SignalError>;

    /// Begins to listen for one node's signals. One listener a node, whatever the number of its
    /// users.
    async fn listen(&self, node: &NodeId) -> Result<Box<dyn Listener>, SignalError>;
}

/// An event of a listener.
#[derive(Debug, Clone, PartialEq)]
pub enum ListenerEvent {
    /// A signal.
    Signal(Box<Signal>),
    /// Signals may have been missed before this moment: read the state again.
    Gap,
}

/// Receives the signals of one node.
#[async_trait]
pub trait Listener: Send {
    /// The next signal. Reconnects by itself and reports the gap.
    async fn next(&mut self) -> ListenerEvent;
}
