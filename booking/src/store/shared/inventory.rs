//! Seats as the database counts them, and how far the queues have come.

use async_trait::async_trait;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{EventId, UserId},
    seats::SeatSnapshot,
};
use waitingroom_engine::RecoveryPoint;

use super::{Backend, with_timeout};
use crate::store::{
    InventoryStore, StoreError, ZoneCount,
    dialect::Dialect,
    row::{self, CheckpointRow, ZoneCountRow},
    statement::statement,
};

const ZONE_COUNTS: &str = "SELECT event_id, show_id, zone_id, capacity, held, confirmed
    FROM zones WHERE event_id = COALESCE($1, event_id) ORDER BY zone_id";

const HOLDS: &str = "SELECT booking_id, zone_id, user_id, quantity, expires_at_ms, pass_jti
    FROM bookings WHERE event_id = $1 AND status = 'reserved'";

const USER_SEATS: &str = "SELECT user_id, CAST(sum(quantity) AS BIGINT) AS seats
    FROM bookings WHERE event_id = $1 AND status IN ('reserved', 'confirmed') GROUP BY user_id";

/// The users of the next bookings, of whatever event, by the index that begins with users: those of
/// one event would have to be found among all that it sold.
const USER_PAGE: &str = "SELECT user_id, CAST(COALESCE(sum(
        CASE WHEN event_id = $1 AND status IN ('reserved', 'confirmed') THEN quantity END
    ), 0) AS BIGINT) AS seats
    FROM bookings WHERE user_id IN (
        SELECT user_id FROM (SELECT user_id FROM bookings WHERE user_id > $2 ORDER BY user_id LIMIT $3) AS page
    ) GROUP BY user_id ORDER BY user_id";

const CHECKPOINT: &str =
    "SELECT line_sequence, line_head, line_unserved FROM events WHERE event_id = $1";

const SAVE_CHECKPOINT: &str = "UPDATE events
    SET line_sequence = $2, line_head = $3, line_unserved = $4
    WHERE event_id = $1 AND (line_sequence < $2 OR (line_sequence = $2 AND line_head <= $3))";

const CLEAR_CHECKPOINT: &str =
    "UPDATE events SET line_sequence = 0, line_head = 0, line_unserved = NULL WHERE event_id = $1";

const HANDOVER: &str = "SELECT handover_mark, handover_until_ms FROM events
    WHERE event_id = $1 AND handover_mark IS NOT NULL";

const BEGIN_HANDOVER: &str =
    "UPDATE events SET handover_mark = $2, handover_until_ms = $3 WHERE event_id = $1";

const HASTEN_HANDOVER: &str = "UPDATE events SET handover_until_ms = 0 WHERE event_id = $1";

const END_HANDOVER: &str = "UPDATE events SET handover_mark = NULL, handover_until_ms = 0 WHERE event_id = $1 AND handover_mark = $2";

const LEASE_SYNC: &str =
    "UPDATE events SET sync_lease_until_ms = $3 WHERE event_id = $1 AND sync_lease_until_ms <= $2";

const RELEASE_SYNC: &str = "UPDATE events SET sync_lease_until_ms = 0 WHERE event_id = $1";

#[async_trait]
impl<B: Backend> InventoryStore for B {
    #[tracing::instrument(level = "debug", skip_all)]
    async fn snapshot(&self, event: EventId) -> Result<SeatSnapshot, StoreError> {
        with_timeout(async {
            let mut transaction = self.begin_snapshot().await?;
            let zones = statement(ZONE_COUNTS).bind(Some(event.uuid()));
            let zones = transaction.fetch_all(zones).await?;
            let holds = statement(HOLDS).bind(event.uuid());
            let holds = transaction.fetch_all(holds).await?;
            let users = statement(USER_SEATS).bind(event.uuid());
            let users = transaction.fetch_all(users).await?;
            transaction.commit().await?;

            row::snapshot(zones, holds, users)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn zone_counts(&self, event: Option<EventId>) -> Result<Vec<ZoneCount>, StoreError> {
        with_timeout(async {
            let counts = statement(ZONE_COUNTS).bind(event.map(EventId::uuid));
            row::all(self.reader().fetch_all::<ZoneCountRow>(counts).await?)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn user_seats(
        &self,
        event: EventId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<(UserId, u32)>, StoreError> {
        with_timeout(async {
            let page = statement(USER_PAGE)
                .bind(event.uuid())
                .bind(after.map_or("", UserId::as_str))
                .bind(i64::from(limit));
            row::user_seats(self.reader().fetch_all(page).await?)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn seats_of_users(
        &self,
        event: EventId,
        users: &[UserId],
    ) -> Result<Vec<(UserId, u32)>, StoreError> {
        with_timeout(async { row::user_seats(self.count_seats(event, users).await?) }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn checkpoint(&self, event: EventId) -> Result<Option<RecoveryPoint>, StoreError> {
        with_timeout(async {
            let checkpoint = statement(CHECKPOINT).bind(event.uuid());
            let row = self
                .reader()
                .fetch_optional::<CheckpointRow>(checkpoint)
                .await?;
            row::checkpoint(row)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn save_checkpoint(
        &self,
        event: EventId,
        reached: &RecoveryPoint,
    ) -> Result<(), StoreError> {
        with_timeout(async {
            let save = statement(SAVE_CHECKPOINT)
                .bind(event.uuid())
                .bind(reached.sequence as i64)
                .bind(reached.head as i64)
                .bind(row::unserved(reached));
            self.writer().execute(save).await.map(drop)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn clear_checkpoint(&self, event: EventId) -> Result<(), StoreError> {
        with_timeout(async {
            let clear = statement(CLEAR_CHECKPOINT).bind(event.uuid());
            self.writer().execute(clear).await.map(drop)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn handover(&self, event: EventId) -> Result<Option<(String, Timestamp)>, StoreError> {
        with_timeout(async {
            let handover = statement(HANDOVER).bind(event.uuid());
            let row = self
                .reader()
                .fetch_optional::<(String, i64)>(handover)
                .await?;
            Ok(row.map(|(mark, until)| (mark, Timestamp::from_millis(until))))
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn begin_handover(
        &self,
        event: EventId,
        mark: &str,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        with_timeout(async {
            let begin = statement(BEGIN_HANDOVER)
                .bind(event.uuid())
                .bind(mark)
                .bind(until.millis());
            self.writer().execute(begin).await.map(drop)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn hasten_handover(&self, event: EventId) -> Result<(), StoreError> {
        with_timeout(async {
            let hasten = statement(HASTEN_HANDOVER).bind(event.uuid());
            self.writer().execute(hasten).await.map(drop)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn end_handover(&self, event: EventId, mark: &str) -> Result<(), StoreError> {
        with_timeout(async {
            let end = statement(END_HANDOVER).bind(event.uuid()).bind(mark);
            self.writer().execute(end).await.map(drop)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn lease_sync(
        &self,
        event: EventId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        with_timeout(async {
            let lease = statement(LEASE_SYNC)
                .bind(event.uuid())
                .bind(now.millis())
                .bind(until.millis());
            let leased = self.writer().execute(lease).await?;
            Ok(B::Database::rows_affected(&leased) == 1)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn release_sync(&self, event: EventId) -> Result<(), StoreError> {
        with_timeout(async {
            let release = statement(RELEASE_SYNC).bind(event.uuid());
            self.writer().execute(release).await.map(drop)
        })
        .await
    }
}
