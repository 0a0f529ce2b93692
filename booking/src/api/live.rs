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
use crate::{live::dashboard::Moment, state::Desk};

#[derive(Serialize)]
pub(super) struct LiveAnswer {
    #[serde(flatten)]
    now: Arc<Moment>,
    history: Box<RawValue>,
}

pub(super) async fn one(
    _: Operator,
    State(desk): State<Arc<Desk>>,
    Path(event): Path<String>,
) -> Result<Json<LiveAnswer>, Problem> {
    let event = desk.catalogue.event(id(&event)?).await?;
    let now = desk.live(&event).await?;
    Ok(Json(LiveAnswer {
        now,
        history: desk.history(event.event_id),
    }))
}

pub(super) async fn stream(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Path(event): Path<String>,
) -> Result<Response, Problem> {
    let operator = desk
        .backends
        .authenticator
        .authenticate(&headers)?
        .operator()?;
    let event = desk.catalogue.event(id(&event)?).await?;
    let place = desk.live.feed.place().ok_or_else(sse::no_room)?;
    let reader = match desk.live.feed.join(event.event_id, place) {
        Ok(reader) => reader,
        Err(place) => {
            let first = desk.live_news(&event).await?;
            desk.live
                .feed
                .follow(event.event_id, first, place)
                .ok_or_else(sse::ended)?
        }
    };
    Ok(sse::answer_until(
        reader,
        operator.expires_at.since(desk.now()),
    ))
}

pub(super) async fn nodes(
    _: Operator,
    State(desk): State<Arc<Desk>>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(desk.nodes().await?))
}
