//! How long a wait may be, and why it grew.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The time within which the user gets a pass with a probability of 95 %, in seconds from now.
/// Absent if no end can be estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, JsonSchema)]
pub struct WaitRange {
    /// Hardly sooner; in seconds.
    pub low: u32,
    /// Hardly later at the queue's current speed; in seconds.
    pub high: u32,
}

/// Why a wait is longer than before. Later versions may add reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, JsonSchema)]
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
