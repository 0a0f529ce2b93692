//! Messages that wait to be published, leased to one relay at a time.

use async_trait::async_trait;
use uuid::Uuid;
use waitingroom::clock::Timestamp;

use super::SqliteStore;
use crate::store::{
    OutboxRow, OutboxStore, StoreError,
    row::{self, MessageRow},
    sql,
};

const LEASE: &str = "
UPDATE outbox SET lease_owner = $1, lease_until_ms = $3
WHERE outbox_id IN (
    SELECT outbox_id FROM outbox WHERE lease_until_ms <= $2 OR lease_owner = $1
    ORDER BY outbox_id LIMIT $4
)
RETURNING outbox_id, message_id, topic, payload, created_at_ms";

const REMOVE: &str = "DELETE FROM outbox WHERE outbox_id = $2 AND lease_owner = $1";

#[async_trait]
impl OutboxStore for SqliteStore {
    async fn lease_messages(
        &self,
        owner: Uuid,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        self.step(async {
            let query = sqlx::query_as::<_, MessageRow>(LEASE).bind(owner).bind(now.millis());
            let query = query.bind(until.millis()).bind(i64::from(limit));
            Ok(row::messages(query.fetch_all(&self.writer).await?))
        })
        .await
    }

    async fn remove_messages(&self, owner: Uuid, rows: &[i64]) -> Result<(), StoreError> {
        self.step(async {
            let mut transaction = self.begin().await?;
            for row in rows {
                sqlx::query(REMOVE).bind(owner).bind(row).execute(&mut *transaction).await?;
            }
            Ok(transaction.commit().await?)
        })
        .await
    }

    async fn backlog(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        self.step(async {
            let query = sqlx::query_as::<_, (i64, Option<i64>)>(sql::BACKLOG);
            let (waiting, oldest) = query.fetch_one(&self.readers).await?;
            Ok((waiting.max(0) as u64, oldest.map(Timestamp::from_millis)))
        })
        .await
    }
}
