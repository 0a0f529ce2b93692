//! The public catalogue, and an event as operators see it.

use std::{collections::HashMap, sync::Arc};

use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{EventId, ShowId, ZoneId},
    queue::{QueueSettings, SaleState},
};
use waitingroom_server::{
    http::{Json, Path},
    openapi::problems::{EventNotFound, InvalidField, Unavailable},
    problem::Problem,
};

use super::params;
use crate::{
    catalogue::Catalogue,
    error::BookingError,
    live::availability::AvailabilityService,
    model::{
        appearance::Appearance,
        event::{Event, Show, Zone},
        money::Currency,
    },
};

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "events": [{
    "event_id": "d0000000-0000-0001-0000-000000000000",
    "name": "The Velvet Rope: live at the Harbour",
    "state": "open",
    "currency": "EUR",
    "min_price": 8900
}] }))]
pub(super) struct EventList {
    events: Vec<EventSummary>,
}

/// The name and the state of an event, and what a list of events shows of it.
#[derive(Serialize, ToSchema)]
#[schema(as = EventHead)]
struct EventSummary {
    event_id: EventId,
    name: String,
    state: SaleState,
    currency: Currency,
    /// Lowest price of one seat, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    min_price: Option<i64>,
    /// The operator's message to all users.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<String>,
}

/// An event with its shows, zones and available seats.
#[derive(Serialize, ToSchema)]
#[schema(as = Event, example = json!(event_example()))]
pub(super) struct EventResponse {
    #[serde(flatten)]
    summary: EventSummary,
    /// Max seats that one user may hold or have bought.
    max_seats_per_user: u32,
    /// Duration of a hold.
    hold_seconds: u32,
    #[serde(skip_serializing_if = "Appearance::is_default")]
    #[schema(required = false)]
    appearance: Appearance,
    shows: Vec<ShowResponse>,
}

/// An event as operators see it: with the settings of its queue.
#[derive(Serialize, ToSchema)]
#[schema(as = OperatedEvent, example = json!(operator_event_example()))]
pub(super) struct OperatorEventResponse {
    #[serde(flatten)]
    event: EventResponse,
    queue: QueueSettings,
}

/// One date of an event.
#[derive(Serialize, ToSchema)]
#[schema(as = Show)]
struct ShowResponse {
    show_id: ShowId,
    name: String,
    #[schema(required)]
    starts_at: Option<Timestamp>,
    zones: Vec<ZoneResponse>,
}

/// A block of interchangeable seats.
#[derive(Serialize, ToSchema)]
#[schema(as = Zone)]
struct ZoneResponse {
    zone_id: ZoneId,
    name: String,
    /// Price of one seat, in minor units.
    #[schema(minimum = 0)]
    unit_price: i64,
    currency: Currency,
    /// All seats.
    capacity: u32,
    /// Seats that can be reserved now.
    available: u32,
}

/// An example for the interface's document.
fn event_example() -> Value {
    json!({
        "event_id": "d0000000-0000-0001-0000-000000000000",
        "name": "The Velvet Rope: live at the Harbour",
        "state": "open",
        "currency": "EUR",
            "min_price": 8900,
        "max_seats_per_user": 6,
        "hold_seconds": 300,
        "shows": [{
            "show_id": "d1000000-0000-0001-0000-000000000000",
            "name": "Friday evening",
            "starts_at": "2026-07-01T18:00:00Z",
            "zones": [{
                "zone_id": "d2000000-0000-0001-0002-000000000000",
                "name": "Stalls",
                "unit_price": 8900,
                "currency": "EUR",
                "capacity": 400,
                "available": 398,
            }],
        }],
    })
}

/// The same as operators see it.
pub(super) fn operator_event_example() -> Value {
    let mut event = event_example();
    event["queue"] = json!(QueueSettings::default());
    event
}

/// All events
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "listEvents",
    tag = "catalogue",
    responses((status = 200, description = "In the order of their creation.", body = inline(EventList))),
    security(())
)]
pub(super) async fn list(State(catalogue): State<Arc<Catalogue>>) -> Json<EventList> {
    Json(EventList {
        events: catalogue
            .events()
            .iter()
            .map(|event| summary(event))
            .collect(),
    })
}

/// An event with its shows, zones and available seats
#[utoipa::path(
    get,
    path = "/api/v1/events/{event_id}",
    operation_id = "getEvent",
    tag = "catalogue",
    params(("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000")),
    responses(
        (status = 200, description = "The event. `available` may be 200 milliseconds old.", body = EventResponse),
        EventNotFound, InvalidField, Unavailable
    ),
    security(())
)]
pub(super) async fn get(
    State(catalogue): State<Arc<Catalogue>>,
    State(availability): State<Arc<AvailabilityService>>,
    Path(event): Path<String>,
) -> Result<Json<EventResponse>, Problem> {
    let event = catalogue.event(params::event_id(&event)?).await?;
    Ok(Json(event_response(&availability, &event).await?))
}

/// The event with its available seats.
pub(super) async fn event_response(
    availability: &AvailabilityService,
    event: &Event,
) -> Result<EventResponse, BookingError> {
    let available = availability.available(event.event_id).await?;
    let shows = event
        .shows
        .iter()
        .map(|show| show_response(event, show, &available))
        .collect();

    Ok(EventResponse {
        summary: summary(event),
        max_seats_per_user: event.max_seats_per_user,
        hold_seconds: event.hold_seconds,
        appearance: event.appearance.clone(),
        shows,
    })
}

/// The event as operators see it.
pub(super) async fn operator_response(
    availability: &AvailabilityService,
    event: &Event,
) -> Result<OperatorEventResponse, BookingError> {
    Ok(OperatorEventResponse {
        event: event_response(availability, event).await?,
        queue: event.queue.clone(),
    })
}

fn summary(event: &Event) -> EventSummary {
    let zones = event.shows.iter().flat_map(|show| &show.zones);
    EventSummary {
        event_id: event.event_id,
        name: event.name.clone(),
        state: event.queue.state,
        currency: event.currency,
        min_price: zones.map(|zone| zone.unit_price).min(),
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
