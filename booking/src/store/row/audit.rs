//! The audit's rows.

use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;
use waitingroom_domain::clock::Timestamp;

use super::corrupt;
use crate::{model::audit_log::AuditRecord, store::StoreError};

#[derive(FromRow)]
pub(in crate::store) struct AuditRow {
    audit_id: i64,
    at_ms: i64,
    operator: String,
    event_id: Option<Uuid>,
    action: String,
    was: Option<String>,
    became: Option<String>,
}

impl AuditRow {
    pub(in crate::store) fn read(self) -> Result<AuditRecord, StoreError> {
        Ok(AuditRecord {
            audit_id: self.audit_id,
            at: Timestamp::from_millis(self.at_ms),
            operator: self.operator,
            event_id: self.event_id.map(Into::into),
            action: self.action,
            before: value(self.was)?,
            after: value(self.became)?,
        })
    }
}

fn value(text: Option<String>) -> Result<Option<Value>, StoreError> {
    let parse = |text: String| serde_json::from_str(&text);
    text.map(parse)
        .transpose()
        .map_err(|error| corrupt(format!("a line of the audit that does not parse: {error}")))
}
