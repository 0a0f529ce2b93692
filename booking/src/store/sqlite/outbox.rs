//! Leases of the outbox, appends to it and removals from it.

use sqlx::Sqlite;
use uuid::Uuid;
use waitingroom_domain::clock::Timestamp;

use crate::{
    model::{booking::OutboxMessage, outbox::encode},
    store::{
        StoreError,
        connection::{Connections, Transaction},
        row::OutboxBatchRow,
        statement::statement,
    },
};

const LEASE_BATCHES: &str =
    "UPDATE relay_lease SET owner = $1, until_ms = $3 WHERE owner = $1 OR until_ms <= $2";

const OLDEST: &str =
    "SELECT outbox_id, messages, created_at_ms FROM outbox ORDER BY outbox_id LIMIT $1";

const DELETE_BATCHES: &str = "DELETE FROM outbox WHERE outbox_id = $1";

const APPEND_OUTBOX: &str =
    "INSERT INTO outbox (messages, size, created_at_ms) VALUES ($1, $2, $3)";

/// Takes or renews the right to publish; false while another owner has it.
pub(super) async fn lease(
    writer: &Connections<Sqlite>,
    owner: Uuid,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let lease = statement(LEASE_BATCHES)
        .bind(owner)
        .bind(now.millis())
        .bind(until.millis());
    Ok(writer.execute(lease).await?.rows_affected() > 0)
}

pub(super) async fn oldest(
    reader: &Connections<Sqlite>,
    limit: u32,
) -> Result<Vec<OutboxBatchRow>, StoreError> {
    let oldest = statement(OLDEST).bind(i64::from(limit));
    reader.fetch_all(oldest).await
}

pub(super) async fn delete(
    transaction: &mut Transaction<Sqlite>,
    batches: &[i64],
) -> Result<(), StoreError> {
    for batch in batches {
        let delete = statement(DELETE_BATCHES).bind(*batch);
        transaction.execute(delete).await?;
    }

    Ok(())
}

/// Appends the messages of the transaction as one batch.
pub(super) async fn append(
    transaction: &mut Transaction<Sqlite>,
    messages: &[OutboxMessage],
    at_ms: i64,
) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }

    let append = statement(APPEND_OUTBOX)
        .bind(encode(messages))
        .bind(messages.len() as i64)
        .bind(at_ms);
    transaction.execute(append).await.map(drop)
}
