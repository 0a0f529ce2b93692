//! Reads of bookings, and the changes of them for which both databases have the same means.

use std::collections::HashMap;

use async_trait::async_trait;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, EventId, IdempotencyKey, PassId, UserId},
};

use super::{Backend, with_timeout};
use crate::{
    model::{
        booking::{Attempt, Booking, NewBooking},
        recovery_code::CodeDigest,
    },
    store::{
        AsOf, BookingStore, HoldResolution, InsertOutcome, Page, StoreError, Summary,
        TransitionOutcome, TransitionRequest,
        dialect::Dialect,
        row::{self, BookingRow, SummaryRow},
        sql::{BOOKING, booking_columns},
        statement::statement,
    },
};

const ATTEMPT: &str = concat!(
    "SELECT ",
    booking_columns!(),
    " FROM bookings WHERE user_id = $1 AND idempotency_key = $2"
);

const PASS_IS_USED: &str = "SELECT count(*) FROM bookings WHERE pass_jti = $1";

const PAGE: &str = concat!(
    "SELECT ",
    booking_columns!(),
    " FROM bookings WHERE user_id = $1 AND event_id = COALESCE($2, event_id)
    ORDER BY created_at_ms DESC, booking_id DESC LIMIT $3 OFFSET $4"
);

const PAGE_TOTAL: &str =
    "SELECT count(*) FROM bookings WHERE user_id = $1 AND event_id = COALESCE($2, event_id)";

const PENDING: &str = concat!(
    "SELECT ",
    booking_columns!(),
    " FROM bookings WHERE user_id = $1 AND status = 'reserved' AND expires_at_ms > $2
    ORDER BY created_at_ms DESC, booking_id DESC LIMIT 1000"
);

const SUMMARY: &str = "SELECT currency,
        CAST(sum(CASE WHEN status = 'reserved' THEN quantity ELSE 0 END) AS BIGINT) AS reserved_seats,
        CAST(sum(CASE WHEN status = 'confirmed' THEN quantity ELSE 0 END) AS BIGINT) AS confirmed_seats,
        count(*) AS bookings,
        CAST(sum(CASE WHEN status = 'confirmed' THEN quantity * unit_price ELSE 0 END) AS BIGINT) AS total_spent
    FROM bookings
    WHERE user_id = $1 AND event_id = COALESCE($2, event_id)
        AND (status = 'confirmed' OR status = 'reserved' AND expires_at_ms > $3)
    GROUP BY currency ORDER BY currency";

const KEEP_RECOVERY_CODE: &str =
    "INSERT INTO recovery_codes (digest, booking_id, created_at_ms) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING";

const RECOVERED_BOOKING: &str = concat!(
    "SELECT ",
    booking_columns!(),
    " FROM bookings WHERE booking_id = (SELECT booking_id FROM recovery_codes WHERE digest = $1)
    AND status <> 'void'"
);

/// Run in this order, in one transaction.
const RESET: [&str; 4] = [
    "DELETE FROM outbox",
    "DELETE FROM recovery_codes",
    "DELETE FROM bookings",
    "UPDATE zones SET held = 0, confirmed = 0",
];

#[async_trait]
impl<B: Backend> BookingStore for B {
    #[tracing::instrument(level = "debug", skip_all)]
    async fn insert(&self, batch: &[NewBooking]) -> Result<Vec<InsertOutcome>, StoreError> {
        with_timeout(self.insert_batch(batch)).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn apply_transitions(
        &self,
        batch: &[TransitionRequest],
        as_of: AsOf,
    ) -> Result<Vec<TransitionOutcome>, StoreError> {
        with_timeout(self.apply_transition_batch(batch, as_of)).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn expire_due(&self, as_of: AsOf, limit: u32) -> Result<Vec<Booking>, StoreError> {
        with_timeout(self.expire_batch(as_of, limit)).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn booking(&self, booking: BookingId) -> Result<Option<Booking>, StoreError> {
        with_timeout(async {
            let booking = statement(BOOKING).bind(booking.uuid());
            let row = self
                .user_reader()
                .fetch_optional::<BookingRow>(booking)
                .await?;
            row.map(TryInto::try_into).transpose()
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn find_attempt(
        &self,
        user: &UserId,
        key: &IdempotencyKey,
    ) -> Result<Option<Attempt>, StoreError> {
        with_timeout(async {
            let attempt = statement(ATTEMPT).bind(user.as_str()).bind(key.as_str());
            let row = self
                .user_reader()
                .fetch_optional::<BookingRow>(attempt)
                .await?;
            row.map(TryInto::try_into).transpose()
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn pass_is_used(&self, pass: &PassId) -> Result<bool, StoreError> {
        with_timeout(async {
            let uses = statement(PASS_IS_USED).bind(pass.as_str());
            let (uses,) = self.user_reader().fetch_one::<(i64,)>(uses).await?;
            Ok(uses > 0)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list(
        &self,
        user: &UserId,
        event: Option<EventId>,
        limit: u32,
        offset: u64,
    ) -> Result<Page, StoreError> {
        with_timeout(async {
            let event = event.map(EventId::uuid);
            let total = statement(PAGE_TOTAL).bind(user.as_str()).bind(event);
            let (total,) = self.user_reader().fetch_one::<(i64,)>(total).await?;

            let page = statement(PAGE)
                .bind(user.as_str())
                .bind(event)
                .bind(i64::from(limit))
                .bind(i64::try_from(offset).unwrap_or(i64::MAX));
            let rows = self.user_reader().fetch_all::<BookingRow>(page).await?;

            Ok(Page {
                bookings: row::all(rows)?,
                total: total.max(0) as u64,
            })
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn pending(&self, user: &UserId, now: Timestamp) -> Result<Vec<Booking>, StoreError> {
        with_timeout(async {
            let pending = statement(PENDING).bind(user.as_str()).bind(now.millis());
            row::all(self.user_reader().fetch_all::<BookingRow>(pending).await?)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn summary(
        &self,
        user: &UserId,
        event: Option<EventId>,
        now: Timestamp,
    ) -> Result<Vec<Summary>, StoreError> {
        with_timeout(async {
            let summary = statement(SUMMARY)
                .bind(user.as_str())
                .bind(event.map(EventId::uuid))
                .bind(now.millis());
            row::all(self.user_reader().fetch_all::<SummaryRow>(summary).await?)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn resolve_holds(
        &self,
        event: EventId,
        holds: &[BookingId],
    ) -> Result<HashMap<BookingId, HoldResolution>, StoreError> {
        with_timeout(self.resolve_batch(event, holds)).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn clear_expired_keys(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        with_timeout(async {
            let clear = statement(B::Database::CLEAR_EXPIRED_KEYS)
                .bind(before.millis())
                .bind(i64::from(limit));
            let cleared = self.writer().execute(clear).await?;
            Ok(B::Database::rows_affected(&cleared))
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn keep_recovery_code(
        &self,
        digest: &CodeDigest,
        booking: BookingId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        with_timeout(async {
            let keep = statement(KEEP_RECOVERY_CODE)
                .bind(digest.0.clone())
                .bind(booking.uuid())
                .bind(now.millis());
            self.writer().execute(keep).await?;
            Ok(())
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn recovered_booking(&self, digest: &CodeDigest) -> Result<Option<Booking>, StoreError> {
        with_timeout(async {
            let recovered = statement(RECOVERED_BOOKING).bind(digest.0.clone());
            let row = self
                .user_reader()
                .fetch_optional::<BookingRow>(recovered)
                .await?;
            row.map(TryInto::try_into).transpose()
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn reset(&self) -> Result<(), StoreError> {
        with_timeout(async {
            let mut transaction = self.begin().await?;
            for text in RESET {
                transaction.execute(statement(text)).await?;
            }

            transaction.commit().await
        })
        .await
    }
}
