//! Messages to the client, of what the session has to say.

use serde_json::{Map, Value};
use waitingroom_domain::{ids::EventId, queue::QueueSettings};
use waitingroom_server::protocol::ServerMessage;

use super::ReserveReply;
use crate::connection::mailbox::PositionUpdate;

pub(super) fn sale_message(event: EventId, settings: &QueueSettings) -> ServerMessage {
    ServerMessage::Event {
        event_id: event,
        state: settings.state,
        message: settings.message.clone(),
    }
}

pub(crate) fn position_message(event: EventId, update: PositionUpdate) -> ServerMessage {
    ServerMessage::Position {
        event_id: event,
        position: update.position,
        total_in_queue: update.total,
        estimated_wait_seconds: update.estimate.wait_seconds.into(),
        wait_range_seconds: update.estimate.range,
        seats_left: Some(update.seats_left),
        reason: update.estimate.reason,
    }
}

/// Seats that are held, in reply to the request with this `ref`.
pub(super) fn reserved_message(message_ref: String, booking: Map<String, Value>) -> ServerMessage {
    ServerMessage::Reserved {
        r#ref: message_ref,
        booking,
    }
}

pub(super) fn reserve_reply_message((key, result): ReserveReply) -> ServerMessage {
    match result {
        Ok(booking) => reserved_message(key.to_string(), booking),
        Err(error) => ServerMessage::Error {
            code: error.code,
            message: error.detail,
            r#ref: Some(key.to_string()),
        },
    }
}
