//! Operators: engine against database.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use waitingroom_domain::ids::{EventId, ShowId, ZoneId};
use waitingroom_server::{
    http::{Json, Query, RawBody, from_slice},
    openapi::problems::{
        EventNotFound, Forbidden, InvalidField, Malformed, TooLarge, Unauthorized, Unavailable,
    },
    problem::Problem,
};

use super::{extract::Operator, params};
use crate::admin_actions::{AdminService, ZoneComparison};

#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!({ "event_id": "d0000000-0000-0001-0000-000000000000" }))]
pub(super) struct SyncRequest {
    /// Absent for all events. `null` is rejected: a program that has lost the id must not have all
    /// events rebuilt.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    event_id: Option<EventId>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<EventId>, D::Error> {
    EventId::deserialize(deserializer).map(Some)
}

/// The result of a rebuild.
#[derive(Serialize, ToSchema)]
#[schema(as = Synced, example = json!({ "events": 1, "zones": 8, "holds": 3, "corrected": 0 }))]
pub(super) struct SyncResponse {
    /// Events rebuilt.
    events: u64,
    /// Zones of these events.
    zones: u64,
    /// Live holds.
    holds: u64,
    /// Zones whose seats differed from the database.
    corrected: u64,
}

/// Rebuild the engine's seats from the database, without downtime
#[utoipa::path(
    post,
    path = "/api/v1/admin/sync-inventory",
    operation_id = "syncInventory",
    tag = "operators",
    description = "Also runs by itself if the engine lacks an event. Reservations get a 503 during the rebuild.",
    request_body(content = inline(Option<SyncRequest>), description = "One event; without a body, all events."),
    responses(
        (status = 200, description = "The result.", body = SyncResponse),
        Malformed, Unauthorized, Forbidden, EventNotFound, TooLarge, InvalidField, Unavailable
    )
)]
pub(super) async fn sync(
    Operator(operator): Operator,
    State(admin): State<Arc<AdminService>>,
    RawBody(body): RawBody,
) -> Result<Json<SyncResponse>, Problem> {
    let request: SyncRequest = if body.is_empty() {
        SyncRequest::default()
    } else {
        from_slice(&body)?
    };

    let events = admin.events(request.event_id).await?;
    let report = admin
        .sync_inventory(request.event_id, &events, &operator)
        .await?;
    Ok(Json(SyncResponse {
        events: events.len() as u64,
        zones: report.zones,
        holds: report.holds,
        corrected: report.corrected,
    }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StatusQuery {
    /// Only this event.
    #[param(value_type = Option<EventId>)]
    event_id: Option<String>,
}

/// The seats of the engine compared with those of the database.
#[derive(Serialize, ToSchema)]
#[schema(as = InventoryStatus, example = json!({ "drift": 0, "zones": [{
    "event_id": "d0000000-0000-0001-0000-000000000000",
    "show_id": "d1000000-0000-0001-0000-000000000000",
    "zone_id": "d2000000-0000-0001-0002-000000000000",
    "capacity": 400,
    "database": { "available": 398, "held": 2, "confirmed": 0 },
    "redis": { "available": 398 },
    "drift": 0
}] }))]
pub(super) struct StatusResponse {
    /// Sum of the differences of all zones, in seats.
    #[schema(minimum = 0)]
    drift: i64,
    zones: Vec<ZoneStatus>,
}

/// The seats of one zone.
#[derive(Serialize, ToSchema)]
#[schema(as = ZoneInventory)]
struct ZoneStatus {
    event_id: EventId,
    show_id: ShowId,
    zone_id: ZoneId,
    /// All seats.
    capacity: u32,
    #[schema(inline)]
    database: DatabaseSeats,
    #[schema(inline)]
    redis: EngineSeats,
    /// The seats of the engine minus those of the database.
    drift: i64,
}

#[derive(Serialize, ToSchema)]
struct DatabaseSeats {
    available: u32,
    held: u32,
    confirmed: u32,
}

#[derive(Serialize, ToSchema)]
struct EngineSeats {
    /// According to the engine, on any backend.
    available: u32,
}

/// Compare the engine's seats with the database, by zone
#[utoipa::path(
    get,
    path = "/api/v1/admin/inventory-status",
    operation_id = "compareInventory",
    tag = "operators",
    params(StatusQuery),
    responses(
        (
            status = 200,
            description = "The comparison, a snapshot: reservations in progress count as drift.",
            body = StatusResponse
        ),
        Unauthorized, Forbidden, EventNotFound, InvalidField, Unavailable
    )
)]
pub(super) async fn status(
    _: Operator,
    State(admin): State<Arc<AdminService>>,
    Query(query): Query<StatusQuery>,
) -> Result<Json<StatusResponse>, Problem> {
    let event = params::event_filter(query.event_id.as_deref())?;
    let mut zones = Vec::new();
    for event in admin.events(event).await? {
        let compared = admin.compare_zones(event.event_id).await?;
        zones.extend(compared.iter().map(zone_status));
    }

    Ok(Json(StatusResponse {
        drift: zones.iter().map(|zone| zone.drift.abs()).sum(),
        zones,
    }))
}

fn zone_status(compared: &ZoneComparison) -> ZoneStatus {
    let ZoneComparison {
        database: zone,
        engine_available,
    } = compared;
    ZoneStatus {
        event_id: zone.event_id,
        show_id: zone.show_id,
        zone_id: zone.zone_id,
        capacity: zone.capacity,
        database: DatabaseSeats {
            available: zone.available(),
            held: zone.held,
            confirmed: zone.confirmed,
        },
        redis: EngineSeats {
            available: *engine_available,
        },
        drift: i64::from(*engine_available) - i64::from(zone.available()),
    }
}
