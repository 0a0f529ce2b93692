//! Parcels of messages that wait to be published, by one relay at a time.

use async_trait::async_trait;
use uuid::Uuid;
use waitingroom::clock::Timestamp;

use super::PostgresStore;
use crate::{
    model::{
        booking::OutboxMessage,
        outbox::{OutboxBatch, pack},
    },
    store::{
        OutboxStore, StoreError,
        row::{self, OutboxBatchRow},
        sql,
    },
};

/// One relay at a time publishes, so that no message of a booking overtakes an earlier one. Leases
/// and removals need not outlive a crash of the server: what is published twice carries the same
/// message id. So neither waits for the disk, nor makes reservations wait for it.
const LEASE: &str = "
WITH lightly AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', TRUE)), mine AS (
    UPDATE relay_lease SET owner = $1, until_ms = $3 FROM lightly WHERE owner = $1 OR until_ms <= $2 RETURNING 1
)
SELECT outbox_id, messages, created_at_ms FROM outbox WHERE EXISTS (SELECT 1 FROM mine) ORDER BY outbox_id LIMIT $4";

const REMOVE: &str = "
WITH lightly AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', TRUE))
DELETE FROM outbox USING lightly WHERE outbox_id = ANY($1)";

const REPACK: &str = "UPDATE outbox SET messages = $3, size = $4
    WHERE outbox_id = $2 AND EXISTS (SELECT 1 FROM relay_lease WHERE owner = $1)";

#[async_trait]
impl OutboxStore for PostgresStore {
    async fn lease_parcels(
        &self,
        owner: Uuid,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboxBatch>, StoreError> {
        self.step(async {
            let query = sqlx::query_as::<_, OutboxBatchRow>(LEASE)
                .bind(owner)
                .bind(now.millis());
            let query = query.bind(until.millis()).bind(i64::from(limit));
            row::parcels(self.pool.run(async |on| query.fetch_all(on).await).await?)
        })
        .await
    }

    async fn remove_parcels(&self, parcels: &[i64]) -> Result<(), StoreError> {
        self.step(async {
            self.pool
                .run(async |on| sqlx::query(REMOVE).bind(parcels).execute(on).await)
                .await?;
            Ok(())
        })
        .await
    }

    async fn repack(
        &self,
        owner: Uuid,
        parcel: i64,
        left: &[OutboxMessage],
    ) -> Result<(), StoreError> {
        self.step(async {
            let query = sqlx::query(REPACK)
                .bind(owner)
                .bind(parcel)
                .bind(pack(left))
                .bind(left.len() as i32);
            self.pool.run(async |on| query.execute(on).await).await?;
            Ok(())
        })
        .await
    }

    async fn backlog(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        self.step(async {
            let query = sqlx::query_as::<_, (i64, Option<i64>)>(sql::BACKLOG);
            let (waiting, oldest) = self.pool.run(async |on| query.fetch_one(on).await).await?;
            Ok((waiting.max(0) as u64, oldest.map(Timestamp::from_millis)))
        })
        .await
    }
}
