//! Changes by operators.

use async_trait::async_trait;
use waitingroom_domain::ids::EventId;

use super::{Backend, with_timeout};
use crate::{
    model::audit_log::{AuditEntry, AuditRecord},
    store::{
        AuditStore, StoreError, connection::Transaction, dialect::Dialect, row::audit::AuditRow,
        statement::statement,
    },
};

const APPEND_AUDIT: &str = "INSERT INTO audit (at_ms, operator, event_id, action, was, became)
    VALUES ($1, $2, $3, $4, $5, $6)";

const AUDIT_RECORDS: &str =
    "SELECT audit_id, at_ms, operator, event_id, action, was, became FROM audit
    WHERE ($1 IS NULL OR event_id = $1) AND audit_id < $2 ORDER BY audit_id DESC LIMIT $3";

#[async_trait]
impl<B: Backend> AuditStore for B {
    #[tracing::instrument(level = "debug", skip_all)]
    async fn append_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        with_timeout(async {
            let mut transaction = self.begin().await?;
            append_entry(&mut transaction, entry).await?;
            transaction.commit().await
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn audit_records(
        &self,
        event: Option<EventId>,
        before: i64,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        with_timeout(async {
            let records = statement(AUDIT_RECORDS)
                .bind(event.map(EventId::uuid))
                .bind(before)
                .bind(i64::from(limit));
            let rows = self.reader().fetch_all::<AuditRow>(records).await?;

            rows.into_iter().map(AuditRow::read).collect()
        })
        .await
    }
}

/// Appends an entry as part of the change that it is about.
pub(super) async fn append_entry<DB: Dialect>(
    transaction: &mut Transaction<DB>,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let append = statement(APPEND_AUDIT)
        .bind(entry.context.at.millis())
        .bind(entry.context.operator.as_str())
        .bind(entry.event_id.map(EventId::uuid))
        .bind(entry.action.as_str())
        .bind(entry.before.as_ref().map(ToString::to_string))
        .bind(entry.after.as_ref().map(ToString::to_string));

    transaction.execute(append).await.map(drop)
}
