//! What operators did.

use async_trait::async_trait;
use sqlx::Sqlite;
use waitingroom_domain::ids::EventId;

use super::SqliteStore;
use crate::{
    model::audit::{AuditEntry, AuditRecord},
    store::{AuditStore, StoreError, connection::Transaction, row::audit as row, sql},
};

#[async_trait]
impl AuditStore for SqliteStore {
    async fn append_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.with_timeout(async {
            let mut transaction = self.begin().await?;
            append_entry(&mut transaction, entry).await?;
            transaction.commit().await
        })
        .await
    }

    async fn audit_records(
        &self,
        event: Option<EventId>,
        before: i64,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.with_timeout(async {
            let rows = self
                .readers
                .run(async |on| {
                    sqlx::query_as::<_, row::AuditRow>(sql::AUDIT_RECORDS)
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
pub(super) async fn append_entry(
    transaction: &mut Transaction<Sqlite>,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    sqlx::query(sql::APPEND_AUDIT)
        .bind(entry.context.at.millis())
        .bind(entry.context.operator.as_str())
        .bind(entry.event_id.map(|event| event.uuid()))
        .bind(entry.action.as_str())
        .bind(entry.before.as_ref().map(ToString::to_string))
        .bind(entry.after.as_ref().map(ToString::to_string))
        .execute(&mut **transaction)
        .await?;

    Ok(())
}
