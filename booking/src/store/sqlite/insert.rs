//! A batch of bookings in one transaction. A statement that a constraint refuses undoes itself
//! alone, so each row is tried in its turn.

use sqlx::Sqlite;

use super::SqliteStore;
use crate::{
    model::{
        booking::{NewBooking, OutboxMessage},
        outbox::encode,
    },
    store::{InsertOutcome, StoreError, connection::Transaction},
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

const APPEND_OUTBOX: &str =
    "INSERT INTO outbox (messages, size, created_at_ms) VALUES ($1, $2, $3)";

impl SqliteStore {
    pub(super) async fn insert_batch(
        &self,
        batch: &[NewBooking],
    ) -> Result<Vec<InsertOutcome>, StoreError> {
        let mut transaction = self.begin().await?;
        let mut answers = Vec::with_capacity(batch.len());
        for row in batch {
            answers.push(insert(&mut transaction, row).await?);
        }

        let stored = batch
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| **answer == InsertOutcome::Stored);
        let messages: Vec<_> = stored.map(|(row, _)| row.booking.message()).collect();
        let oldest = batch
            .iter()
            .map(|row| row.booking.created_at.millis())
            .min();
        append_outbox(&mut transaction, &messages, oldest.unwrap_or_default()).await?;
        transaction.commit().await?;
        Ok(answers)
    }
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
    let seats = sqlx::query_as::<_, (i64, i64)>(SEATS_AND_LIMIT)
        .bind(booking.event_id.uuid())
        .bind(booking.user.as_str());
    if let Some((limit, seats)) = seats
        .fetch_optional(&mut **transaction)
        .await?
        .filter(|(limit, seats)| seats > limit)
    {
        sqlx::query(UNDO_INSERT)
            .bind(booking.booking_id.uuid())
            .execute(&mut **transaction)
            .await?;
        let room = limit - (seats - i64::from(booking.quantity));
        return Ok(InsertOutcome::OverLimit(room.max(0) as u32));
    }

    let count = sqlx::query(HOLD_SEATS)
        .bind(booking.zone_id.uuid())
        .bind(i64::from(booking.quantity));
    match count
        .execute(&mut **transaction)
        .await
        .map_err(StoreError::from)
    {
        Ok(_) => Ok(InsertOutcome::Stored),
        Err(StoreError::Rejected(_)) => {
            sqlx::query(UNDO_INSERT)
                .bind(booking.booking_id.uuid())
                .execute(&mut **transaction)
                .await?;
            Ok(InsertOutcome::NoSeats)
        }
        Err(error) => Err(error),
    }
}

async fn insert_row(
    transaction: &mut Transaction<Sqlite>,
    row: &NewBooking,
) -> Result<bool, StoreError> {
    let booking = &row.booking;
    let statement = sqlx::query(INSERT)
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

    Ok(statement.execute(&mut **transaction).await?.rows_affected() == 1)
}

/// Appends the messages of the transaction as one batch.
pub(super) async fn append_outbox(
    transaction: &mut Transaction<Sqlite>,
    messages: &[OutboxMessage],
    at_ms: i64,
) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }

    let statement = sqlx::query(APPEND_OUTBOX)
        .bind(encode(messages))
        .bind(messages.len() as i64)
        .bind(at_ms);
    statement.execute(&mut **transaction).await?;
    Ok(())
}
