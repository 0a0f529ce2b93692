//! How long a wait may be, and why it grew.

use serde::{Deserialize, Serialize};

/// The time within which a turn is likely to come, in seconds from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitRange {
    /// Hardly sooner.
    pub low: u32,
    /// Hardly later, as the queue moves now.
    pub high: u32,
}

/// Why a wait is longer than was told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The operator has paused the sale: the estimate counts from when it goes on.
    Paused,
    /// Every seat is held or sold; some may come back.
    SoldOut,
    /// The queue moves more slowly than it did.
    Slowed,
    /// Users further ahead, who had been away, are back.
    Returned,
    /// The queue was lost and is being rebuilt: the position is one that the true one does not
    /// exceed.
    Counting,
}
