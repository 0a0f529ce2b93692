//! What a run left behind. All times are Unix milliseconds of one clock that does not jump: the
//! recorder's, from its start on by the monotonic clock.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Everything that the auditor reads.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct World {
    /// How the line was run.
    pub line: LineSettings,
    /// What clients saw.
    pub records: Vec<Record>,
    /// Walks of the prober.
    pub walks: Vec<Walk>,
    /// What was done to the installation.
    pub faults: Vec<Fault>,
    /// What the database holds, once nothing is under way.
    pub database: Database,
    /// What the engine holds; `None` if it was not read.
    pub engine: Option<Engine>,
    /// What was published; `None` if there is no bus.
    pub stream: Option<Stream>,
}

impl World {
    /// May a commit that was told of at this moment be gone?
    pub(crate) fn may_have_lost(&self, at_ms: i64) -> bool {
        self.faults
            .iter()
            .any(|fault| fault.loses_commits && fault.from_ms <= at_ms && at_ms <= fault.to_ms)
    }

    /// May commits of any moment be gone?
    pub(crate) fn loses_commits(&self) -> bool {
        self.faults.iter().any(|fault| fault.loses_commits)
    }
}

/// How the line was run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LineSettings {
    /// Passes a second.
    pub rate: f64,
    /// Passes at once after a pause.
    pub burst: f64,
    /// Max live passes.
    pub cap: usize,
    /// Life of a pass.
    pub pass_ttl_ms: i64,
    /// Life of a pass that nobody acknowledges.
    pub claim_window_ms: i64,
}

/// A client's observation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at_ms: i64,
    /// Whose.
    pub user: String,
    /// What.
    pub seen: Seen,
}

/// What a client can observe or do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Seen {
    /// A ticket that differs from the one before.
    Ticket {
        /// Its number.
        number: u64,
        /// Its line.
        epoch: String,
    },
    /// A position, 0 if the pass is there.
    Position {
        /// The client's connection, counted from 1.
        connection: u32,
        /// The gateway that told it.
        gateway: String,
        /// The position.
        position: u64,
        /// How it came.
        way: Way,
    },
    /// A pass.
    Pass {
        /// Its id.
        pass_id: String,
        /// The number that it was given for.
        number: u64,
        /// The line that it was given in.
        epoch: String,
        /// Its end.
        ends_at_ms: i64,
        /// The client had not seen it before.
        first: bool,
    },
    /// The line refused something or took something back.
    Refusal {
        /// The problem's code; `REMOVED` if the line said that the user had left, who had not.
        code: String,
    },
    /// The user asks to give the place up, and has then no claim to it, whether the answer arrives
    /// or not.
    Leaves,
    /// The user gave the place up, and the line has said so.
    Left,
    /// A connection is over, for any reason.
    Detached {
        /// The client's connection.
        connection: u32,
        /// Why, in a few words.
        why: String,
    },
    /// A reservation was tried.
    Reserve {
        /// Its idempotency key.
        key: String,
        /// The pass that was used.
        pass_id: String,
        /// Where.
        zone: Uuid,
        /// How many seats.
        quantity: i64,
        /// What came back.
        answer: Answer,
    },
    /// A pass was refused for good.
    PassRefused {
        /// Which.
        pass_id: String,
        /// The problem's code.
        code: String,
        /// The pass's time that was left.
        left_ms: i64,
    },
    /// A used pass, or the same key, made another booking.
    AnotherBooking {
        /// The booking that it had made before.
        first: Uuid,
        /// The booking that it made now.
        second: Uuid,
        /// What was repeated.
        repeated: String,
    },
    /// A booking was to be confirmed or cancelled.
    Decide {
        /// Which.
        booking: Uuid,
        /// What was asked for.
        decision: Decision,
        /// What came back.
        answer: Answer,
    },
    /// The client is done.
    End {
        /// How it ended.
        outcome: Outcome,
    },
}

/// How a position came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Over a WebSocket.
    Socket,
    /// As a server-sent event.
    Stream,
    /// As the answer to a join or a poll.
    Poll,
}

/// What came back from booking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The status; 0 if no answer came.
    pub status: u16,
    /// The problem's code, or what went wrong on the way.
    pub code: Option<String>,
    /// The booking, with a 201.
    pub booking: Option<Uuid>,
}

/// What a user does with a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Buys.
    Confirm,
    /// Gives back.
    Cancel,
}

/// How a user's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Bought.
    Confirmed,
    /// Gave back.
    Cancelled,
    /// Let the hold end.
    LeftToExpire,
    /// No zone had enough seats.
    NoSeats,
    /// A confirm or cancel was refused.
    DecisionRefused,
    /// The pass was refused for good.
    PassRefused,
    /// No answer before the pass or the run was over.
    NoAnswer,
    /// Still in line at the end of the run.
    Unfinished,
}

/// What was done to the installation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// What.
    pub what: String,
    /// To which part.
    pub target: String,
    /// From when.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: i64,
    /// Clients may count as absent for it: a gateway or Redis is silent.
    pub silences: bool,
    /// What was committed meanwhile may be gone: a standby takes over that followed asynchronously.
    #[serde(default)]
    pub loses_commits: bool,
}

/// What the database holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// The counters.
    pub zones: Vec<Zone>,
    /// The rows.
    pub bookings: Vec<Booking>,
    /// Messages that are not published yet.
    pub messages_waiting: u64,
}

/// A zone's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Which.
    pub zone_id: Uuid,
    /// All seats.
    pub capacity: i64,
    /// Seats on hold.
    pub held: i64,
    /// Seats that are sold.
    pub confirmed: i64,
}

/// A booking's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// Which.
    pub booking_id: Uuid,
    /// Where.
    pub zone_id: Uuid,
    /// Whose.
    pub user_id: String,
    /// How many seats.
    pub quantity: i64,
    /// What became of it.
    pub status: Status,
    /// The pass that made it.
    pub pass_id: String,
    /// When it was made.
    pub created_at_ms: i64,
    /// When its hold ends.
    pub expires_at_ms: i64,
}

/// What became of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// On hold.
    Reserved,
    /// Sold.
    Confirmed,
    /// Given back.
    Cancelled,
    /// Run out.
    Expired,
}

impl Status {
    /// The name in database and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The status of this name.
    pub fn named(name: &str) -> Option<Self> {
        [
            Self::Reserved,
            Self::Confirmed,
            Self::Cancelled,
            Self::Expired,
        ]
        .into_iter()
        .find(|one| one.name() == name)
    }

    /// Does it take seats?
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Reserved | Self::Confirmed)
    }
}

/// What the engine holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// Seats that can be reserved, by zone.
    pub zones: BTreeMap<Uuid, i64>,
    /// The rest; `None` if only the zones could be read.
    pub stock: Option<Stock>,
}

/// What the engine holds besides the zones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// Seats that can be reserved, over all zones.
    pub seats_left: i64,
    /// Seats held and bought, by user.
    pub user_seats: BTreeMap<String, i64>,
    /// Holds.
    pub holds: BTreeSet<Uuid>,
    /// Holds whose commit nobody has reported.
    pub uncommitted: BTreeSet<Uuid>,
}

/// What was published.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// In order.
    pub messages: Vec<Message>,
    /// The scenario threw the stream away: messages may be missing, and may come again.
    pub lost: bool,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its number in the stream.
    pub sequence: u64,
    /// `<booking>:<change>`.
    pub id: String,
}

/// A walk of the prober: join, pass, reserve, cancel over one pair of gateway and booking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Walk {
    /// The gateway.
    pub gateway: String,
    /// The instance of booking.
    pub booking: String,
    /// When it began.
    pub began_ms: i64,
    /// When it ended.
    pub ended_ms: i64,
    /// Where it failed; `None` if it succeeded.
    pub failed: Option<Unwhole>,
}

/// Where a walk failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwhole {
    /// At which step.
    pub step: String,
    /// The status; 0 if no answer came.
    pub status: u16,
    /// The code, or what went wrong on the way.
    pub why: String,
}
