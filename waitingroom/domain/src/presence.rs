//! Presence: a place is kept for a user, not for a socket.

use std::time::Duration;

use crate::{clock::Timestamp, ids::NodeId};

/// A user who polls is present for this long after each poll: longer than a polling client's pause,
/// shorter than a claim window.
pub const POLL_PRESENCE_TTL: Duration = Duration::from_secs(15);

/// A node without a heartbeat for this long is dead; gateways send one every 2 s.
pub const NODE_TIMEOUT: Duration = Duration::from_secs(10);

/// How a user shows presence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// A connection on this node, until it detaches.
    Node(NodeId),
    /// A request, for [`POLL_PRESENCE_TTL`].
    Poll,
}

/// Is a node alive whose last heartbeat came at `seen`?
pub fn node_is_alive(seen: Timestamp, now: Timestamp) -> bool {
    seen.plus(NODE_TIMEOUT) > now
}
