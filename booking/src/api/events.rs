//! The public catalogue, and an event as operators see it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use axum::extract::{FromRef, State};
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
    live::{
        availability::AvailabilityService,
        dashboard::{DashboardService, QueueOverview},
    },
    model::{
        appearance::Appearance,
        event::{Event, Show, Zone},
        money::Currency,
        revision::Revision,
        venue::{VenueTimeZone, WallTime},
    },
    state::AppState,
};

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "events": [{
    "event_id": "d0000000-0000-0001-0000-000000000000",
    "name": "The Velvet Rope: live at the Harbour",
    "state": "open",
    "sold_out": false,
    "venue": "Harbour Stage",
    "city": "Hamburg",
    "time_zone": "Europe/Berlin",
    "starts_at": "2026-07-03T18:00:00Z",
    "starts_at_local": "2026-07-03T20:00:00",
    "currency": "EUR",
    "currency_digits": 2,
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
    /// Decimals of the currency's minor unit, by ISO 4217.
    #[schema(maximum = 4)]
    currency_digits: u8,
    /// Lowest price of one seat, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    min_price: Option<i64>,
    /// The operator's message to all users.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<String>,
    /// Every seat is sold, and none is held that could come back.
    sold_out: bool,
    /// The house or ground.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    venue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    city: Option<String>,
    /// The zone in which the event's times are meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    time_zone: Option<VenueTimeZone>,
    /// When its first show begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    starts_at: Option<Timestamp>,
    /// The same as the clocks at the venue show it; absent if `time_zone` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    starts_at_local: Option<WallTime>,
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
    /// The revision of `queue`.
    queue_revision: Revision,
    /// The revision of the appearance.
    appearance_revision: Revision,
    /// The queue at this moment; absent if it has not been sampled in the last seconds, as that of a
    /// closed sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    now: Option<QueueOverview>,
}

/// One date of an event.
#[derive(Serialize, ToSchema)]
#[schema(as = Show)]
struct ShowResponse {
    show_id: ShowId,
    name: String,
    #[schema(required)]
    starts_at: Option<Timestamp>,
    /// The same as the clocks at the venue show it; absent if the event's `time_zone` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    starts_at_local: Option<WallTime>,
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
    /// Decimals of the currency's minor unit, by ISO 4217.
    #[schema(maximum = 4)]
    currency_digits: u8,
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
        "sold_out": false,
        "venue": "Harbour Stage",
        "city": "Hamburg",
        "time_zone": "Europe/Berlin",
        "starts_at": "2026-07-03T18:00:00Z",
        "starts_at_local": "2026-07-03T20:00:00",
        "currency": "EUR",
        "currency_digits": 2,
        "min_price": 8900,
        "max_seats_per_user": 6,
        "hold_seconds": 300,
        "shows": [{
            "show_id": "d1000000-0000-0001-0000-000000000000",
            "name": "Friday evening",
            "starts_at": "2026-07-03T18:00:00Z",
            "starts_at_local": "2026-07-03T20:00:00",
            "zones": [{
                "zone_id": "d2000000-0000-0001-0002-000000000000",
                "name": "Stalls",
                "unit_price": 8900,
                "currency": "EUR",
                "currency_digits": 2,
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
    event["queue_revision"] = json!("5f2b81c09a7e4d36");
    event["appearance_revision"] = json!("0c8e0e1d22c4a9b7");
    event["now"] = json!({
        "at": "2026-07-01T18:00:00Z", "line": 61, "absent": 4, "active": 80,
        "released_per_second": 4.5, "admission": "releasing",
    });
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
pub(super) async fn list(
    State(catalogue): State<Arc<Catalogue>>,
    State(dashboard): State<Arc<DashboardService>>,
) -> Json<EventList> {
    let sold_out = dashboard.sold_out();
    Json(EventList {
        events: catalogue
            .events()
            .iter()
            .map(|event| summary(event, &sold_out))
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
    State(seats): State<EventSeats>,
    Path(event): Path<String>,
) -> Result<Json<EventResponse>, Problem> {
    let event = catalogue.event(params::event_id(&event)?).await?;
    Ok(Json(event_response(&seats, &event).await?))
}

/// What is known of the seats of events.
#[derive(Clone)]
pub(super) struct EventSeats {
    availability: Arc<AvailabilityService>,
    dashboard: Arc<DashboardService>,
}

impl FromRef<AppState> for EventSeats {
    fn from_ref(state: &AppState) -> Self {
        Self {
            availability: FromRef::from_ref(state),
            dashboard: FromRef::from_ref(state),
        }
    }
}

/// The event with its available seats.
pub(super) async fn event_response(
    seats: &EventSeats,
    event: &Event,
) -> Result<EventResponse, BookingError> {
    let available = seats.availability.available(event.event_id).await?;
    let shows = event
        .shows
        .iter()
        .map(|show| show_response(event, show, &available))
        .collect();

    Ok(EventResponse {
        summary: summary(event, &seats.dashboard.sold_out()),
        max_seats_per_user: event.max_seats_per_user,
        hold_seconds: event.hold_seconds,
        appearance: event.appearance.clone(),
        shows,
    })
}

/// The event as operators see it.
pub(super) async fn operator_response(
    seats: &EventSeats,
    event: &Event,
    now: Option<QueueOverview>,
) -> Result<OperatorEventResponse, BookingError> {
    Ok(OperatorEventResponse {
        event: event_response(seats, event).await?,
        queue: event.queue.clone(),
        queue_revision: Revision::of(&event.queue),
        appearance_revision: Revision::of(&event.appearance),
        now,
    })
}

fn summary(event: &Event, sold_out: &HashSet<EventId>) -> EventSummary {
    let starts_at = event.starts_at();
    let zones = event.shows.iter().flat_map(|show| &show.zones);
    EventSummary {
        event_id: event.event_id,
        name: event.name.clone(),
        state: event.queue.state,
        currency: event.currency,
        currency_digits: event.currency.digits(),
        min_price: zones.map(|zone| zone.unit_price).min(),
        message: event.queue.message.clone(),
        sold_out: sold_out.contains(&event.event_id),
        venue: event.venue.name.clone(),
        city: event.venue.city.clone(),
        time_zone: event.venue.time_zone.clone(),
        starts_at,
        starts_at_local: starts_at.and_then(|at| event.venue.wall_time(at)),
    }
}

fn show_response(event: &Event, show: &Show, available: &HashMap<ZoneId, u32>) -> ShowResponse {
    let zone_response = |zone: &Zone| ZoneResponse {
        zone_id: zone.zone_id,
        name: zone.name.clone(),
        unit_price: zone.unit_price,
        currency: event.currency,
        currency_digits: event.currency.digits(),
        capacity: zone.capacity,
        available: available.get(&zone.zone_id).copied().unwrap_or(0),
    };

    ShowResponse {
        show_id: show.show_id,
        name: show.name.clone(),
        starts_at: show.starts_at,
        starts_at_local: show.starts_at.and_then(|at| event.venue.wall_time(at)),
        zones: show.zones.iter().map(zone_response).collect(),
    }
}
