//! The messages of a gateway.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{EventId, IdempotencyKey, NodeId, PassId, ShowId, UserId, ZoneId},
    queue::SaleState,
};

use super::wait::{WaitRange, WaitReason};
use crate::problem::Code;

/// One frame of a gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The token was accepted.
    Connected {
        /// The node that serves the connection.
        node: NodeId,
        /// The user of the token.
        user_id: UserId,
        /// Max time between two frames of the gateway, in milliseconds. After 2.5 times of silence,
        /// in either direction, the connection is dead.
        #[schemars(range(min = 1))]
        heartbeat_ms: u64,
    },
    /// The user has a place in the queue.
    Queued {
        /// The event.
        event_id: EventId,
        /// Clients keep the ticket: it restores the place if the queue is lost.
        ticket: String,
        /// 1 for the next user.
        position: u64,
        /// Users in the queue without a pass.
        total_in_queue: u64,
        /// Position divided by the measured rate, or by the configured rate until one is measured.
        estimated_wait_seconds: u64,
        /// Absent if no end can be estimated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_range_seconds: Option<WaitRange>,
        /// Why the queue does not move.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<WaitReason>,
    },
    /// The position has changed, or the wait has become longer.
    Position {
        /// The event.
        event_id: EventId,
        /// Never increases for one place.
        position: u64,
        /// Users in the queue without a pass.
        total_in_queue: u64,
        /// Position divided by the measured rate, or by the configured rate until one is measured.
        estimated_wait_seconds: u64,
        /// Absent if no end can be estimated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_range_seconds: Option<WaitRange>,
        /// Seats that can be reserved now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seats_left: Option<u64>,
        /// Why the wait has become longer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<WaitReason>,
    },
    /// The user has a pass. Sent again on every resume until it is acknowledged.
    Pass {
        /// The event.
        event_id: EventId,
        /// The id to acknowledge.
        pass_id: PassId,
        /// The pass, for `X-Queue-Pass`.
        queue_pass: String,
        /// When the pass expires.
        expires_at: Timestamp,
        /// The booking of seats that are already held for a seat preference.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(schema_with = "booking_reference")]
        hold: Option<serde_json::Map<String, serde_json::Value>>,
        /// If none of the seat preferences could be held: the seats left in their zones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<Vec<ZoneLeft>>,
    },
    /// Seats are reserved.
    Reserved {
        /// The idempotency key of the `reserve`.
        #[schemars(with = "IdempotencyKey")]
        r#ref: String,
        /// The booking's fields.
        #[serde(flatten)]
        #[schemars(skip)]
        booking: serde_json::Map<String, serde_json::Value>,
    },
    /// The user is no longer in the queue.
    Left {
        /// The event.
        event_id: EventId,
    },
    /// The state of the sale.
    Event {
        /// The event.
        event_id: EventId,
        /// The state.
        state: SaleState,
        /// The operator's message to all users.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// A sign of life.
    Heartbeat,
    /// A message was rejected, or a pass or place has ended.
    Error {
        /// The stable code.
        #[schemars(with = "Code")]
        code: String,
        /// An explanation for people.
        message: String,
        /// The event_id, idempotency_key or pass_id that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        r#ref: Option<String>,
    },
    /// The client should reconnect elsewhere.
    Reconnect {
        /// The gateway closes the connection after this time, in milliseconds; reconnect then.
        after_ms: u64,
    },
}

/// The seats left in the zone of a seat preference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, JsonSchema)]
pub struct ZoneLeft {
    /// The show, if the preference named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub show_id: Option<ShowId>,
    /// The zone.
    pub zone_id: ZoneId,
    /// Seats that can be reserved.
    pub available: u32,
}

/// Booking describes its bookings itself.
fn booking_reference(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "$ref": "#/components/schemas/Booking" })
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
