//! What the scripts are given and what they answer, described once: each row of a table gives a
//! Rust type, and the Lua that reads or writes the same values. Neither side names a position or
//! a code.
//!
//! | table | in Lua |
//! |---|---|
//! | `arguments` | the table `arguments` of the first values; what follows begins at `REST` |
//! | `argument_lists` | `read_…()`: all that follows, as a list of tables |
//! | `tagged_arguments` | the same for values of several kinds, with the field `kind` |
//! | `argument_codes` | the codes by name |
//! | `replies` | `put_…(list, values)` appends the values to a list |
//! | `reply_codes` | the codes by name; a code may have a value, which follows it |
//! | `packed` | `pack_…(values)` and `unpack_…(text)`: several parts in one text, as it is stored |

#[macro_use]
mod tables;
mod lua;
mod values;

use redis::Cmd;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, Epoch, NodeId, PassId, UserId, ZoneId},
    numbers::Numbers,
    presence::Presence,
    queue::{Counters, QueueSettings, SaleState},
};

pub(super) use self::{
    lua::Lua,
    values::{Argument, Nodes, Reply, ReplyValue, Run, Subscriptions, malformed_reply},
};
use crate::EngineError;

/// The names of a queue's settings and counters, which travel and are stored by name.
pub(super) struct QueueNames;

impl Lua for QueueNames {
    fn lua() -> String {
        [
            lua::names("SETTINGS", QueueSettings::NAMES),
            lua::names("OPTIONAL_SETTINGS", QueueSettings::OPTIONAL_NAMES),
            lua::names("STORED_COUNTERS", Counters::STORED_NAMES),
        ]
        .concat()
    }
}

arguments! {
    /// Followed by nothing, or by the settings as name and value in turn.
    NoArguments {}

    /// Followed by what is done at that moment, if anything.
    NowArguments {
        now: Timestamp,
    }

    /// Followed by the settings as name and value in turn.
    OpenArguments<'a> {
        now: Timestamp,
        epoch: &'a Epoch,
        sequence: u64,
        head: u64,
        release_from: Timestamp,
        /// Numbers up to the head that wait.
        waiting: &'a Numbers,
        /// Numbers whose pass reached no user.
        unclaimed: &'a Numbers,
        /// The mark that the queue was frozen with; empty for none.
        mark: &'a str,
        awaited_nodes: &'a [NodeId],
    }

    FreezeArguments<'a> {
        mark: &'a str,
    }

    NodeArguments<'a> {
        now: Timestamp,
        node: &'a NodeId,
    }

    RestoredArguments<'a> {
        now: Timestamp,
        node: &'a NodeId,
        /// The epoch in which the node restored its users.
        epoch: &'a Epoch,
    }

    ReleaseArguments<'a> {
        now: Timestamp,
        /// The beginning of the ids of passes.
        batch: &'a str,
        limit: u32,
        throttle: f64,
        throttle_decided_at: Timestamp,
        is_full_tick: bool,
    }

    StaleHoldsArguments {
        now: Timestamp,
        /// A hold is stale after this time.
        stale_after_ms: u64,
        limit: u32,
    }

    CountedUsersArguments<'a> {
        cursor: &'a str,
    }

    /// Followed by the rows of the part as name and value in turn: zone, available seats; user,
    /// seats; booking, packed hold.
    StageArguments<'a> {
        now: Timestamp,
        load: &'a str,
        sync_until: Timestamp,
        part: Part,
    }

    LoadSeatsArguments<'a> {
        now: Timestamp,
        load: &'a str,
        /// If the load is not complete after this step.
        sync_until: Timestamp,
    }
}

tagged_arguments! {
    /// What users do about their places.
    ActionArgument<'a> as actions {
        Join as join = "j" {
            user: &'a UserId,
            node: &'a Presence,
        }
        JoinWithTicket as join_with_ticket = "t" {
            user: &'a UserId,
            node: &'a Presence,
            epoch: &'a Epoch,
            number: u64,
        }
        Resume as resume = "r" {
            user: &'a UserId,
            node: &'a Presence,
        }
        /// The position was sent last; 0 if it is unknown.
        Restore as restore = "b" {
            user: &'a UserId,
            node: &'a Presence,
            epoch: &'a Epoch,
            number: u64,
            position: u64,
        }
        Detach as detach = "d" {
            user: &'a UserId,
            node: &'a NodeId,
        }
        Leave as leave = "l" {
            user: &'a UserId,
        }
        Acknowledge as acknowledge = "a" {
            user: &'a UserId,
            pass: &'a PassId,
        }
        /// The subscription is as it is stored.
        Subscribe as subscribe = "p" {
            user: &'a UserId,
            endpoint: &'a str,
            subscription: String,
        }
        /// The empty endpoint stands for all.
        Unsubscribe as unsubscribe = "u" {
            user: &'a UserId,
            endpoint: &'a str,
        }
    }
}

argument_lists! {
    ReservationArgument<'a> as reservations {
        user: &'a UserId,
        zone: ZoneId,
        quantity: u32,
        pass: &'a PassId,
        pass_epoch: &'a Epoch,
        pass_expires: Timestamp,
        booking: BookingId,
        /// The end of the hold.
        expires: Timestamp,
        /// Of the user's seats.
        limit: u32,
        /// The digest of user and idempotency key; empty without a key.
        attempt: String,
        fingerprint: &'a str,
    }

    SettlementArgument as settlements {
        booking: BookingId,
        settlement: SettlementCode,
    }
}

argument_codes! {
    /// Also kept in the journal.
    SettlementCode as SETTLEMENT {
        Committed as committed = "c",
        Aborted as aborted = "a",
        Confirmed as confirmed = "f",
        Released as released = "r",
    }

    /// A part of an inventory that is being loaded.
    Part as PART {
        Zones as zones = "z",
        Users as users = "u",
        Holds as holds = "h",
    }
}

packed! {
    /// A hold as it is stored. The attempt is the digest of the user and their idempotency key, or
    /// empty.
    PackedHold<'a> as hold {
        user: &'a UserId,
        zone: ZoneId,
        quantity: u32,
        expires: Timestamp,
        pass: &'a PassId,
        attempt: &'a str,
    }

    /// A browser that is notified of its user's pass, as it is stored.
    PackedSubscription<'a> as subscription {
        endpoint: &'a str,
        p256dh: &'a str,
        auth: &'a str,
    }
}

replies! {
    /// A user who is notified of a pass by a push.
    PushRecipientReply as push_recipient {
        user: UserId,
        subscriptions: Subscriptions,
    }

    StatusReply as status {
        settings: QueueSettings,
        share: f64,
        epoch: Epoch,
        sequence: u64,
        head: u64,
        total: u64,
        active: u64,
        seats_left: u64,
        absent: u64,
        counters: Counters,
        is_rebuilding: bool,
        seats_known: bool,
        frozen: FrozenCode,
    }

    RecoveryPointReply as recovery_point {
        sequence: u64,
        head: u64,
        /// Numbers up to the head that wait.
        waiting: Vec<u64>,
        /// Numbers whose pass was not claimed.
        unclaimed: Vec<u64>,
        /// Numbers whose pass was not delivered.
        undelivered: Vec<u64>,
        all_undelivered: bool,
        /// Runs of earlier epochs that others' positions count.
        earlier_waiting: Vec<Run>,
        more_earlier_waiting: bool,
        /// Runs of earlier epochs that no position counts.
        earlier_unclaimed: Vec<Run>,
        more_earlier_unclaimed: bool,
    }

    /// Followed by the result of each action.
    AppliedReply as applied {
        epoch: Epoch,
        rebuilding: RebuildingCode,
    }

    /// Followed by the pass, if `has_pass`.
    PlaceReply as place {
        number: u64,
        position: u64,
        total: u64,
        revision: u64,
        /// The lowest position that was sent before; 0 for none.
        last_position: u64,
        has_pass: bool,
    }

    PassReply as pass {
        pass: PassId,
        issued: Timestamp,
        expires: Timestamp,
    }

    GrantReply as grant {
        user: UserId,
        nodes: Nodes,
        pass: PassId,
        number: u64,
        issued: Timestamp,
        expires: Timestamp,
    }

    RemovalReply as removal {
        user: UserId,
        nodes: Nodes,
        removal: RemovalCode,
    }

    ReleaseReply as release {
        epoch: Epoch,
        granted: Vec<GrantReply>,
        unacknowledged: Vec<GrantReply>,
        pushes: Vec<PushRecipientReply>,
        removals: Vec<RemovalReply>,
        from: u64,
        removed: Vec<u64>,
        total: u64,
        active: u64,
        seats_left: u64,
        settings: QueueSettings,
        share: f64,
        released: u64,
        present: u64,
        passed_over: u64,
        is_rebuilding: bool,
        seats_known: bool,
    }

    StaleHoldReply as stale_hold {
        booking: BookingId,
        pending: bool,
    }

    TallyReply as tally {
        zones: Vec<ZoneTallyReply>,
        users: Vec<u32>,
        pending: Vec<u32>,
    }

    ZoneTallyReply as zone_tally {
        zone: ZoneId,
        available: u32,
        pending: u32,
    }

    CountedUsersReply as counted_users {
        next: String,
        users: Vec<UserId>,
    }
}

reply_codes! {
    FrozenCode as FROZEN {
        No as no = 0,
        Here as here = 1,
        HandedOver as handed_over = 2,
    }

    RebuildingCode as REBUILDING {
        No as no = 0,
        /// Positions are upper bounds.
        MaxRanks as max_ranks = 1,
        /// No position may be sent: gateways have not confirmed yet which they sent.
        AwaitingNodes as awaiting_nodes = 2,
    }

    /// The result of an action.
    ActionCode as CODE {
        No as no = 0,
        Done as done = 1,
        Joined(PlaceReply) as joined = 2,
        Found(PlaceReply) as found = 3,
        NotOpen(SaleState) as not_open = 4,
        LineFull as line_full = 5,
        Left(Nodes) as left = 6,
        /// The user's pass is used by a hold that is not committed.
        Deciding as deciding = 7,
        /// Redis has no memory for a new place.
        NoMemory as no_memory = 8,
        /// Not known while the queue is being rebuilt.
        Rebuilding as rebuilding = 9,
    }

    RemovalCode as REMOVAL {
        Unclaimed as unclaimed = 0,
        Expired as expired = 1,
        Absent as absent = 2,
    }

    ReserveCode as RESERVED {
        Held as held = 0,
        Replayed(BookingId) as replayed = 1,
        Mismatch as mismatch = 2,
        PassUsed(BookingId) as pass_used = 3,
        PassExpired as pass_expired = 4,
        PassRevoked as pass_revoked = 5,
        UnknownZone as unknown_zone = 6,
        UserLimit(u32) as user_limit = 7,
        Insufficient(u32) as insufficient = 8,
        Syncing as syncing = 9,
    }
}
