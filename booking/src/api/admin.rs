//! Operators: events and how their lines are run.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use serde::Serialize;
use waitingroom::{
    http::{Json, Path},
    ids::EventId,
    line::{QueuePatch, QueueSettings},
    problem::Problem,
};

use super::{
    caller::Operator,
    events::{EventAnswer, id, operator_answer},
    new_event::NewEvent,
};
use crate::desk::Desk;

#[derive(Serialize)]
pub(super) struct EventList {
    events: Vec<EventAnswer>,
}

pub(super) async fn list(_: Operator, State(desk): State<Arc<Desk>>) -> Result<Json<EventList>, Problem> {
    desk.follow_catalogue().await?;
    let mut events = Vec::new();
    for event in desk.catalogue.events() {
        events.push(operator_answer(&desk, &event).await?);
    }
    Ok(Json(EventList { events }))
}

pub(super) async fn create(
    _: Operator,
    State(desk): State<Arc<Desk>>,
    Json(request): Json<NewEvent>,
) -> Result<impl IntoResponse, Problem> {
    let event = request.into_event()?;
    let created = desk.create_event(&event).await?;
    Ok((StatusCode::CREATED, Json(operator_answer(&desk, &created).await?)))
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
    Ok(Json(QueueAnswer { event_id: event.event_id, settings: event.queue.clone() }))
}

pub(super) async fn change_queue(
    _: Operator,
    State(desk): State<Arc<Desk>>,
    Path(event): Path<String>,
    Json(patch): Json<QueuePatch>,
) -> Result<Json<QueueAnswer>, Problem> {
    let event_id = id(&event)?;
    QueueSettings::default()
        .with(&patch)
        .map_err(|invalid| Problem::invalid(invalid.field, format!("must be {}", invalid.range)))?;
    let settings = desk.change_queue(event_id, &patch).await?;
    Ok(Json(QueueAnswer { event_id, settings }))
}
