//! A batch of bookings in one statement: rows, counters and a parcel of messages, all or nothing.

use std::collections::HashMap;

use uuid::Uuid;

use super::PostgresStore;
use crate::{
    parcel::line,
    reservation::NewBooking,
    store::{Inserted, StoreError},
};

/// Rows go in by pass and counters are locked by zone, so that two batches wait for each other in one order only.
/// One statement is one transaction: no second round trip while hot rows are locked.
macro_rules! insert {
    ($on_conflict:literal) => {
        concat!(
            "
WITH input AS (
    SELECT * FROM UNNEST(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::int[], $7::bigint[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::text[]
    ) AS input (booking_id, event_id, show_id, zone_id, user_id, quantity, unit_price, currency, pass_jti,
        idempotency_key, idempotency_fingerprint, created_at_ms, expires_at_ms, message)
), stored AS (
    INSERT INTO bookings (booking_id, event_id, show_id, zone_id, user_id, quantity, unit_price, currency, status,
        pass_jti, idempotency_key, idempotency_fingerprint, created_at_ms, expires_at_ms)
    SELECT booking_id, event_id, show_id, zone_id, user_id, quantity, unit_price, currency, 'reserved',
        pass_jti, idempotency_key, idempotency_fingerprint, created_at_ms, expires_at_ms
    FROM input WHERE zone_id IN (SELECT zones.zone_id FROM zones) ORDER BY pass_jti
    ",
            $on_conflict,
            "
    RETURNING booking_id, zone_id, quantity
), demand AS (
    SELECT zone_id, sum(quantity) AS seats FROM stored GROUP BY zone_id
), locked AS (
    SELECT zones.zone_id, demand.seats FROM zones JOIN demand ON demand.zone_id = zones.zone_id
    ORDER BY zones.zone_id FOR NO KEY UPDATE OF zones
), counted AS (
    UPDATE zones SET held = held + locked.seats FROM locked WHERE zones.zone_id = locked.zone_id
), noted AS (
    INSERT INTO outbox (messages, size, created_at_ms)
    SELECT string_agg(message, ''), count(*), min(created_at_ms)
    FROM input JOIN stored ON stored.booking_id = input.booking_id HAVING count(*) > 0
)
SELECT booking_id, TRUE FROM stored
UNION ALL SELECT booking_id, FALSE FROM input WHERE zone_id NOT IN (SELECT zones.zone_id FROM zones)"
        )
    };
}

/// For a batch without a booking of the same pass or key: the engine knows of those. A conflict refuses the batch.
const INSERT_NEW: &str = insert!("");

/// For any batch. It looks for conflicts first: into three indices for each row.
const INSERT_MISSING: &str = insert!("ON CONFLICT DO NOTHING");

impl PostgresStore {
    /// The whole batch at once, in the hope that all of it is new; where one row makes the database refuse the batch, each row
    /// by itself.
    pub(super) async fn insert_batch(&self, batch: &[NewBooking]) -> Result<Vec<Inserted>, StoreError> {
        match self.insert_together(INSERT_NEW, batch).await {
            Err(StoreError::Refused(_)) => {}
            answer => return answer,
        }
        match self.insert_together(INSERT_MISSING, batch).await {
            Err(StoreError::Refused(_)) if batch.len() > 1 => self.insert_singly(batch).await,
            Err(StoreError::Refused(_)) => Ok(vec![Inserted::NoSeats]),
            answer => answer,
        }
    }

    async fn insert_singly(&self, batch: &[NewBooking]) -> Result<Vec<Inserted>, StoreError> {
        let mut answers = Vec::with_capacity(batch.len());
        for row in batch.chunks(1) {
            match self.insert_together(INSERT_MISSING, row).await {
                Ok(answer) => answers.extend(answer),
                Err(StoreError::Refused(_)) => answers.push(Inserted::NoSeats),
                // Rows before this one stand: that is for the caller to find out.
                Err(error) => return Err(StoreError::Uncertain(error.to_string())),
            }
        }
        Ok(answers)
    }

    async fn insert_together(&self, insert: &'static str, batch: &[NewBooking]) -> Result<Vec<Inserted>, StoreError> {
        let found: HashMap<Uuid, bool> = self.insert_statement(insert, batch).await?.into_iter().collect();
        let answer = |row: &NewBooking| match found.get(&row.booking.booking_id.uuid()) {
            Some(true) => Inserted::Stored,
            Some(false) => Inserted::NoSeats, // there is no such zone
            None => Inserted::Duplicate,
        };
        Ok(batch.iter().map(answer).collect())
    }

    /// Which rows were stored (true), and which name a zone that is not there (false).
    async fn insert_statement(
        &self,
        insert: &'static str,
        batch: &[NewBooking],
    ) -> Result<Vec<(Uuid, bool)>, StoreError> {
        fn column<'a, T>(batch: &'a [NewBooking], value: impl Fn(&'a NewBooking) -> T) -> Vec<T> {
            batch.iter().map(value).collect()
        }
        let statement = sqlx::query_as(insert)
            .bind(column(batch, |row| row.booking.booking_id.uuid()))
            .bind(column(batch, |row| row.booking.event_id.uuid()))
            .bind(column(batch, |row| row.booking.show_id.uuid()))
            .bind(column(batch, |row| row.booking.zone_id.uuid()))
            .bind(column(batch, |row| row.booking.user.as_str()))
            .bind(column(batch, |row| row.booking.quantity as i32))
            .bind(column(batch, |row| row.booking.unit_price.minor))
            .bind(column(batch, |row| row.booking.unit_price.currency.to_string()))
            .bind(column(batch, |row| row.pass_id.as_str()))
            .bind(column(batch, |row| row.idempotency.as_ref().map(|attempt| attempt.key.as_str())))
            .bind(column(batch, |row| row.idempotency.as_ref().map(|attempt| attempt.fingerprint.as_str())))
            .bind(column(batch, |row| row.booking.created_at.millis()))
            .bind(column(batch, |row| row.booking.expires_at.millis()))
            .bind(column(batch, |row| line(&row.booking.message())));
        let mut connection = self.connection().await?;
        Ok(statement.fetch_all(&mut *connection).await?)
    }
}
