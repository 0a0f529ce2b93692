//! Seats of one event: what a reservation asks, what the answer can be, and how a hold ends.

use crate::{
    clock::Timestamp,
    ids::{BookingId, Epoch, EventId, IdempotencyKey, PassId, UserId, ZoneId},
};

/// Most seats in one reservation.
pub const MAX_QUANTITY: u32 = 10;

/// One attempt to turn a pass into held seats. The pass is already verified: signature, audience,
/// user and event.
#[derive(Debug, Clone)]
pub struct Reserve {
    /// Whose seats.
    pub event_id: EventId,
    /// Who asks.
    pub user: UserId,
    /// Which seats.
    pub zone_id: ZoneId,
    /// How many, 1 to [`MAX_QUANTITY`].
    pub quantity: u32,
    /// The pass.
    pub pass_id: PassId,
    /// The queue in which the pass was issued. A pass of an earlier epoch was issued before a loss
    /// of the engine's state: it counts as live unless it is known to be used (the database's
    /// unique `pass_jti` decides in the end).
    pub pass_epoch: Epoch,
    /// When the pass ends.
    pub pass_expires_at: Timestamp,
    /// The client's name for this attempt, and a digest of what it asked.
    pub idempotency: Option<(IdempotencyKey, String)>,
    /// The id that the booking gets if the hold succeeds.
    pub booking_id: BookingId,
    /// When the hold ends unless confirmed.
    pub hold_expires_at: Timestamp,
    /// Most seats a user may hold and have confirmed in this event.
    pub user_limit: u32,
}

/// The answer to [`Reserve`]. Only `Held` changes anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReserveOutcome {
    /// The seats are held (pending the commit), the pass is burned.
    Held,
    /// The same attempt was made before and made this booking.
    Replayed(BookingId),
    /// The idempotency key was used for another request.
    Mismatch,
    /// The pass was used, for this booking.
    PassUsed(BookingId),
    /// The pass has ended.
    PassExpired,
    /// The pass is not live: taken back, or its holder left.
    PassRevoked,
    /// The zone is not one of the event's.
    UnknownZone,
    /// The user's limit leaves room for this many more.
    UserLimit(u32),
    /// The zone has only this many left.
    Insufficient(u32),
    /// The seats are being rebuilt from the database; try again in a moment.
    Syncing,
}

/// How a hold ends, decided by the database and then told to the engine. Each is idempotent: a hold
/// that is no longer there is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The booking is in the database: the hold stands until its expiry.
    Committed,
    /// The commit failed: seats and pass are given back, the idempotency key is forgotten.
    Aborted,
    /// The booking is confirmed: the seats are sold.
    Confirmed,
    /// The booking was cancelled or expired: the seats are given back.
    Released,
}

/// A hold whose end the database has to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StaleHold {
    /// Which booking.
    pub booking_id: BookingId,
    /// True while the commit has not been reported.
    pub pending: bool,
}

/// One zone of the engine's inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneSeats {
    /// Which zone.
    pub zone_id: ZoneId,
    /// Seats that can be reserved now.
    pub available: u32,
}

/// What the engine counts at one moment, for a comparison with the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Every zone, in the order of their ids.
    pub zones: Vec<ZoneTally>,
    /// Seats held and bought by each of the users who were asked about.
    pub users: Vec<u32>,
    /// How many of them are held without a commit that has been reported: the database may count
    /// them or not.
    pub pending: Vec<u32>,
}

/// One zone of a [`Tally`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneTally {
    /// Which zone.
    pub zone_id: ZoneId,
    /// Seats that can be reserved now.
    pub available: u32,
    /// Seats of holds whose commit has not been reported: the database may count them or not.
    pub pending: u32,
}

/// A live hold, as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Which booking.
    pub booking_id: BookingId,
    /// Whose.
    pub user: UserId,
    /// Where.
    pub zone_id: ZoneId,
    /// How many seats.
    pub quantity: u32,
    /// Until when.
    pub expires_at: Timestamp,
    /// The pass that was burned for it.
    pub pass_id: PassId,
}

/// The seats of an event as the database has them: what the engine's inventory is derived from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeatSnapshot {
    /// Every zone with its available seats (capacity − held − confirmed).
    pub zones: Vec<ZoneSeats>,
    /// Every live hold.
    pub holds: Vec<Hold>,
    /// Seats held and confirmed per user.
    pub users: Vec<(UserId, u32)>,
}
