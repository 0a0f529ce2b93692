//! Operators: the audit log.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use waitingroom_server::{
    http::{Json, Query},
    problem::Problem,
};

use super::{extract::Operator, params};
use crate::{error::BookingError, model::audit::AuditRecord, state::AppState};

const DEFAULT_LIMIT: u64 = 50;
const MAX_LIMIT: u64 = 200;

#[derive(Deserialize)]
pub(super) struct AuditQuery {
    event_id: Option<String>,
    limit: Option<String>,
    before: Option<String>,
}

#[derive(Serialize)]
pub(super) struct AuditResponse {
    entries: Vec<AuditRecord>,
    /// The `before` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

pub(super) async fn list(
    _: Operator,
    State(state): State<Arc<AppState>>,
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
    let entries = state
        .store()
        .audit_records(event, before, limit)
        .await
        .map_err(BookingError::from)?;

    let next = entries
        .last()
        .filter(|_| entries.len() == limit as usize)
        .map(|last| last.audit_id);
    Ok(Json(AuditResponse { entries, next }))
}
