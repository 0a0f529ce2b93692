//! Operators: engine against database.

use std::{collections::HashMap, sync::Arc};

use axum::extract::State;
use serde::{Deserialize, Deserializer, Serialize};
use waitingroom_domain::ids::{EventId, ShowId, ZoneId};
use waitingroom_engine::EngineError;
use waitingroom_server::{
    http::{Json, Query, RawBody, from_slice},
    problem::Problem,
};

use super::{extract::Operator, params};
use crate::{error::BookingError, model::event::Event, state::AppState, store::ZoneCount};

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
    State(state): State<Arc<AppState>>,
    RawBody(body): RawBody,
) -> Result<Json<SyncResponse>, Problem> {
    let request: SyncRequest = if body.is_empty() {
        SyncRequest::default()
    } else {
        from_slice(&body)?
    };

    let events = select_events(&state, request.event_id).await?;
    let report = state
        .sync_inventory(request.event_id, &events, &operator)
        .await?;
    Ok(Json(SyncResponse {
        events: events.len() as u64,
        zones: report.zones,
        holds: report.holds,
        corrected: report.corrected,
    }))
}

async fn select_events(
    state: &AppState,
    event: Option<EventId>,
) -> Result<Vec<Arc<Event>>, BookingError> {
    state.sync_catalogue().await?;
    Ok(match event {
        Some(event) => vec![state.catalogue.event(event).await?],
        None => state.catalogue.events(),
    })
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
    State(state): State<Arc<AppState>>,
    Query(query): Query<StatusQuery>,
) -> Result<Json<StatusResponse>, Problem> {
    let events = select_events(&state, params::event_filter(query.event_id.as_deref())?).await?;
    let mut zones = Vec::new();
    for event in events {
        zones.extend(event_status(&state, event.event_id).await?);
    }

    Ok(Json(StatusResponse {
        drift: zones.iter().map(|zone| zone.drift.abs()).sum(),
        zones,
    }))
}

async fn event_status(state: &AppState, event: EventId) -> Result<Vec<ZoneStatus>, BookingError> {
    let seats = match state.with_timeout(state.engine().seats(event)).await {
        Ok(seats) => seats,
        Err(EngineError::UnknownEvent) => Vec::new(),
        Err(error) => return Err(error.into()),
    };

    let seats: HashMap<ZoneId, u32> = seats
        .iter()
        .map(|zone| (zone.zone_id, zone.available))
        .collect();
    let counts = state.store().zone_counts(Some(event)).await?;
    Ok(counts
        .iter()
        .map(|zone| zone_status(zone, seats.get(&zone.zone_id).copied().unwrap_or(0)))
        .collect())
}

fn zone_status(zone: &ZoneCount, engine: u32) -> ZoneStatus {
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
        redis: EngineSeats { available: engine },
        drift: i64::from(engine) - i64::from(zone.available()),
    }
}
