//! Operators: events and how their lines are run.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use serde::Serialize;
use waitingroom::{
    http::{Json, LargeJson, Path},
    ids::{EventId, UserId},
    line::{InvalidSetting, QueuePatch, QueueSettings},
    problem::Problem,
};

use super::{
    events::{EventAnswer, id, operator_answer},
    extract::Operator,
    new_event::NewEvent,
};
use crate::{
    model::appearance::{Appearance, AppearancePatch},
    state::Desk,
};

#[derive(Serialize)]
pub(super) struct EventList {
    events: Vec<EventAnswer>,
}

pub(super) async fn list(
    _: Operator,
    State(desk): State<Arc<Desk>>,
) -> Result<Json<EventList>, Problem> {
    desk.follow_catalogue().await?;
    let mut events = Vec::new();
    for event in desk.catalogue.events() {
        events.push(operator_answer(&desk, &event).await?);
    }
    Ok(Json(EventList { events }))
}

pub(super) async fn create(
    Operator(operator): Operator,
    State(desk): State<Arc<Desk>>,
    LargeJson(request): LargeJson<NewEvent>,
) -> Result<impl IntoResponse, Problem> {
    let event = request.into_event()?;
    let created = desk.create_event(&event, &operator).await?;
    Ok((
        StatusCode::CREATED,
        Json(operator_answer(&desk, &created).await?),
    ))
}

#[derive(Serialize)]
pub(super) struct QueueAnswer {
    event_id: EventId,
    #[serde(flatten)]
    settings: QueueSettings,
}

pub(super) async fn queue(
    _: Operator,
    State(desk): State<Arc<Desk>>,
    Path(event): Path<String>,
) -> Result<Json<QueueAnswer>, Problem> {
    let event = desk.catalogue.event(id(&event)?).await?;
    Ok(Json(QueueAnswer {
        event_id: event.event_id,
        settings: event.queue.clone(),
    }))
}

pub(super) async fn change_queue(
    Operator(operator): Operator,
    State(desk): State<Arc<Desk>>,
    Path(event): Path<String>,
    Json(patch): Json<QueuePatch>,
) -> Result<Json<QueueAnswer>, Problem> {
    let event_id = id(&event)?;
    QueueSettings::default()
        .with(&patch)
        .map_err(|invalid| refused("", &invalid))?;
    let settings = desk.change_queue(event_id, &patch, &operator).await?;
    Ok(Json(QueueAnswer { event_id, settings }))
}

#[derive(Serialize)]
pub(super) struct RemovedAnswer {
    event_id: EventId,
    user_id: UserId,
    removed: bool,
}

pub(super) async fn remove_place(
    Operator(operator): Operator,
    State(desk): State<Arc<Desk>>,
    Path((event, user)): Path<(String, String)>,
) -> Result<Json<RemovedAnswer>, Problem> {
    let event_id = id(&event)?;
    let user_id: UserId = user
        .parse()
        .map_err(|_| Problem::invalid("user_id", "must be 1 to 255 printable characters"))?;
    desk.remove_place(event_id, &user_id, &operator).await?;
    Ok(Json(RemovedAnswer {
        event_id,
        user_id,
        removed: true,
    }))
}

#[derive(Serialize)]
pub(super) struct AppearanceAnswer {
    event_id: EventId,
    appearance: Appearance,
}

pub(super) async fn change_appearance(
    Operator(operator): Operator,
    State(desk): State<Arc<Desk>>,
    Path(event): Path<String>,
    LargeJson(patch): LargeJson<AppearancePatch>,
) -> Result<Json<AppearanceAnswer>, Problem> {
    let event_id = id(&event)?;
    Appearance::default()
        .with(&patch)
        .map_err(|invalid| refused("", &invalid))?;
    let appearance = desk.change_appearance(event_id, &patch, &operator).await?;
    Ok(Json(AppearanceAnswer {
        event_id,
        appearance,
    }))
}

/// A setting of the object at `path` (empty, or ending with a dot) is out of its range.
pub(super) fn refused(path: &str, invalid: &InvalidSetting) -> Problem {
    Problem::invalid(
        &format!("{path}{}", invalid.field),
        format!("must be {}", invalid.range),
    )
}
