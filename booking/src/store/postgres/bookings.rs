//! Reading bookings, and what only touches them in passing.

use std::collections::HashMap;

use async_trait::async_trait;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, EventId, IdempotencyKey, PassId, UserId},
};

use super::PostgresStore;
use crate::{
    model::booking::{Attempt, Booking, NewBooking},
    store::{
        AsOf, BookingStore, HoldResolution, InsertOutcome, Page, StoreError, Summary,
        TransitionOutcome, TransitionRequest,
        row::{self, BookingRow, SummaryRow},
        sql,
    },
};

const CLEAR_EXPIRED_KEYS: &str = "UPDATE bookings SET idempotency_key = NULL, idempotency_fingerprint = NULL
    WHERE booking_id IN (SELECT booking_id FROM bookings
        WHERE idempotency_key IS NOT NULL AND created_at_ms < $1 LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)";

#[async_trait]
impl BookingStore for PostgresStore {
    async fn insert(&self, batch: &[NewBooking]) -> Result<Vec<InsertOutcome>, StoreError> {
        self.with_timeout(self.insert_batched(batch)).await
    }

    async fn apply_transitions(
        &self,
        batch: &[TransitionRequest],
        as_of: AsOf,
    ) -> Result<Vec<TransitionOutcome>, StoreError> {
        self.with_timeout(self.apply_transition_batch(batch, as_of))
            .await
    }

    async fn expire_due(&self, as_of: AsOf, limit: u32) -> Result<Vec<Booking>, StoreError> {
        self.with_timeout(self.expire_batch(as_of, limit)).await
    }

    async fn booking(&self, booking: BookingId) -> Result<Option<Booking>, StoreError> {
        self.with_timeout(async {
            let query = sqlx::query_as::<_, BookingRow>(sql::BOOKING).bind(booking.uuid());
            self.readers
                .run(async |on| query.fetch_optional(on).await)
                .await?
                .map(TryInto::try_into)
                .transpose()
        })
        .await
    }

    async fn find_attempt(
        &self,
        user: &UserId,
        key: &IdempotencyKey,
    ) -> Result<Option<Attempt>, StoreError> {
        self.with_timeout(async {
            let query = sqlx::query_as::<_, BookingRow>(sql::ATTEMPT)
                .bind(user.as_str())
                .bind(key.as_str());
            self.readers
                .run(async |on| query.fetch_optional(on).await)
                .await?
                .map(TryInto::try_into)
                .transpose()
        })
        .await
    }

    async fn pass_is_used(&self, pass: &PassId) -> Result<bool, StoreError> {
        self.with_timeout(async {
            let query = sqlx::query_scalar::<_, i64>(sql::PASS_IS_USED).bind(pass.as_str());
            Ok(self
                .readers
                .run(async |on| query.fetch_one(on).await)
                .await?
                > 0)
        })
        .await
    }

    async fn list(
        &self,
        user: &UserId,
        event: Option<EventId>,
        limit: u32,
        offset: u64,
    ) -> Result<Page, StoreError> {
        self.with_timeout(async {
            let event = event.map(EventId::uuid);
            let total = sqlx::query_scalar::<_, i64>(sql::PAGE_TOTAL)
                .bind(user.as_str())
                .bind(event);
            let total = self
                .readers
                .run(async |on| total.fetch_one(on).await)
                .await?
                .max(0) as u64;

            let rows = sqlx::query_as::<_, BookingRow>(sql::PAGE)
                .bind(user.as_str())
                .bind(event)
                .bind(i64::from(limit))
                .bind(i64::try_from(offset).unwrap_or(i64::MAX));

            Ok(Page {
                bookings: row::all(
                    self.readers
                        .run(async |on| rows.fetch_all(on).await)
                        .await?,
                )?,
                total,
            })
        })
        .await
    }

    async fn pending(&self, user: &UserId, now: Timestamp) -> Result<Vec<Booking>, StoreError> {
        self.with_timeout(async {
            let query = sqlx::query_as::<_, BookingRow>(sql::PENDING)
                .bind(user.as_str())
                .bind(now.millis());
            row::all(
                self.readers
                    .run(async |on| query.fetch_all(on).await)
                    .await?,
            )
        })
        .await
    }

    async fn summary(
        &self,
        user: &UserId,
        event: Option<EventId>,
        now: Timestamp,
    ) -> Result<Vec<Summary>, StoreError> {
        self.with_timeout(async {
            let query = sqlx::query_as::<_, SummaryRow>(sql::SUMMARY).bind(user.as_str());
            let query = query.bind(event.map(EventId::uuid)).bind(now.millis());
            row::all(
                self.readers
                    .run(async |on| query.fetch_all(on).await)
                    .await?,
            )
        })
        .await
    }

    async fn resolve_holds(
        &self,
        event: EventId,
        holds: &[BookingId],
    ) -> Result<HashMap<BookingId, HoldResolution>, StoreError> {
        self.with_timeout(self.resolve_batch(event, holds)).await
    }

    async fn clear_expired_keys(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.with_timeout(async {
            let query = sqlx::query(CLEAR_EXPIRED_KEYS)
                .bind(before.millis())
                .bind(i64::from(limit));
            Ok(self
                .pool
                .run(async |on| query.execute(on).await)
                .await?
                .rows_affected())
        })
        .await
    }

    async fn reset(&self) -> Result<(), StoreError> {
        self.with_timeout(async {
            let mut transaction = self.begin().await?;
            for statement in sql::RESET {
                sqlx::query(statement).execute(&mut *transaction).await?;
            }
            transaction.commit().await
        })
        .await
    }
}
