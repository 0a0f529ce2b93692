//! Pending messages, published by one relay at a time.

use async_trait::async_trait;
use uuid::Uuid;
use waitingroom_domain::clock::Timestamp;

use super::{Backend, with_timeout};
use crate::{
    model::{
        booking::OutboxMessage,
        outbox::{OutboxBatch, encode},
    },
    store::{OutboxStore, StoreError, row, statement::statement},
};

const REPLACE_MESSAGES: &str = "UPDATE outbox SET messages = $3, size = $4
    WHERE outbox_id = $2 AND EXISTS (SELECT 1 FROM relay_lease WHERE owner = $1)";

const BACKLOG: &str = "SELECT COALESCE(sum(size), 0), min(created_at_ms) FROM outbox";

#[async_trait]
impl<B: Backend> OutboxStore for B {
    #[tracing::instrument(level = "debug", skip_all)]
    async fn lease_batches(
        &self,
        owner: Uuid,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboxBatch>, StoreError> {
        with_timeout(async {
            row::outbox_batches(self.lease_outbox(owner, now, until, limit).await?)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn delete_batches(&self, batches: &[i64]) -> Result<(), StoreError> {
        with_timeout(self.delete_from_outbox(batches)).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn replace_messages(
        &self,
        owner: Uuid,
        batch: i64,
        left: &[OutboxMessage],
    ) -> Result<(), StoreError> {
        with_timeout(async {
            let replace = statement(REPLACE_MESSAGES)
                .bind(owner)
                .bind(batch)
                .bind(encode(left))
                .bind(left.len() as i32);

            self.writer().execute(replace).await.map(drop)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn backlog(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        with_timeout(async {
            let (waiting, oldest) = self
                .reader()
                .fetch_one::<(i64, Option<i64>)>(statement(BACKLOG))
                .await?;

            Ok((waiting.max(0) as u64, oldest.map(Timestamp::from_millis)))
        })
        .await
    }
}
