//! Pending messages, published by one relay at a time.

use async_trait::async_trait;
use uuid::Uuid;
use waitingroom_domain::clock::Timestamp;

use super::PostgresStore;
use crate::{
    model::{
        booking::OutboxMessage,
        outbox::{OutboxBatch, encode},
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
const LEASE_BATCHES: &str = "
WITH lightly AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', TRUE)), mine AS (
    UPDATE relay_lease SET owner = $1, until_ms = $3 FROM lightly WHERE owner = $1 OR until_ms <= $2 RETURNING 1
)
SELECT outbox_id, messages, created_at_ms FROM outbox WHERE EXISTS (SELECT 1 FROM mine) ORDER BY outbox_id LIMIT $4";

const DELETE_BATCHES: &str = "
WITH lightly AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', TRUE))
DELETE FROM outbox USING lightly WHERE outbox_id = ANY($1)";

const REPLACE_MESSAGES: &str = "UPDATE outbox SET messages = $3, size = $4
    WHERE outbox_id = $2 AND EXISTS (SELECT 1 FROM relay_lease WHERE owner = $1)";

#[async_trait]
impl OutboxStore for PostgresStore {
    async fn lease_batches(
        &self,
        owner: Uuid,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboxBatch>, StoreError> {
        self.with_timeout(async {
            let query = sqlx::query_as::<_, OutboxBatchRow>(LEASE_BATCHES)
                .bind(owner)
                .bind(now.millis());
            let query = query.bind(until.millis()).bind(i64::from(limit));
            row::outbox_batches(self.pool.run(async |on| query.fetch_all(on).await).await?)
        })
        .await
    }

    async fn delete_batches(&self, batches: &[i64]) -> Result<(), StoreError> {
        self.with_timeout(async {
            self.pool
                .run(async |on| sqlx::query(DELETE_BATCHES).bind(batches).execute(on).await)
                .await?;
            Ok(())
        })
        .await
    }

    async fn replace_messages(
        &self,
        owner: Uuid,
        batch: i64,
        left: &[OutboxMessage],
    ) -> Result<(), StoreError> {
        self.with_timeout(async {
            let query = sqlx::query(REPLACE_MESSAGES)
                .bind(owner)
                .bind(batch)
                .bind(encode(left))
                .bind(left.len() as i32);

            self.pool.run(async |on| query.execute(on).await).await?;
            Ok(())
        })
        .await
    }

    async fn backlog(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        self.with_timeout(async {
            let query = sqlx::query_as::<_, (i64, Option<i64>)>(sql::BACKLOG);
            let (waiting, oldest) = self.pool.run(async |on| query.fetch_one(on).await).await?;
            Ok((waiting.max(0) as u64, oldest.map(Timestamp::from_millis)))
        })
        .await
    }
}
