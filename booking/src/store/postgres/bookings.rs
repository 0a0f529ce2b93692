//! Reading bookings, and what only touches them in passing.

use std::collections::HashMap;

use async_trait::async_trait;
use uuid::Uuid;
use waitingroom::{
    clock::Timestamp,
    ids::{BookingId, EventId, IdempotencyKey, PassId, UserId},
};

use super::PostgresStore;
use crate::{
    reservation::{Attempt, Booking, NewBooking, Status},
    store::{
        BookingStore, Decision, Inserted, Page, Ruling, StoreError, Summary,
        row::{self, BookingRow, SummaryRow},
        sql,
    },
};

const STATUSES: &str = "SELECT booking_id, status FROM bookings WHERE booking_id = ANY($1)";

const FORGET_KEYS: &str = "UPDATE bookings SET idempotency_key = NULL, idempotency_fingerprint = NULL
    WHERE booking_id IN (SELECT booking_id FROM bookings
        WHERE idempotency_key IS NOT NULL AND created_at_ms < $1 LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)";

#[async_trait]
impl BookingStore for PostgresStore {
    async fn insert(&self, batch: &[NewBooking]) -> Result<Vec<Inserted>, StoreError> {
        self.step(self.insert_batch(batch)).await
    }

    async fn decide(&self, batch: &[Decision], now: Timestamp) -> Result<Vec<Ruling>, StoreError> {
        self.step(self.decide_batch(batch, now)).await
    }

    async fn expire_due(&self, now: Timestamp, limit: u32) -> Result<Vec<Booking>, StoreError> {
        self.step(self.expire_batch(now, limit)).await
    }

    async fn booking(&self, booking: BookingId) -> Result<Option<Booking>, StoreError> {
        self.step(async {
            let query = sqlx::query_as::<_, BookingRow>(sql::BOOKING).bind(booking.uuid());
            query.fetch_optional(&self.pool).await?.map(TryInto::try_into).transpose()
        })
        .await
    }

    async fn attempt(&self, user: &UserId, key: &IdempotencyKey) -> Result<Option<Attempt>, StoreError> {
        self.step(async {
            let query = sqlx::query_as::<_, BookingRow>(sql::ATTEMPT).bind(user.as_str()).bind(key.as_str());
            query.fetch_optional(&self.pool).await?.map(TryInto::try_into).transpose()
        })
        .await
    }

    async fn pass_is_used(&self, pass: &PassId) -> Result<bool, StoreError> {
        self.step(async {
            let query = sqlx::query_scalar::<_, i64>(sql::PASS_IS_USED).bind(pass.as_str());
            Ok(query.fetch_one(&self.pool).await? > 0)
        })
        .await
    }

    async fn list(&self, user: &UserId, event: Option<EventId>, limit: u32, offset: u64) -> Result<Page, StoreError> {
        self.step(async {
            let event = event.map(EventId::uuid);
            let total = sqlx::query_scalar::<_, i64>(sql::PAGE_TOTAL).bind(user.as_str()).bind(event);
            let total = total.fetch_one(&self.pool).await?.max(0) as u64;
            let rows = sqlx::query_as::<_, BookingRow>(sql::PAGE)
                .bind(user.as_str())
                .bind(event)
                .bind(i64::from(limit))
                .bind(i64::try_from(offset).unwrap_or(i64::MAX));
            Ok(Page { bookings: row::all(rows.fetch_all(&self.pool).await?)?, total })
        })
        .await
    }

    async fn pending(&self, user: &UserId, now: Timestamp) -> Result<Vec<Booking>, StoreError> {
        self.step(async {
            let query = sqlx::query_as::<_, BookingRow>(sql::PENDING).bind(user.as_str()).bind(now.millis());
            row::all(query.fetch_all(&self.pool).await?)
        })
        .await
    }

    async fn summary(&self, user: &UserId, event: Option<EventId>, now: Timestamp) -> Result<Vec<Summary>, StoreError> {
        self.step(async {
            let query = sqlx::query_as::<_, SummaryRow>(sql::SUMMARY).bind(user.as_str());
            let query = query.bind(event.map(EventId::uuid)).bind(now.millis());
            row::all(query.fetch_all(&self.pool).await?)
        })
        .await
    }

    async fn statuses(&self, bookings: &[BookingId]) -> Result<HashMap<BookingId, Status>, StoreError> {
        self.step(async {
            let ids: Vec<Uuid> = bookings.iter().map(|booking| booking.uuid()).collect();
            let rows: Vec<(Uuid, String)> = sqlx::query_as(STATUSES).bind(ids).fetch_all(&self.pool).await?;
            row::statuses(rows)
        })
        .await
    }

    async fn forget_keys(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.step(async {
            let query = sqlx::query(FORGET_KEYS).bind(before.millis()).bind(i64::from(limit));
            Ok(query.execute(&self.pool).await?.rows_affected())
        })
        .await
    }

    async fn reset(&self) -> Result<(), StoreError> {
        self.step(async {
            let mut transaction = self.begin().await?;
            for statement in sql::RESET {
                sqlx::query(statement).execute(&mut *transaction).await?;
            }
            Ok(transaction.commit().await?)
        })
        .await
    }
}
