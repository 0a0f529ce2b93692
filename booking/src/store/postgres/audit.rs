//! What operators did.

use async_trait::async_trait;
use sqlx::Postgres;
use waitingroom::ids::EventId;

use super::PostgresStore;
use crate::{
    model::audit::{AuditEntry, AuditRecord},
    store::{AuditStore, StoreError, connection::Transaction, row::audit as row, sql},
};

#[async_trait]
impl AuditStore for PostgresStore {
    async fn note(&self, deed: &AuditEntry) -> Result<(), StoreError> {
        self.step(async {
            let mut transaction = self.begin().await?;
            note(&mut transaction, deed).await?;
            transaction.commit().await
        })
        .await
    }

    async fn audit(
        &self,
        event: Option<EventId>,
        before: i64,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.step(async {
            let rows = self
                .pool
                .run(async |on| {
                    sqlx::query_as::<_, row::AuditRow>(sql::AUDIT)
                        .bind(event.map(|event| event.uuid()))
                        .bind(before)
                        .bind(i64::from(limit))
                        .fetch_all(on)
                        .await
                })
                .await?;
            rows.into_iter().map(row::AuditRow::read).collect()
        })
        .await
    }
}

/// Writes a line as part of the change that it is about.
pub(super) async fn note(
    transaction: &mut Transaction<Postgres>,
    deed: &AuditEntry,
) -> Result<(), StoreError> {
    sqlx::query(sql::NOTE)
        .bind(deed.act.at.millis())
        .bind(deed.act.operator.as_str())
        .bind(deed.event_id.map(|event| event.uuid()))
        .bind(deed.action.as_str())
        .bind(deed.before.as_ref().map(ToString::to_string))
        .bind(deed.after.as_ref().map(ToString::to_string))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
