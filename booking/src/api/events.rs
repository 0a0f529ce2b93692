//! The public catalogue, and an event as operators see it.

use std::{collections::HashMap, sync::Arc};

use axum::extract::State;
use serde::Serialize;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{EventId, ShowId, ZoneId},
    queue::{QueueSettings, SaleState},
};
use waitingroom_server::{
    http::{Json, Path},
    problem::Problem,
};

use super::params;
use crate::{
    error::BookingError,
    model::{
        appearance::Appearance,
        event::{Event, Show, Zone},
        money::Currency,
    },
    state::AppState,
};

#[derive(Serialize)]
pub(super) struct EventList {
    events: Vec<EventSummary>,
}

#[derive(Serialize)]
struct EventSummary {
    event_id: EventId,
    name: String,
    state: SaleState,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Serialize)]
pub(super) struct EventResponse {
    #[serde(flatten)]
    summary: EventSummary,
    currency: Currency,
    max_seats_per_user: u32,
    hold_seconds: u32,
    #[serde(skip_serializing_if = "Appearance::is_default")]
    appearance: Appearance,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<QueueSettings>,
    shows: Vec<ShowResponse>,
}

#[derive(Serialize)]
struct ShowResponse {
    show_id: ShowId,
    name: String,
    starts_at: Option<Timestamp>,
    zones: Vec<ZoneResponse>,
}

#[derive(Serialize)]
struct ZoneResponse {
    zone_id: ZoneId,
    name: String,
    unit_price: i64,
    currency: Currency,
    capacity: u32,
    available: u32,
}

pub(super) async fn list(State(state): State<Arc<AppState>>) -> Json<EventList> {
    Json(EventList {
        events: state
            .catalogue
            .events()
            .iter()
            .map(|event| summary(event))
            .collect(),
    })
}

pub(super) async fn get(
    State(state): State<Arc<AppState>>,
    Path(event): Path<String>,
) -> Result<Json<EventResponse>, Problem> {
    let event = state.catalogue.event(params::event_id(&event)?).await?;
    Ok(Json(event_response(&state, &event).await?))
}

/// The event with its available seats.
pub(super) async fn event_response(
    state: &AppState,
    event: &Event,
) -> Result<EventResponse, BookingError> {
    let available = state.available(event.event_id).await?;
    let shows = event
        .shows
        .iter()
        .map(|show| show_response(event, show, &available))
        .collect();

    Ok(EventResponse {
        summary: summary(event),
        currency: event.currency,
        max_seats_per_user: event.max_seats_per_user,
        hold_seconds: event.hold_seconds,
        appearance: event.appearance.clone(),
        queue: None,
        shows,
    })
}

/// The event as operators see it.
pub(super) async fn operator_response(
    state: &AppState,
    event: &Event,
) -> Result<EventResponse, BookingError> {
    Ok(EventResponse {
        queue: Some(event.queue.clone()),
        ..event_response(state, event).await?
    })
}

fn summary(event: &Event) -> EventSummary {
    EventSummary {
        event_id: event.event_id,
        name: event.name.clone(),
        state: event.queue.state,
        message: event.queue.message.clone(),
    }
}

fn show_response(event: &Event, show: &Show, available: &HashMap<ZoneId, u32>) -> ShowResponse {
    let zone_response = |zone: &Zone| ZoneResponse {
        zone_id: zone.zone_id,
        name: zone.name.clone(),
        unit_price: zone.unit_price,
        currency: event.currency,
        capacity: zone.capacity,
        available: available.get(&zone.zone_id).copied().unwrap_or(0),
    };

    ShowResponse {
        show_id: show.show_id,
        name: show.name.clone(),
        starts_at: show.starts_at,
        zones: show.zones.iter().map(zone_response).collect(),
    }
}
