//! What a client says.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    http::from_value,
    ids::{EventId, IdempotencyKey, PassId, ShowId, ZoneId},
    problem::{Code, Problem},
};

/// One frame of a client.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// Who I am; the first frame.
    Connect(Connect),
    /// A place, please.
    Join(JoinLine),
    /// The pass has arrived.
    Ack(Ack),
    /// Hold these seats with my pass.
    Reserve(ReserveSeats),
    /// I give my place up.
    Leave(Leave),
    /// Are you there?
    Ping,
    /// A type that a later version may know.
    Unknown,
}

/// `connect`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Connect {
    /// A user's JWT or a guest token.
    pub token: String,
}

/// `join`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct JoinLine {
    /// Which line.
    pub event_id: EventId,
    /// A ticket from before.
    #[serde(default)]
    pub ticket: Option<String>,
    /// What the user would like, in order of preference.
    #[serde(default)]
    pub wish: Vec<WishItem>,
}

/// One alternative of a wish.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WishItem {
    /// Where.
    pub zone_id: ZoneId,
    /// How many seats.
    pub quantity: u32,
}

/// `ack`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Ack {
    /// Which pass.
    pub pass_id: PassId,
}

/// `reserve`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ReserveSeats {
    /// Whose sale.
    pub event_id: EventId,
    /// Which date.
    pub show_id: ShowId,
    /// Where.
    pub zone_id: ZoneId,
    /// How many seats.
    pub quantity: i64,
    /// The client's name for this attempt.
    pub idempotency_key: IdempotencyKey,
}

/// `leave`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Leave {
    /// Which line.
    pub event_id: EventId,
}

impl ClientMessage {
    /// Reads one frame.
    ///
    /// # Errors
    /// A problem that names the field, for a frame that is not JSON or whose fields are not of the required form.
    pub fn parse(frame: &str) -> Result<Self, Problem> {
        let value: Value =
            serde_json::from_str(frame).map_err(|_| Problem::new(Code::Malformed, "the frame is not valid JSON"))?;
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(match kind.as_str() {
            "connect" => Self::Connect(from_value(value)?),
            "join" => Self::Join(from_value(value)?),
            "ack" => Self::Ack(from_value(value)?),
            "reserve" => Self::Reserve(from_value(value)?),
            "leave" => Self::Leave(from_value(value)?),
            "ping" => Self::Ping,
            "" => return Err(Problem::invalid("type", "is required")),
            _ => Self::Unknown,
        })
    }
}
