//! Operators' dashboards.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use waitingroom_server::{
    http::{Json, Path},
    problem::Problem,
};

use super::{extract::Operator, params, sse};
use crate::{live::dashboard::EventSnapshot, state::AppState};

#[derive(Serialize)]
pub(super) struct LiveResponse {
    #[serde(flatten)]
    now: Arc<EventSnapshot>,
    history: Box<RawValue>,
}

pub(super) async fn get(
    _: Operator,
    State(state): State<Arc<AppState>>,
    Path(event): Path<String>,
) -> Result<Json<LiveResponse>, Problem> {
    let event = state.catalogue.event(params::event_id(&event)?).await?;
    let now = state.event_snapshot(&event).await?;

    Ok(Json(LiveResponse {
        now,
        history: state.history(event.event_id),
    }))
}

pub(super) async fn stream(
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
    Path(event): Path<String>,
) -> Result<Response, Problem> {
    let operator = state
        .backends
        .authenticator
        .authenticate(&headers)?
        .operator()?;
    let event = state.catalogue.event(params::event_id(&event)?).await?;
    let permit = state
        .dashboard
        .feed
        .acquire()
        .ok_or_else(sse::no_capacity)?;
    let reader = match state
        .dashboard
        .feed
        .subscribe_existing(event.event_id, permit)
    {
        Ok(reader) => reader,
        Err(permit) => {
            let first = state.snapshot_update(&event).await?;
            state
                .dashboard
                .feed
                .subscribe(event.event_id, first, permit)
                .ok_or_else(sse::draining)?
        }
    };

    Ok(sse::response_until(
        reader,
        operator.expires_at.since(state.now()),
    ))
}

pub(super) async fn nodes(
    _: Operator,
    State(state): State<Arc<AppState>>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(state.nodes().await?))
}
