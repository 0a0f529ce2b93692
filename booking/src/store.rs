//! The database: the source of truth for catalogue, bookings and outbox.
//!
//! There are two backends: [`postgres`] for installations, [`sqlite`] for one process. The traits
//! below are implemented for both in `shared`, with the queries that both run; the steps for which
//! the databases have different means are in the backend's own folder.
//!
//! Every method is one transaction. It fails with [`StoreError::Unavailable`] if nothing was
//! changed, and with [`StoreError::Uncertain`] if the answer was lost and the change may be
//! committed. Every method has a deadline.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use uuid::Uuid;
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    ids::{BookingId, EventId, IdempotencyKey, PassId, ShowId, UserId, ZoneId},
    queue::{QueuePatch, QueueSettings},
    seats::SeatSnapshot,
};
use waitingroom_engine::RecoveryPoint;

use crate::model::{
    appearance::{Appearance, AppearancePatch},
    audit_log::{AuditContext, AuditEntry, AuditRecord},
    booking::{Attempt, Booking, NewBooking, OutboxMessage, Status},
    event::Event,
    money::Currency,
    outbox::OutboxBatch,
    recovery_code::CodeDigest,
    revision::Precondition,
};

mod connection;
mod dialect;
pub mod error;
mod heartbeat;
pub mod postgres;
mod row;
mod shared;
mod sql;
pub mod sqlite;
mod statement;

pub use error::StoreError;

/// A store shared by the tasks of one process.
pub type SharedStore = Arc<dyn Store>;

/// All that booking needs of its database.
pub trait Store:
    EventStore + BookingStore + InventoryStore + OutboxStore + AuditStore + Heartbeat
{
}

impl<T: EventStore + BookingStore + InventoryStore + OutboxStore + AuditStore + Heartbeat> Store
    for T
{
}

/// The answer to a batched insert, for one booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertOutcome {
    /// Stored; its seats are counted as held.
    Stored,
    /// The pass or the user's idempotency key has a booking already.
    Duplicate,
    /// The zone has not that many seats left: engine and database have drifted apart.
    NoSeats,
    /// Not stored, and it will not be: the zone stays locked, for example. The rest of the batch
    /// was stored.
    Unavailable,
    /// The answer was lost: it may be stored. The rest of the batch is.
    Unknown,
    /// The user may have only this many more seats of the event, whatever the engine counted.
    OverLimit(u32),
}

/// The time by which a step decides which holds have expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// The time at which the database runs the statement, by its own clock: it is the same for all
    /// instances, and counts after any wait for locks. SQLite's is the process's.
    Database,
    /// This time: for tests, which move the clock.
    Fixed(Timestamp),
}

impl AsOf {
    /// The database's clock, unless a test moves the clock.
    pub fn of(clock: &Clock) -> Self {
        match clock {
            Clock::System | Clock::Steady(_) => Self::Database,
            Clock::Manual(_) => Self::Fixed(clock.now()),
        }
    }

    fn fixed_ms(self) -> Option<i64> {
        match self {
            Self::Database => None,
            Self::Fixed(as_of) => Some(as_of.millis()),
        }
    }
}

/// Whether a hold, which was unknown, is a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldResolution {
    /// It is a booking, of this status.
    Booked(Status),
    /// It is not, and never will be: a tombstone makes a later insert with this id a
    /// [`InsertOutcome::Duplicate`].
    Void,
}

/// A change of a reserved booking that its user requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transition {
    /// Buy it.
    Confirm,
    /// Give it back.
    Cancel,
}

/// A request to confirm or cancel one booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitionRequest {
    /// Which booking.
    pub booking_id: BookingId,
    /// The user. Another user's booking is not found.
    pub user: UserId,
    /// The change.
    pub transition: Transition,
}

/// The answer to a [`TransitionRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransitionOutcome {
    /// The request changed the booking.
    Changed(Booking),
    /// The booking was not pending: it is unchanged.
    Unchanged(Booking),
    /// The user has no such booking.
    NotFound,
    /// The booking or its zone stays locked, or the answer was lost: a repeated request gets the
    /// outcome.
    Unavailable,
}

/// A page of a user's bookings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub bookings: Vec<Booking>,
    /// How many there are on all pages.
    pub total: u64,
}

/// A user's bookings of one currency, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Seats held at present.
    pub reserved_seats: u64,
    /// Seats bought.
    pub confirmed_seats: u64,
    /// Bookings held or bought.
    pub bookings: u64,
    /// Price of the bought, in minor units.
    pub total_spent: i64,
    /// Of which currency.
    pub currency: Currency,
}

/// One zone's seats as the database counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneCount {
    /// Of which event.
    pub event_id: EventId,
    /// Of which show.
    pub show_id: ShowId,
    /// Which zone.
    pub zone_id: ZoneId,
    /// All seats.
    pub capacity: u32,
    /// Reserved, not yet confirmed.
    pub held: u32,
    /// Sold.
    pub confirmed: u32,
}

impl ZoneCount {
    /// Seats that can be reserved.
    pub fn available(&self) -> u32 {
        self.capacity.saturating_sub(self.held + self.confirmed)
    }
}

/// The catalogue.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// The revision of the catalogue, which every change raises.
    async fn revision(&self) -> Result<i64, StoreError>;

    /// The database's clock, which decides what has expired.
    async fn time(&self) -> Result<Timestamp, StoreError>;

    /// The whole catalogue.
    async fn catalogue(&self) -> Result<Vec<Event>, StoreError>;

    /// Adds an event with its shows and zones, and the audit entry, all or nothing;
    /// [`StoreError::Exists`] if one of the ids is taken.
    async fn create_event(&self, event: &Event, act: &AuditContext) -> Result<(), StoreError>;

    /// Changes an event's queue settings and appends the audit entry; patches of one event are
    /// applied one after the other. `None` if there is no such event,
    /// [`StoreError::PreconditionFailed`] if the settings are not those that the caller expects.
    /// The patch is valid: see [`QueueSettings::with`].
    async fn patch_queue(
        &self,
        event: EventId,
        patch: &QueuePatch,
        expected: &Precondition,
        act: &AuditContext,
    ) -> Result<Option<QueueSettings>, StoreError>;

    /// Changes an event's appearance in the same way.
    async fn patch_appearance(
        &self,
        event: EventId,
        patch: &AppearancePatch,
        expected: &Precondition,
        act: &AuditContext,
    ) -> Result<Option<Appearance>, StoreError>;
}

/// Bookings. Each change of a booking changes its zone's counters and adds its message to the
/// outbox in the same transaction.
#[async_trait]
pub trait BookingStore: Send + Sync + 'static {
    /// Stores reserved bookings, each by itself: a rejected one does not affect the others, and a
    /// locked zone does not delay the others. Outcomes are in order.
    async fn insert(&self, batch: &[NewBooking]) -> Result<Vec<InsertOutcome>, StoreError>;

    /// Confirms or cancels bookings: only one that is reserved and not expired at that time
    /// changes. Outcomes are in order.
    async fn apply_transitions(
        &self,
        batch: &[TransitionRequest],
        as_of: AsOf,
    ) -> Result<Vec<TransitionOutcome>, StoreError>;

    /// Expires about `limit` holds whose time is expired at that time and returns them. Any number
    /// of instances may call at once: each hold is returned to one. Holds of a locked
    /// zone are left for later.
    async fn expire_due(&self, as_of: AsOf, limit: u32) -> Result<Vec<Booking>, StoreError>;

    /// One booking.
    async fn booking(&self, booking: BookingId) -> Result<Option<Booking>, StoreError>;

    /// The booking that the user's attempt with this key made.
    async fn find_attempt(
        &self,
        user: &UserId,
        key: &IdempotencyKey,
    ) -> Result<Option<Attempt>, StoreError>;

    /// Whether a booking was made with this pass.
    async fn pass_is_used(&self, pass: &PassId) -> Result<bool, StoreError>;

    /// A page of the user's bookings, newest first.
    async fn list(
        &self,
        user: &UserId,
        event: Option<EventId>,
        limit: u32,
        offset: u64,
    ) -> Result<Page, StoreError>;

    /// The user's reserved bookings that are not over at `now`, newest first.
    async fn pending(&self, user: &UserId, now: Timestamp) -> Result<Vec<Booking>, StoreError>;

    /// The user's live bookings in numbers, one summary for each currency.
    async fn summary(
        &self,
        user: &UserId,
        event: Option<EventId>,
        now: Timestamp,
    ) -> Result<Vec<Summary>, StoreError>;

    /// Finds out whether unknown holds are bookings. A hold that is none gets a tombstone before it
    /// is called [`HoldResolution::Void`]; a hold whose commit is under way is not in the answer,
    /// and is asked for again.
    async fn resolve_holds(
        &self,
        event: EventId,
        holds: &[BookingId],
    ) -> Result<HashMap<BookingId, HoldResolution>, StoreError>;

    /// Clears the keys of at most `limit` attempts made before `before`; returns how many.
    async fn clear_expired_keys(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// Stores the digest of a booking's recovery code; nothing happens if it is stored.
    async fn keep_recovery_code(
        &self,
        digest: &CodeDigest,
        booking: BookingId,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// The booking whose code has this digest.
    async fn recovered_booking(&self, digest: &CodeDigest) -> Result<Option<Booking>, StoreError>;

    /// Removes every booking and every message, and counts all seats as free.
    async fn reset(&self) -> Result<(), StoreError>;
}

/// The state from which the engine's seats and queues are rebuilt.
#[async_trait]
pub trait InventoryStore: Send + Sync + 'static {
    /// The event's seats as of one moment.
    async fn snapshot(&self, event: EventId) -> Result<SeatSnapshot, StoreError>;

    /// The counters of every zone, or of one event's, in the order of zone ids.
    async fn zone_counts(&self, event: Option<EventId>) -> Result<Vec<ZoneCount>, StoreError>;

    /// The live seats of the event that users have, of at most `limit` users behind `after` in the
    /// database's order, those without any among them; empty behind the last.
    async fn user_seats(
        &self,
        event: EventId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<(UserId, u32)>, StoreError>;

    /// The live seats of the event that these users have, in any order; those without any are not
    /// among them.
    async fn seats_of_users(
        &self,
        event: EventId,
        users: &[UserId],
    ) -> Result<Vec<(UserId, u32)>, StoreError>;

    /// How far the queue had come. `None` for an event whose queue was never opened.
    async fn checkpoint(&self, event: EventId) -> Result<Option<RecoveryPoint>, StoreError>;

    /// Writes down how far the line has come, all of it, unless what is there has come further: by
    /// the last number given out, which no loss takes back, and then by the head.
    async fn save_checkpoint(
        &self,
        event: EventId,
        reached: &RecoveryPoint,
    ) -> Result<(), StoreError>;

    /// Forgets how far the line had come.
    async fn clear_checkpoint(&self, event: EventId) -> Result<(), StoreError>;

    /// The mark that the line is being handed over with, and until when it stands still for that.
    async fn handover(&self, event: EventId) -> Result<Option<(String, Timestamp)>, StoreError>;

    /// Writes that down, before the line is frozen.
    async fn begin_handover(
        &self,
        event: EventId,
        mark: &str,
        until: Timestamp,
    ) -> Result<(), StoreError>;

    /// The line need not stand still any longer.
    async fn hasten_handover(&self, event: EventId) -> Result<(), StoreError>;

    /// Forgets the mark, unless another has taken its place.
    async fn end_handover(&self, event: EventId, mark: &str) -> Result<(), StoreError>;

    /// Takes the right to rebuild the event's seats until `until`; false while another has it.
    async fn lease_sync(
        &self,
        event: EventId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Gives that right back.
    async fn release_sync(&self, event: EventId) -> Result<(), StoreError>;
}

/// A span in which no instance could write, by the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// The last write before it.
    pub from: Timestamp,
    /// The first write after it.
    pub to: Timestamp,
}

/// Holds that were extended by an outage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtendedHolds {
    /// How many.
    pub holds: u64,
    /// Of which events, each once.
    pub events: Vec<EventId>,
    /// No hold is owed time any more.
    pub is_complete: bool,
}

/// Whether bookings can be written at all, and since when they could not.
#[async_trait]
pub trait Heartbeat: Send + Sync + 'static {
    /// Writes as a booking does, as far as that is possible without one: locks, rights, the disk.
    /// If no instance had for more than three seconds, returns the span; again until all holds were
    /// extended by it.
    async fn write_heartbeat(&self) -> Result<Option<Outage>, StoreError>;

    /// Prolongs holds that had not ended when the outage began by as much of it as they had to
    /// bear, at most ten minutes over all outages: some of them, or all. Any number of instances
    /// may do this at once.
    async fn extend_holds(&self, outage: Outage) -> Result<ExtendedHolds, StoreError>;
}

/// The audit log. Entries are appended, never changed or removed.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Appends an entry for an action that no transaction covers.
    async fn append_audit(&self, deed: &AuditEntry) -> Result<(), StoreError>;

    /// Entries with an id below `before`, of one event or of all, newest first.
    async fn audit_records(
        &self,
        event: Option<EventId>,
        before: i64,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError>;
}

/// Pending messages, in the batches in which they were committed.
#[async_trait]
pub trait OutboxStore: Send + Sync + 'static {
    /// Takes the right to publish until `until`, or renews one's own, and returns the oldest
    /// batches, at most `limit`. None while another owner has the right: two relays at once could
    /// publish a booking's messages in the wrong order.
    async fn lease_batches(
        &self,
        owner: Uuid,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboxBatch>, StoreError>;

    /// Deletes batches that were published.
    async fn delete_batches(&self, batches: &[i64]) -> Result<(), StoreError>;

    /// Replaces the messages of a batch by those that are left. Nothing happens if the right has
    /// passed to another owner.
    async fn replace_messages(
        &self,
        owner: Uuid,
        batch: i64,
        left: &[OutboxMessage],
    ) -> Result<(), StoreError>;

    /// How many messages wait, and since when the oldest.
    async fn backlog(&self) -> Result<(u64, Option<Timestamp>), StoreError>;
}
