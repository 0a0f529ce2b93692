//! What one connection is written and when, the same for sockets and streams: a mailbox of updates,
//! the queue that wakes mailboxes in batches, and the timer wheel of heartbeats and of the drain.

pub(crate) mod heartbeat_and_drain_timer;
pub(crate) mod mailbox;
pub(crate) mod wake_pacer;
pub(crate) mod wake_queue;
