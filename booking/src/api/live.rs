//! Operators: live figures.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use waitingroom::{
    http::{Json, Path},
    problem::Problem,
};

use super::{events::id, extract::Operator, sse};
use crate::{live::dashboard::EventSnapshot, state::AppState};

#[derive(Serialize)]
pub(super) struct LiveResponse {
    #[serde(flatten)]
    now: Arc<EventSnapshot>,
    history: Box<RawValue>,
}

pub(super) async fn one(
    _: Operator,
    State(state): State<Arc<AppState>>,
    Path(event): Path<String>,
) -> Result<Json<LiveResponse>, Problem> {
    let event = state.catalogue.event(id(&event)?).await?;
    let now = state.live(&event).await?;
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
    let event = state.catalogue.event(id(&event)?).await?;
    let place = state.live.feed.place().ok_or_else(sse::no_room)?;
    let reader = match state.live.feed.join(event.event_id, place) {
        Ok(reader) => reader,
        Err(place) => {
            let first = state.live_news(&event).await?;
            state
                .live
                .feed
                .follow(event.event_id, first, place)
                .ok_or_else(sse::ended)?
        }
    };
    Ok(sse::answer_until(
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
