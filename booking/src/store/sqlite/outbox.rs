//! Pending messages, published by one relay at a time.

use async_trait::async_trait;
use uuid::Uuid;
use waitingroom_domain::clock::Timestamp;

use super::SqliteStore;
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

const LEASE_BATCHES: &str =
    "UPDATE relay_lease SET owner = $1, until_ms = $3 WHERE owner = $1 OR until_ms <= $2";

const OLDEST: &str =
    "SELECT outbox_id, messages, created_at_ms FROM outbox ORDER BY outbox_id LIMIT $1";

const DELETE_BATCHES: &str = "DELETE FROM outbox WHERE outbox_id = $1";

const REPLACE_MESSAGES: &str = "UPDATE outbox SET messages = $3, size = $4
    WHERE outbox_id = $2 AND EXISTS (SELECT 1 FROM relay_lease WHERE owner = $1)";

#[async_trait]
impl OutboxStore for SqliteStore {
    async fn lease_batches(
        &self,
        owner: Uuid,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboxBatch>, StoreError> {
        self.with_timeout(async {
            let lease = sqlx::query(LEASE_BATCHES)
                .bind(owner)
                .bind(now.millis())
                .bind(until.millis());
            let leased = self.writer.run(async |on| lease.execute(on).await).await?;
            if leased.rows_affected() == 0 {
                return Ok(Vec::new());
            }

            let oldest = sqlx::query_as::<_, OutboxBatchRow>(OLDEST).bind(i64::from(limit));
            row::outbox_batches(
                self.readers
                    .run(async |on| oldest.fetch_all(on).await)
                    .await?,
            )
        })
        .await
    }

    async fn delete_batches(&self, batches: &[i64]) -> Result<(), StoreError> {
        self.with_timeout(async {
            let mut transaction = self.begin().await?;
            for batch in batches {
                sqlx::query(DELETE_BATCHES)
                    .bind(batch)
                    .execute(&mut *transaction)
                    .await?;
            }

            transaction.commit().await
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

            self.writer.run(async |on| query.execute(on).await).await?;
            Ok(())
        })
        .await
    }

    async fn backlog(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        self.with_timeout(async {
            let query = sqlx::query_as::<_, (i64, Option<i64>)>(sql::BACKLOG);
            let (waiting, oldest) = self
                .readers
                .run(async |on| query.fetch_one(on).await)
                .await?;
            Ok((waiting.max(0) as u64, oldest.map(Timestamp::from_millis)))
        })
        .await
    }
}
