//! Presence and absence: a place is kept for a user, not for a socket.

use std::time::Duration;

use crate::{clock::Timestamp, ids::NodeId};

/// A user who polls is present for this long after each poll: longer than a polling client's pause,
/// shorter than a claim window.
pub const POLL_WINDOW: Duration = Duration::from_secs(15);

/// A node that has not been heard of for this long is dead; gateways report every 2 s.
pub const NODE_TIMEOUT: Duration = Duration::from_secs(10);

/// How a user shows that they are here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// By a connection that this node holds, until it detaches.
    Node(NodeId),
    /// By a request, for [`POLL_WINDOW`].
    Poll,
}

/// Is a node alive that was last heard of at `seen`?
pub fn node_is_alive(seen: Timestamp, now: Timestamp) -> bool {
    seen.plus(NODE_TIMEOUT) > now
}
