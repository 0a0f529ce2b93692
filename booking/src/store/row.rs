//! Rows as both databases give them, and their way into the types of this crate.

use std::collections::HashMap;

use sqlx::FromRow;
use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, UserId},
    numbers::Numbers,
    seats::{Hold, SeatSnapshot, ZoneSeats},
};
use waitingroom_engine::{RecoveryPoint, UnservedNumbers};

use super::{HoldResolution, StoreError, Summary, ZoneCount};
use crate::model::{
    booking::{Attempt, Booking, Status},
    money::{Currency, Money},
    outbox::{OutboxBatch, decode},
};

pub(in crate::store) mod audit;
pub(in crate::store) mod catalogue;

fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}

fn count<T: TryInto<u32>>(what: &str, number: T) -> Result<u32, StoreError> {
    number
        .try_into()
        .map_err(|_| corrupt(format!("a {what} out of range")))
}

fn currency(code: &str) -> Result<Currency, StoreError> {
    Currency::stored(code).map_err(|_| corrupt(format!("the currency {code:?}")))
}

fn user(name: &str) -> Result<UserId, StoreError> {
    name.parse()
        .map_err(|_| corrupt(format!("the user {name:?}")))
}

#[derive(FromRow)]
pub(super) struct BookingRow {
    booking_id: Uuid,
    event_id: Uuid,
    show_id: Uuid,
    zone_id: Uuid,
    user_id: String,
    quantity: i32,
    unit_price: i64,
    currency: String,
    status: String,
    created_at_ms: i64,
    expires_at_ms: i64,
    confirmed_at_ms: Option<i64>,
    idempotency_fingerprint: Option<String>,
}

impl TryFrom<BookingRow> for Booking {
    type Error = StoreError;
    fn try_from(row: BookingRow) -> Result<Self, StoreError> {
        Ok(Self {
            booking_id: row.booking_id.into(),
            event_id: row.event_id.into(),
            show_id: row.show_id.into(),
            zone_id: row.zone_id.into(),
            user: user(&row.user_id)?,
            quantity: count("quantity", row.quantity)?,
            unit_price: Money {
                minor: row.unit_price,
                currency: currency(&row.currency)?,
            },
            status: Status::named(&row.status)
                .ok_or_else(|| corrupt(format!("the status {:?}", row.status)))?,
            created_at: Timestamp::from_millis(row.created_at_ms),
            expires_at: Timestamp::from_millis(row.expires_at_ms),
            confirmed_at: row.confirmed_at_ms.map(Timestamp::from_millis),
        })
    }
}

impl TryFrom<BookingRow> for Attempt {
    type Error = StoreError;
    fn try_from(mut row: BookingRow) -> Result<Self, StoreError> {
        let fingerprint = row.idempotency_fingerprint.take();
        Ok(Self {
            booking: row.try_into()?,
            fingerprint,
        })
    }
}

/// Every row, or the first that cannot be understood.
pub(super) fn all<R, T: TryFrom<R, Error = StoreError>>(
    rows: Vec<R>,
) -> Result<Vec<T>, StoreError> {
    rows.into_iter().map(T::try_from).collect()
}

#[derive(FromRow)]
pub(super) struct HoldRow {
    booking_id: Uuid,
    zone_id: Uuid,
    user_id: String,
    quantity: i32,
    expires_at_ms: i64,
    pass_jti: String,
}

impl TryFrom<HoldRow> for Hold {
    type Error = StoreError;
    fn try_from(row: HoldRow) -> Result<Self, StoreError> {
        Ok(Self {
            booking_id: row.booking_id.into(),
            user: user(&row.user_id)?,
            zone_id: row.zone_id.into(),
            quantity: count("quantity", row.quantity)?,
            expires_at: Timestamp::from_millis(row.expires_at_ms),
            pass_id: row
                .pass_jti
                .parse()
                .map_err(|_| corrupt(format!("the pass {:?}", row.pass_jti)))?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct UserSeatsRow {
    user_id: String,
    seats: i64,
}

impl TryFrom<UserSeatsRow> for (UserId, u32) {
    type Error = StoreError;
    fn try_from(row: UserSeatsRow) -> Result<Self, StoreError> {
        Ok((user(&row.user_id)?, count("number of seats", row.seats)?))
    }
}

#[derive(FromRow)]
pub(super) struct SummaryRow {
    reserved_seats: i64,
    confirmed_seats: i64,
    bookings: i64,
    total_spent: i64,
    currency: String,
}

impl TryFrom<SummaryRow> for Summary {
    type Error = StoreError;
    fn try_from(row: SummaryRow) -> Result<Self, StoreError> {
        Ok(Self {
            reserved_seats: row.reserved_seats.max(0) as u64,
            confirmed_seats: row.confirmed_seats.max(0) as u64,
            bookings: row.bookings.max(0) as u64,
            total_spent: row.total_spent,
            currency: currency(&row.currency)?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct ZoneCountRow {
    event_id: Uuid,
    show_id: Uuid,
    zone_id: Uuid,
    capacity: i32,
    held: i32,
    confirmed: i32,
}

impl TryFrom<ZoneCountRow> for ZoneCount {
    type Error = StoreError;
    fn try_from(row: ZoneCountRow) -> Result<Self, StoreError> {
        Ok(Self {
            event_id: row.event_id.into(),
            show_id: row.show_id.into(),
            zone_id: row.zone_id.into(),
            capacity: count("capacity", row.capacity)?,
            held: count("counter", row.held)?,
            confirmed: count("counter", row.confirmed)?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct OutboxBatchRow {
    outbox_id: i64,
    messages: String,
    created_at_ms: i64,
}

impl TryFrom<OutboxBatchRow> for OutboxBatch {
    type Error = StoreError;

    fn try_from(row: OutboxBatchRow) -> Result<Self, StoreError> {
        let unreadable = || corrupt(format!("the outbox' row {}", row.outbox_id));
        Ok(Self {
            outbox_id: row.outbox_id,
            created_at: Timestamp::from_millis(row.created_at_ms),
            messages: decode(&row.messages).ok_or_else(unreadable)?,
        })
    }
}

/// Sequence, head, and what [`unserved`] wrote.
pub(super) type CheckpointRow = (i64, i64, Option<Vec<u8>>);

/// What was not written with the head that is there (by a version that does not know of it, say) is
/// as of a lower one: users above that count as unserved.
pub(super) fn checkpoint(row: Option<CheckpointRow>) -> Result<Option<RecoveryPoint>, StoreError> {
    // A checkpoint that was written has the last column, since that exists, or a number.
    let Some((sequence, head, unserved)) =
        row.filter(|(sequence, _, unserved)| *sequence > 0 || unserved.is_some())
    else {
        return Ok(None);
    };

    let (sequence, head) = (sequence.max(0) as u64, head.max(0) as u64);
    let unserved = match unserved {
        None => UnservedNumbers::default(),
        Some(bytes) => {
            let (as_of, mut unserved) =
                unserved_from(&bytes).ok_or_else(|| corrupt("line_unserved"))?;
            unserved.waiting.insert_run(as_of + 1, head);
            unserved
        }
    };

    Ok(Some(RecoveryPoint {
        sequence,
        head,
        unserved,
    }))
}

/// The head, the length of the numbers that wait, those, and those that are out of everybody's
/// count; see [`Numbers::to_bytes`].
pub(super) fn unserved(reached: &RecoveryPoint) -> Vec<u8> {
    let (waiting, returned) = (
        reached.unserved.waiting.to_bytes(),
        reached.unserved.unclaimed.to_bytes(),
    );
    let (head, length) = (
        reached.head.to_be_bytes(),
        (waiting.len() as u32).to_be_bytes(),
    );
    [&head[..], &length, &waiting, &returned].concat()
}

fn unserved_from(bytes: &[u8]) -> Option<(u64, UnservedNumbers)> {
    let (head, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (waiting, returned) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let unserved = UnservedNumbers {
        waiting: Numbers::from_bytes(waiting)?,
        unclaimed: Numbers::from_bytes(returned)?,
    };
    Some((u64::from_be_bytes(*head), unserved))
}

pub(super) fn hold_resolutions(
    rows: Vec<(Uuid, String)>,
) -> Result<HashMap<BookingId, HoldResolution>, StoreError> {
    let fate = |name: &str| match name {
        "void" => Ok(HoldResolution::Void),
        _ => Status::named(name)
            .map(HoldResolution::Booked)
            .ok_or_else(|| corrupt(format!("the status {name:?}"))),
    };

    rows.into_iter()
        .map(|(id, name)| Ok((id.into(), fate(&name)?)))
        .collect()
}

pub(super) fn snapshot(
    zones: Vec<ZoneCountRow>,
    holds: Vec<HoldRow>,
    users: Vec<UserSeatsRow>,
) -> Result<SeatSnapshot, StoreError> {
    let zones = all::<_, ZoneCount>(zones)?;
    let zones = zones
        .iter()
        .map(|zone| ZoneSeats {
            zone_id: zone.zone_id,
            available: zone.available(),
        })
        .collect();

    Ok(SeatSnapshot {
        zones,
        holds: all(holds)?,
        users: all(users)?,
    })
}

pub(super) fn user_seats(rows: Vec<UserSeatsRow>) -> Result<Vec<(UserId, u32)>, StoreError> {
    all(rows)
}

/// In the order in which they were written: an update returns its rows in any.
pub(super) fn outbox_batches(
    mut rows: Vec<OutboxBatchRow>,
) -> Result<Vec<OutboxBatch>, StoreError> {
    rows.sort_by_key(|row| row.outbox_id);
    all(rows)
}
