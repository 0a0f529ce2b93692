//! Operators: events and how their lines are run.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use serde::Serialize;
use waitingroom_domain::{
    ids::{EventId, UserId},
    queue::{QueuePatch, QueueSettings},
};
use waitingroom_server::{
    http::{Json, LargeJson, Path},
    problem::Problem,
};

use super::{
    events::{EventResponse, operator_response},
    extract::Operator,
    new_event::NewEvent,
    params,
};
use crate::{
    model::appearance::{Appearance, AppearancePatch},
    state::AppState,
};

#[derive(Serialize)]
pub(super) struct OperatorEventList {
    events: Vec<EventResponse>,
}

pub(super) async fn list(
    _: Operator,
    State(state): State<Arc<AppState>>,
) -> Result<Json<OperatorEventList>, Problem> {
    state.sync_catalogue().await?;
    let mut events = Vec::new();
    for event in state.catalogue.events() {
        events.push(operator_response(&state, &event).await?);
    }

    Ok(Json(OperatorEventList { events }))
}

pub(super) async fn create(
    Operator(operator): Operator,
    State(state): State<Arc<AppState>>,
    LargeJson(request): LargeJson<NewEvent>,
) -> Result<impl IntoResponse, Problem> {
    let event = request.into_event()?;
    let created = state.create_event(&event, &operator).await?;

    Ok((
        StatusCode::CREATED,
        Json(operator_response(&state, &created).await?),
    ))
}

#[derive(Serialize)]
pub(super) struct QueueResponse {
    event_id: EventId,
    #[serde(flatten)]
    settings: QueueSettings,
}

pub(super) async fn queue(
    _: Operator,
    State(state): State<Arc<AppState>>,
    Path(event): Path<String>,
) -> Result<Json<QueueResponse>, Problem> {
    let event = state.catalogue.event(params::event_id(&event)?).await?;
    Ok(Json(QueueResponse {
        event_id: event.event_id,
        settings: event.queue.clone(),
    }))
}

pub(super) async fn update_queue(
    Operator(operator): Operator,
    State(state): State<Arc<AppState>>,
    Path(event): Path<String>,
    Json(patch): Json<QueuePatch>,
) -> Result<Json<QueueResponse>, Problem> {
    let event_id = params::event_id(&event)?;
    QueueSettings::default()
        .with(&patch)
        .map_err(|invalid| params::invalid_setting("", &invalid))?;

    let settings = state.update_queue(event_id, &patch, &operator).await?;
    Ok(Json(QueueResponse { event_id, settings }))
}

#[derive(Serialize)]
pub(super) struct RemovedResponse {
    event_id: EventId,
    user_id: UserId,
    removed: bool,
}

pub(super) async fn remove_place(
    Operator(operator): Operator,
    State(state): State<Arc<AppState>>,
    Path((event, user)): Path<(String, String)>,
) -> Result<Json<RemovedResponse>, Problem> {
    let event_id = params::event_id(&event)?;
    let user_id: UserId = user
        .parse()
        .map_err(|_| Problem::invalid("user_id", "must be 1 to 255 printable characters"))?;

    state.remove_place(event_id, &user_id, &operator).await?;
    Ok(Json(RemovedResponse {
        event_id,
        user_id,
        removed: true,
    }))
}

#[derive(Serialize)]
pub(super) struct AppearanceResponse {
    event_id: EventId,
    appearance: Appearance,
}

pub(super) async fn update_appearance(
    Operator(operator): Operator,
    State(state): State<Arc<AppState>>,
    Path(event): Path<String>,
    LargeJson(patch): LargeJson<AppearancePatch>,
) -> Result<Json<AppearanceResponse>, Problem> {
    let event_id = params::event_id(&event)?;
    Appearance::default()
        .with(&patch)
        .map_err(|invalid| params::invalid_setting("", &invalid))?;

    let appearance = state.update_appearance(event_id, &patch, &operator).await?;
    Ok(Json(AppearanceResponse {
        event_id,
        appearance,
    }))
}
