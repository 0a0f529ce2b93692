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

/// Why a wait is longer than before: the sale is `paused` or `sold_out`, the queue has `slowed`,
/// users ahead have `returned`, or the queue is being rebuilt (`counting`: the position is an upper
/// bound). `slowed` and `returned` occur in streams only. Later versions may add reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The operator has paused the sale: the estimate counts from its resumption.
    Paused,
    /// All seats are held or sold; some may become available again.
    SoldOut,
    /// The queue moves more slowly than before.
    Slowed,
    /// Users further ahead who were disconnected have returned.
    Returned,
    /// The queue was lost and is being rebuilt: the position is an upper bound.
    Counting,
}
