//! The queue of one event: its settings, a user's place in it, and what a change of it tells the
//! gateways.

mod admission_status;
mod counters;
mod forecast;
mod settings;
mod settings_schema;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::{
    admission_status::{AdmissionConditions, AdmissionStatus},
    counters::Counters,
    forecast::{Forecast, NoForecast, Observed},
    settings::{InvalidSetting, QueuePatch, QueueSettings, SettingDescription, SettingValues},
};
use crate::{
    clock::Timestamp,
    ids::{Epoch, EventId, NodeId, PassId, UserId},
    rate::throttled_rate,
};

/// Numbers that may have been given out between what is remembered of a lost queue, about a second
/// old, and the loss.
pub const SEQUENCE_RESERVE: u64 = 1_000_000;

pub use settings_schema::queue_patch_with_defaults;

/// The state of a sale: `open` accepts joins and releases users, `paused` and `sold_out` accept
/// joins only, `scheduled` and `closed` do neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SaleState {
    /// Announced; users cannot join yet.
    Scheduled,
    /// Users can join and are released.
    Open,
    /// Users can join and are not released.
    Paused,
    /// Users can join, since seats may become available again, and are not released.
    SoldOut,
    /// The sale is over: users cannot join and are not released.
    Closed,
}

impl SaleState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Scheduled,
        Self::Open,
        Self::Paused,
        Self::SoldOut,
        Self::Closed,
    ];

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// May someone new take a place?
    pub const fn accepts_joins(self) -> bool {
        matches!(self, Self::Open | Self::Paused | Self::SoldOut)
    }

    /// The state's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Open => "open",
            Self::Paused => "paused",
            Self::SoldOut => "sold_out",
            Self::Closed => "closed",
        }
    }
}

/// A pass as the engine keeps it. Its token is a pure function of these values and the signing key,
/// so it is minted wherever it is delivered and never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Which pass.
    pub pass_id: PassId,
    /// The number in the queue that it was given for.
    pub number: u64,
    /// The queue it was given in.
    pub epoch: Epoch,
    /// When it was released.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// The position that a user was sent last, as far as the engine knows: after a loss of the
/// line, gateways say so. No worse position may be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LastPosition {
    /// None that matters.
    #[default]
    NotSent,
    /// This position, or a greater one before it.
    Sent(u64),
    /// Gateways that may have sent one have not reported it yet: none may be sent.
    Unknown,
}

/// A user's place, as of one revision of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The user's number: order in the queue is the order of numbers.
    pub number: u64,
    /// The queue that the number belongs to.
    pub epoch: Epoch,
    /// Rank among all who hold a place: 1 for the next, 0 with a pass.
    pub position: u64,
    /// Everybody in the queue without a pass.
    pub total: u64,
    /// How many removals from the queue this position already counts; see [`Progress`].
    pub revision: u64,
    /// The pass, once released.
    pub grant: Option<Grant>,
    /// The queue is being rebuilt: `position` and `total` are bounds that the true ones do not
    /// exceed.
    pub counting: bool,
    /// The position that was sent last.
    pub last_position: LastPosition,
}

impl Place {
    /// With the position that the user was sent last, if any. While the queue is rebuilt, `position`
    /// is an upper bound. None may be sent while nodes are awaited, nor one that counts the numbers
    /// that a loss skips ([`SEQUENCE_RESERVE`]): hardly any of those was given out.
    #[must_use]
    pub fn after_loss(self, sent: Option<u64>, is_awaiting_nodes: bool) -> Self {
        let counts_skipped = self.counting && self.position >= SEQUENCE_RESERVE;
        let last_position = match sent {
            _ if self.grant.is_some() => LastPosition::NotSent,
            _ if self.counting && is_awaiting_nodes => LastPosition::Unknown,
            Some(position) => LastPosition::Sent(position),
            None if counts_skipped => LastPosition::Unknown,
            None => LastPosition::NotSent,
        };

        let total = if counts_skipped {
            sent.unwrap_or(self.total)
        } else {
            self.total
        };
        Self {
            last_position,
            total,
            ..self
        }
    }

    /// The position that was sent last, if it is known.
    pub fn last_sent_position(&self) -> Option<u64> {
        if let LastPosition::Sent(position) = self.last_position {
            Some(position)
        } else {
            None
        }
    }
}

/// What changed in one event's queue between two revisions: all that a gateway needs to project the
/// exact positions of its own users. The revision counts removals, so consecutive messages meet:
/// `to` of one is `from` of the next, and a gap shows that a message was lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Whose line.
    pub event_id: EventId,
    /// Which incarnation of it.
    pub epoch: Epoch,
    /// Revision before.
    pub from: u64,
    /// Revision after: `from` + the length of `removed`.
    pub to: u64,
    /// Numbers that left the queue, in the order in which they left.
    pub removed: Vec<u64>,
    /// Everybody in the queue without a pass, after.
    pub total: u64,
    /// Passes issued and neither expired nor used for a hold that is committed.
    pub active: u64,
    /// Seats that can be reserved now.
    pub seats_left: u64,
    /// The settings in force. An open sale without seats and without holds that could give some
    /// back is [`SaleState::SoldOut`].
    pub settings: QueueSettings,
    /// The share of the configured rate at which the queue moves, 0 to 1; see [`crate::overload_throttle`].
    #[serde(default = "whole")]
    pub share: f64,
    /// Passes released so far in this epoch; nothing if a worker of an earlier release says it.
    #[serde(default)]
    pub released: Option<u64>,
    /// Users in the queue who are not known to be absent, after; nothing if a worker of an earlier
    /// release says it.
    #[serde(default)]
    pub present: Option<u64>,
    /// Users in the queue whose number is not above the highest that was released: they were absent
    /// when it was their turn.
    #[serde(default)]
    pub passed_over: u64,
    /// The queue is being rebuilt: `total` counts those who are back.
    #[serde(default)]
    pub counting: bool,
    /// Have the seats been loaded? Before, `seats_left` says nothing.
    #[serde(default = "yes")]
    pub seats_known: bool,
}

impl Progress {
    /// Users released per second at the pace in force.
    pub fn rate_effective(&self) -> f64 {
        throttled_rate(self.settings.rate_per_second, self.share)
    }
}

fn whole() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}

/// How a pass or a place ended without being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// Not acknowledged in the claim window: revoked; the user keeps the number and is
    /// first again on return.
    Unclaimed,
    /// Its time was over: the place is gone.
    Expired,
    /// The user was away for longer than the grace period: the place is gone.
    Absent,
    /// The user gave it up.
    Left,
}

/// A payload about one user, and the nodes that may hold a connection of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed<T> {
    /// The user.
    pub user: UserId,
    /// Where to send it; empty for a user who polls.
    pub nodes: Vec<NodeId>,
    /// The payload.
    pub payload: T,
}
