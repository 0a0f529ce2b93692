//! Leases of the outbox and removals from it, which do not wait for the disk.

use sqlx::Postgres;
use uuid::Uuid;
use waitingroom_domain::clock::Timestamp;

use crate::store::{
    StoreError, connection::Connections, row::OutboxBatchRow, statement::statement,
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

pub(super) async fn lease(
    writer: &Connections<Postgres>,
    owner: Uuid,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<OutboxBatchRow>, StoreError> {
    let lease = statement(LEASE_BATCHES)
        .bind(owner)
        .bind(now.millis())
        .bind(until.millis())
        .bind(i64::from(limit));
    writer.fetch_all(lease).await
}

pub(super) async fn delete(
    writer: &Connections<Postgres>,
    batches: &[i64],
) -> Result<(), StoreError> {
    let delete = statement(DELETE_BATCHES).bind(batches);
    writer.execute(delete).await.map(drop)
}
