//! Seats as the database counts them, and how far the lines have come.

use async_trait::async_trait;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{EventId, UserId},
    seats::SeatSnapshot,
};
use waitingroom_engine::RecoveryPoint;

use super::{BEGIN_SNAPSHOT, PostgresStore};
use crate::store::{
    InventoryStore, StoreError, ZoneCount,
    row::{self, CheckpointRow, HoldRow, UserSeatsRow, ZoneCountRow},
    sql,
};

const SEATS_OF_USERS: &str = "SELECT user_id, CAST(sum(quantity) AS BIGINT) AS seats FROM bookings
    WHERE event_id = $1 AND user_id = ANY($2) AND status IN ('reserved', 'confirmed') GROUP BY user_id";

#[async_trait]
impl InventoryStore for PostgresStore {
    async fn snapshot(&self, event: EventId) -> Result<SeatSnapshot, StoreError> {
        self.with_timeout(async {
            let mut transaction = self.pool.begin(BEGIN_SNAPSHOT).await?;
            let zones =
                sqlx::query_as::<_, ZoneCountRow>(sql::ZONE_COUNTS).bind(Some(event.uuid()));
            let zones = zones.fetch_all(&mut *transaction).await?;
            let holds = sqlx::query_as::<_, HoldRow>(sql::HOLDS).bind(event.uuid());
            let holds = holds.fetch_all(&mut *transaction).await?;
            let users = sqlx::query_as::<_, UserSeatsRow>(sql::USER_SEATS).bind(event.uuid());
            let users = users.fetch_all(&mut *transaction).await?;
            transaction.commit().await?;
            row::snapshot(zones, holds, users)
        })
        .await
    }

    async fn zone_counts(&self, event: Option<EventId>) -> Result<Vec<ZoneCount>, StoreError> {
        self.with_timeout(async {
            let query =
                sqlx::query_as::<_, ZoneCountRow>(sql::ZONE_COUNTS).bind(event.map(EventId::uuid));
            row::all(self.pool.run(async |on| query.fetch_all(on).await).await?)
        })
        .await
    }

    async fn user_seats(
        &self,
        event: EventId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<(UserId, u32)>, StoreError> {
        self.with_timeout(async {
            let query = sqlx::query_as::<_, UserSeatsRow>(sql::USER_PAGE).bind(event.uuid());
            let query = query
                .bind(after.map_or("", UserId::as_str))
                .bind(i64::from(limit));
            row::user_seats(self.pool.run(async |on| query.fetch_all(on).await).await?)
        })
        .await
    }

    async fn seats_of_users(
        &self,
        event: EventId,
        users: &[UserId],
    ) -> Result<Vec<(UserId, u32)>, StoreError> {
        let names: Vec<&str> = users.iter().map(UserId::as_str).collect();
        self.with_timeout(async {
            let query = sqlx::query_as::<_, UserSeatsRow>(SEATS_OF_USERS)
                .bind(event.uuid())
                .bind(&names);
            row::user_seats(self.pool.run(async |on| query.fetch_all(on).await).await?)
        })
        .await
    }

    async fn checkpoint(&self, event: EventId) -> Result<Option<RecoveryPoint>, StoreError> {
        self.with_timeout(async {
            let query = sqlx::query_as::<_, CheckpointRow>(sql::CHECKPOINT).bind(event.uuid());
            row::checkpoint(
                self.pool
                    .run(async |on| query.fetch_optional(on).await)
                    .await?,
            )
        })
        .await
    }

    async fn save_checkpoint(
        &self,
        event: EventId,
        reached: &RecoveryPoint,
    ) -> Result<(), StoreError> {
        self.with_timeout(async {
            let query = sqlx::query(sql::SAVE_CHECKPOINT).bind(event.uuid());
            let query = query
                .bind(reached.sequence as i64)
                .bind(reached.head as i64)
                .bind(row::unserved(reached));
            self.pool.run(async |on| query.execute(on).await).await?;
            Ok(())
        })
        .await
    }

    async fn clear_checkpoint(&self, event: EventId) -> Result<(), StoreError> {
        self.with_timeout(async {
            self.pool
                .run(async |on| {
                    sqlx::query(sql::CLEAR_CHECKPOINT)
                        .bind(event.uuid())
                        .execute(on)
                        .await
                })
                .await?;

            Ok(())
        })
        .await
    }

    async fn handover(&self, event: EventId) -> Result<Option<(String, Timestamp)>, StoreError> {
        self.with_timeout(async {
            let query = sqlx::query_as::<_, (String, i64)>(sql::HANDOVER).bind(event.uuid());
            let row = self
                .pool
                .run(async |on| query.fetch_optional(on).await)
                .await?;
            Ok(row.map(|(mark, until)| (mark, Timestamp::from_millis(until))))
        })
        .await
    }

    async fn begin_handover(
        &self,
        event: EventId,
        mark: &str,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        self.with_timeout(async {
            let query = sqlx::query(sql::BEGIN_HANDOVER)
                .bind(event.uuid())
                .bind(mark)
                .bind(until.millis());
            self.pool.run(async |on| query.execute(on).await).await?;
            Ok(())
        })
        .await
    }

    async fn hasten_handover(&self, event: EventId) -> Result<(), StoreError> {
        self.with_timeout(async {
            self.pool
                .run(async |on| {
                    sqlx::query(sql::HASTEN_HANDOVER)
                        .bind(event.uuid())
                        .execute(on)
                        .await
                })
                .await?;

            Ok(())
        })
        .await
    }

    async fn end_handover(&self, event: EventId, mark: &str) -> Result<(), StoreError> {
        self.with_timeout(async {
            let query = sqlx::query(sql::END_HANDOVER).bind(event.uuid()).bind(mark);
            self.pool.run(async |on| query.execute(on).await).await?;
            Ok(())
        })
        .await
    }

    async fn lease_sync(
        &self,
        event: EventId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.with_timeout(async {
            let query = sqlx::query(sql::LEASE_SYNC)
                .bind(event.uuid())
                .bind(now.millis())
                .bind(until.millis());
            Ok(self
                .pool
                .run(async |on| query.execute(on).await)
                .await?
                .rows_affected()
                == 1)
        })
        .await
    }

    async fn release_sync(&self, event: EventId) -> Result<(), StoreError> {
        self.with_timeout(async {
            self.pool
                .run(async |on| {
                    sqlx::query(sql::RELEASE_SYNC)
                        .bind(event.uuid())
                        .execute(on)
                        .await
                })
                .await?;

            Ok(())
        })
        .await
    }
}
