//! Operators' dashboards.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use waitingroom::{
    http::{Json, Path},
    problem::Problem,
};

use super::{extract::Operator, params, sse};
use crate::{
    authentication::RequestAuthenticator,
    catalogue::Catalogue,
    live::dashboard::{DashboardService, EventSnapshot},
};

#[derive(Serialize)]
pub(super) struct LiveResponse {
    #[serde(flatten)]
    now: Arc<EventSnapshot>,
    history: Box<RawValue>,
}

pub(super) async fn get(
    _: Operator,
    State(catalogue): State<Arc<Catalogue>>,
    State(dashboard): State<Arc<DashboardService>>,
    Path(event): Path<String>,
) -> Result<Json<LiveResponse>, Problem> {
    let event = catalogue.event(params::event_id(&event)?).await?;
    let now = dashboard.event_snapshot(&event).await?;

    Ok(Json(LiveResponse {
        now,
        history: dashboard.history(event.event_id),
    }))
}

pub(super) async fn stream(
    State(authenticator): State<Arc<RequestAuthenticator>>,
    State(catalogue): State<Arc<Catalogue>>,
    State(dashboard): State<Arc<DashboardService>>,
    headers: HeaderMap,
    Path(event): Path<String>,
) -> Result<Response, Problem> {
    let operator = authenticator.operator(&headers)?;
    let event = catalogue.event(params::event_id(&event)?).await?;
    let first = dashboard.snapshot_update(&event);
    let reader = sse::subscribe(&dashboard.feed, event.event_id, first).await?;

    // The stream ends with the operator's token.
    let time_left = dashboard.time_until(operator.expires_at);
    Ok(sse::response_until(reader, time_left))
}

pub(super) async fn nodes(
    _: Operator,
    State(dashboard): State<Arc<DashboardService>>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(dashboard.nodes().await?))
}
