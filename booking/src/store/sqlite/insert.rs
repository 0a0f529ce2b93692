//! A batch of bookings in one transaction. A statement that a constraint refuses undoes itself
//! alone, so each row is tried in its turn.

use sqlx::Sqlite;

use super::outbox;
use crate::{
    model::booking::NewBooking,
    store::{InsertOutcome, StoreError, connection::Transaction, statement::statement},
};

const INSERT: &str =
    "INSERT INTO bookings (booking_id, event_id, show_id, zone_id, user_id, quantity, unit_price, currency,
        status, pass_jti, idempotency_key, idempotency_fingerprint, created_at_ms, expires_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'reserved', $9, $10, $11, $12, $13)
    ON CONFLICT DO NOTHING";

const HOLD_SEATS: &str = "UPDATE zones SET held = held + $2 WHERE zone_id = $1";

/// The user's seats of the event, this booking's among them, and how many they may be. One
/// connection writes: no other statement counts meanwhile.
const SEATS_AND_LIMIT: &str = "SELECT max_seats_per_user, (SELECT sum(quantity) FROM bookings
        WHERE user_id = $2 AND event_id = $1 AND status IN ('reserved', 'confirmed'))
    FROM events WHERE event_id = $1";

const UNDO_INSERT: &str = "DELETE FROM bookings WHERE booking_id = $1";

pub(super) async fn insert_batch(
    transaction: &mut Transaction<Sqlite>,
    batch: &[NewBooking],
) -> Result<Vec<InsertOutcome>, StoreError> {
    let mut outcomes = Vec::with_capacity(batch.len());
    for row in batch {
        outcomes.push(insert(transaction, row).await?);
    }

    let stored = batch
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| **outcome == InsertOutcome::Stored);
    let messages: Vec<_> = stored.map(|(row, _)| row.booking.message()).collect();
    let oldest = batch
        .iter()
        .map(|row| row.booking.created_at.millis())
        .min();
    outbox::append(transaction, &messages, oldest.unwrap_or_default()).await?;

    Ok(outcomes)
}

async fn insert(
    transaction: &mut Transaction<Sqlite>,
    row: &NewBooking,
) -> Result<InsertOutcome, StoreError> {
    match insert_row(transaction, row).await {
        Ok(true) => {}
        Ok(false) => return Ok(InsertOutcome::Duplicate),
        // The zone is not there: a foreign key refused.
        Err(StoreError::Rejected(_)) => return Ok(InsertOutcome::NoSeats),
        Err(error) => return Err(error),
    }

    let booking = &row.booking;
    let seats = statement(SEATS_AND_LIMIT)
        .bind(booking.event_id.uuid())
        .bind(booking.user.as_str());
    let seats = transaction.fetch_optional::<(i64, i64)>(seats).await?;
    if let Some((limit, seats)) = seats.filter(|(limit, seats)| seats > limit) {
        undo_insert(transaction, row).await?;
        let room = limit - (seats - i64::from(booking.quantity));
        return Ok(InsertOutcome::OverLimit(room.max(0) as u32));
    }

    let hold = statement(HOLD_SEATS)
        .bind(booking.zone_id.uuid())
        .bind(i64::from(booking.quantity));
    match transaction.execute(hold).await {
        Ok(_) => Ok(InsertOutcome::Stored),
        Err(StoreError::Rejected(_)) => {
            undo_insert(transaction, row).await?;
            Ok(InsertOutcome::NoSeats)
        }
        Err(error) => Err(error),
    }
}

async fn undo_insert(
    transaction: &mut Transaction<Sqlite>,
    row: &NewBooking,
) -> Result<(), StoreError> {
    let undo = statement(UNDO_INSERT).bind(row.booking.booking_id.uuid());
    transaction.execute(undo).await.map(drop)
}

async fn insert_row(
    transaction: &mut Transaction<Sqlite>,
    row: &NewBooking,
) -> Result<bool, StoreError> {
    let booking = &row.booking;
    let insert = statement(INSERT)
        .bind(booking.booking_id.uuid())
        .bind(booking.event_id.uuid())
        .bind(booking.show_id.uuid())
        .bind(booking.zone_id.uuid())
        .bind(booking.user.as_str())
        .bind(i64::from(booking.quantity))
        .bind(booking.unit_price.minor)
        .bind(booking.unit_price.currency.as_str())
        .bind(row.pass_id.as_str())
        .bind(row.idempotency.as_ref().map(|attempt| attempt.key.as_str()))
        .bind(
            row.idempotency
                .as_ref()
                .map(|attempt| attempt.fingerprint.as_str()),
        )
        .bind(booking.created_at.millis())
        .bind(booking.expires_at.millis());

    Ok(transaction.execute(insert).await?.rows_affected() == 1)
}
