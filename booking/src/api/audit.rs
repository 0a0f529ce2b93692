//! Operators: the audit log.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use waitingroom_domain::ids::EventId;
use waitingroom_server::{
    http::{Json, Query},
    openapi::problems::{Forbidden, InvalidField, Unauthorized, Unavailable},
    problem::Problem,
};

use super::{extract::Operator, params};
use crate::{admin_actions::AdminService, model::audit_log::AuditRecord};

const DEFAULT_LIMIT: u64 = 50;
const MAX_LIMIT: u64 = 200;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only entries of this event.
    #[param(value_type = Option<EventId>)]
    event_id: Option<String>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// The `next` of the previous page.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 9223372036854775807_i64)]
    before: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "entries": [{
    "audit_id": 12,
    "at": "2026-07-01T18:00:00Z",
    "operator": "olga",
    "event_id": "d0000000-0000-0001-0000-000000000000",
    "action": "change_queue",
    "before": { "state": "open" },
    "after": { "state": "paused" }
}] }))]
pub(super) struct AuditResponse {
    entries: Vec<AuditRecord>,
    /// The `before` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<i64>,
}

/// Actions of operators, newest first
#[utoipa::path(
    get,
    path = "/api/v1/admin/audit",
    operation_id = "listAudit",
    tag = "operators",
    description = "Entries are written in the transaction of the change, or before an effect that no transaction \
        covers. They are never changed or removed, and contain no tokens or other secrets. Long texts, such as \
        logos, are replaced by length and digest.",
    params(AuditQuery),
    responses(
        (status = 200, description = "A page.", body = inline(AuditResponse)),
        Unauthorized, Forbidden, InvalidField, Unavailable
    )
)]
pub(super) async fn list(
    _: Operator,
    State(admin): State<Arc<AdminService>>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditResponse>, Problem> {
    let limit = params::number(
        query.limit.as_deref(),
        "limit",
        DEFAULT_LIMIT,
        1..=MAX_LIMIT,
    )? as u32;
    let before = params::number(
        query.before.as_deref(),
        "before",
        i64::MAX as u64,
        1..=i64::MAX as u64,
    )? as i64;
    let event = params::event_filter(query.event_id.as_deref())?;
    let entries = admin.audit_records(event, before, limit).await?;

    let next = entries
        .last()
        .filter(|_| entries.len() == limit as usize)
        .map(|last| last.audit_id);
    Ok(Json(AuditResponse { entries, next }))
}
