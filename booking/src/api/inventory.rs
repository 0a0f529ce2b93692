//! Operators: engine against database.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Deserializer, Serialize};
use waitingroom::{
    http::{Json, Query, RawBody, from_slice},
    ids::{EventId, ShowId, ZoneId},
    problem::Problem,
};

use super::{extract::Operator, params};
use crate::admin::{AdminService, ZoneComparison};

#[derive(Default, Deserialize)]
pub(super) struct SyncRequest {
    /// Absent for every event. `null` is invalid: a program that has lost the id must not have all
    /// of them rebuilt.
    #[serde(default, deserialize_with = "present")]
    event_id: Option<EventId>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<EventId>, D::Error> {
    EventId::deserialize(deserializer).map(Some)
}

#[derive(Serialize)]
pub(super) struct SyncResponse {
    events: u64,
    zones: u64,
    holds: u64,
    corrected: u64,
}

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

#[derive(Deserialize)]
pub(super) struct StatusQuery {
    event_id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct StatusResponse {
    /// Sum of the differences of all zones, in seats.
    drift: i64,
    zones: Vec<ZoneStatus>,
}

#[derive(Serialize)]
struct ZoneStatus {
    event_id: EventId,
    show_id: ShowId,
    zone_id: ZoneId,
    capacity: u32,
    database: DatabaseSeats,
    redis: EngineSeats,
    /// The engine's seats less the database's.
    drift: i64,
}

#[derive(Serialize)]
struct DatabaseSeats {
    available: u32,
    held: u32,
    confirmed: u32,
}

#[derive(Serialize)]
struct EngineSeats {
    available: u32,
}

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
