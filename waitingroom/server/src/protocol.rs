//! The WebSocket protocol `stanchion.v1`: text frames, one JSON object each, told apart by `type`.
//! Unknown types and fields are ignored, so that either side may learn new ones first.

mod client;
mod close;
pub mod schemas;
mod server;
mod wait;

pub use self::{
    client::{
        Ack, ClientMessage, Connect, JoinQueue, Leave, MAX_PREFERENCES, ReserveSeats,
        SeatPreference, check_preferences,
    },
    close::CloseCode,
    server::{ServerMessage, ZoneLeft},
    wait::{WaitRange, WaitReason},
};

/// The subprotocol's name.
pub const SUBPROTOCOL: &str = "stanchion.v1";

/// Longest frame that a client may send, in bytes.
pub const MAX_FRAME_BYTES: usize = 16 * 1024;
