//! What a gateway says.

use serde::{Deserialize, Serialize};
use waitingroom_domain::{
    clock::Timestamp,
    ids::{EventId, NodeId, PassId, ShowId, UserId, ZoneId},
    queue::SaleState,
};

use super::wait::{WaitRange, WaitReason};

/// One frame of a gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The token was accepted.
    Connected {
        /// Which node this is.
        node: NodeId,
        /// Who the token says you are.
        user_id: UserId,
        /// A heartbeat comes at least this often, in milliseconds.
        heartbeat_ms: u64,
    },
    /// You have a place.
    Queued {
        /// Which queue.
        event_id: EventId,
        /// Keep this: it brings the place back.
        ticket: String,
        /// 1 for the next.
        position: u64,
        /// Everybody in the queue.
        total_in_queue: u64,
        /// In seconds.
        estimated_wait_seconds: u64,
        /// Absent where no end can be foreseen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_range_seconds: Option<WaitRange>,
        /// What keeps the queue from moving.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<WaitReason>,
    },
    /// You have moved, or the wait has grown.
    Position {
        /// Which queue.
        event_id: EventId,
        /// Never grows.
        position: u64,
        /// Everybody in the queue.
        total_in_queue: u64,
        /// In seconds.
        estimated_wait_seconds: u64,
        /// Absent where no end can be foreseen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_range_seconds: Option<WaitRange>,
        /// Seats that can be reserved now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seats_left: Option<u64>,
        /// Why the wait grew.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<WaitReason>,
    },
    /// It is your turn. Sent again on every resume until acknowledged.
    Pass {
        /// Which sale.
        event_id: EventId,
        /// To be acknowledged.
        pass_id: PassId,
        /// The token for booking.
        queue_pass: String,
        /// Its end.
        expires_at: Timestamp,
        /// Seats that are already held, a booking.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold: Option<serde_json::Map<String, serde_json::Value>>,
        /// Where nothing of a wish could be held: what is left of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<Vec<ZoneLeft>>,
    },
    /// The seats are held: a booking, and the idempotency key of the request.
    Reserved {
        /// The idempotency key of the `reserve`.
        r#ref: String,
        /// The booking's fields.
        #[serde(flatten)]
        booking: serde_json::Map<String, serde_json::Value>,
    },
    /// You gave your place up.
    Left {
        /// Which queue.
        event_id: EventId,
    },
    /// The sale's state.
    Event {
        /// Which sale.
        event_id: EventId,
        /// Where it stands.
        state: SaleState,
        /// The operator's message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// I am here.
    Heartbeat,
    /// Something was refused.
    Error {
        /// The stable code; see [`crate::problem::Code`].
        code: String,
        /// For people.
        message: String,
        /// The event or idempotency key it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        r#ref: Option<String>,
    },
    /// Come back elsewhere, after this time.
    Reconnect {
        /// In milliseconds.
        after_ms: u64,
    },
}

/// Seats that are left in a zone that somebody wished for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneLeft {
    /// On which date, where the wish named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show_id: Option<ShowId>,
    /// Where.
    pub zone_id: ZoneId,
    /// How many seats.
    pub available: u32,
}

impl ServerMessage {
    /// The frame's text.
    pub fn to_json(&self) -> String {
        let mut text = Vec::with_capacity(self.typical_len());
        serde_json::to_writer(&mut text, self).expect("messages are plain data");
        String::from_utf8(text).expect("JSON is UTF-8")
    }

    /// Room for most of them, so that a text is not copied while it is written.
    const fn typical_len(&self) -> usize {
        match self {
            Self::Pass { .. } => 768,
            Self::Queued { .. } => 512,
            _ => 256,
        }
    }
}
