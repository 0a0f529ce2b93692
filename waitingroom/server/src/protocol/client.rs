//! The messages of a client.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use waitingroom_domain::{
    ids::{EventId, IdempotencyKey, PassId, ShowId, ZoneId},
    seats::MAX_QUANTITY,
};

use crate::{
    http::from_slice,
    problem::{Code, Problem},
};

/// One frame of a client.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// Authenticates the connection; the first frame.
    Connect(Connect),
    /// Joins the queue of an event, or returns to it.
    Join(JoinQueue),
    /// Acknowledges a pass.
    Ack(Ack),
    /// Reserves seats with the user's pass.
    Reserve(ReserveSeats),
    /// Leaves the queue of an event.
    Leave(Leave),
    /// Asks for a heartbeat.
    Ping,
    /// A type that a later version may know.
    Unknown,
}

/// `connect`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
pub struct Connect {
    /// A user's JWT or a guest token; at most 8 KiB.
    pub token: String,
}

/// `join`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
pub struct JoinQueue {
    /// The event.
    pub event_id: EventId,
    /// A ticket from an earlier connection. It is ignored unless it is this user's for this event.
    #[serde(default)]
    pub ticket: Option<String>,
    /// The last position that the client received with this ticket: if the queue was lost since, the
    /// client receives no greater one.
    #[serde(default)]
    pub position: Option<u32>,
    /// Seat preferences, best first, at most 5. Absent: the previous preferences stay; empty: none.
    #[serde(default)]
    #[schemars(length(max = MAX_PREFERENCES))]
    pub wish: Option<Vec<SeatPreference>>,
}

/// One seat preference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, JsonSchema)]
#[schema(as = WishItem)]
#[schemars(rename = "WishItem")]
pub struct SeatPreference {
    /// The show; if absent, that of the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show_id: Option<ShowId>,
    /// The zone.
    pub zone_id: ZoneId,
    /// The number of seats.
    #[schema(minimum = 1, maximum = 10)]
    #[schemars(range(min = 1, max = MAX_QUANTITY))]
    pub quantity: u32,
}

/// Max seat preferences of one request.
pub const MAX_PREFERENCES: usize = 5;

/// Is this a wish that can be honoured? `field` is its name in the request.
///
/// # Errors
/// A problem that names the field.
pub fn check_preferences(field: &str, preferences: &[SeatPreference]) -> Result<(), Problem> {
    if preferences.len() > MAX_PREFERENCES {
        return Err(Problem::invalid(
            field,
            format!("must have at most {MAX_PREFERENCES} alternatives"),
        ));
    }

    match preferences
        .iter()
        .position(|item| !(1..=MAX_QUANTITY).contains(&item.quantity))
    {
        Some(at) => Err(Problem::invalid(
            &format!("{field}[{at}].quantity"),
            format!("must be from 1 to {MAX_QUANTITY}"),
        )),
        None => Ok(()),
    }
}

/// `ack`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
pub struct Ack {
    /// The pass.
    pub pass_id: PassId,
}

/// `reserve`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
pub struct ReserveSeats {
    /// The event.
    pub event_id: EventId,
    /// The show.
    pub show_id: ShowId,
    /// The zone.
    pub zone_id: ZoneId,
    /// The number of seats.
    #[schemars(range(min = 1, max = MAX_QUANTITY))]
    pub quantity: i64,
    /// The client's name for this attempt; the same on every retry.
    pub idempotency_key: IdempotencyKey,
}

/// `leave`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
pub struct Leave {
    /// The event.
    pub event_id: EventId,
}

impl ClientMessage {
    /// Reads one frame.
    ///
    /// # Errors
    /// A problem that names the field, for a frame that is not JSON or whose fields are not of the
    /// required form.
    pub fn parse(frame: &str) -> Result<Self, Problem> {
        let bytes = frame.as_bytes();
        Ok(match message_type(frame)?.as_ref() {
            "connect" => Self::Connect(from_slice(bytes)?),
            "join" => Self::Join(from_slice(bytes)?),
            "ack" => Self::Ack(from_slice(bytes)?),
            "reserve" => Self::Reserve(from_slice(bytes)?),
            "leave" => Self::Leave(from_slice(bytes)?),
            "ping" => Self::Ping,
            "" => return Err(Problem::invalid("type", "is required")),
            _ => Self::Unknown,
        })
    }
}

#[derive(Deserialize)]
struct TypeField<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
}

/// The frame's `type`, empty where it says none, of a frame that is JSON. Read without a copy of
/// all the rest, unless the frame is unusual.
fn message_type(frame: &str) -> Result<Cow<'_, str>, Problem> {
    if frame.trim_start().starts_with('{')
        && let Ok(TypeField { kind }) = serde_json::from_str(frame)
    {
        return Ok(kind);
    }

    let malformed = |_| Problem::new(Code::Malformed, "the frame is not valid JSON");
    let value: Value = serde_json::from_str(frame).map_err(malformed)?;

    Ok(value
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_known_by_its_last_type_however_it_is_written() {
        let ping = Ok(ClientMessage::Ping);
        let cases = [
            (
                r#" {"type":"ping","more":[{"type":"leave"}]} "#,
                ping.clone(),
            ),
            (r#"{"type":"\u0070ing"}"#, ping.clone()),
            (r#"{"type":"dance","type":"ping"}"#, ping),
            (r#"{"type":"dance"}"#, Ok(ClientMessage::Unknown)),
            (r#"{"type":7}"#, Err(Code::InvalidField)),
            (r#"["ping"]"#, Err(Code::InvalidField)),
            (r#"{"type":"ping"} {}"#, Err(Code::Malformed)),
            (r#"{"type":"ping""#, Err(Code::Malformed)),
        ];

        for (frame, expected) in cases {
            assert_eq!(
                ClientMessage::parse(frame).map_err(|problem| problem.code),
                expected,
                "{frame}"
            );
        }
    }
}
