//! The queue over plain HTTP: join, position, leave, status.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use waitingroom_domain::{
    ids::EventId, presence::Presence, queue::SaleState, rate::throttled_rate,
};
use waitingroom_engine::QueueStatus;
use waitingroom_server::{
    http::{Json, Path, Query, RawBody, from_slice},
    problem::Problem,
    protocol::{SeatPreference, check_preferences},
};

use super::extract::{AuthenticatedUser, Caller, bearer};
use crate::{
    queue_service::{PlaceResponse, PresentedTicket},
    state::Gateway,
};

#[derive(Deserialize)]
pub(crate) struct JoinRequest {
    event_id: EventId,
    #[serde(default)]
    ticket: Option<String>,
    #[serde(default)]
    position: Option<u32>,
    #[serde(default)]
    wish: Vec<SeatPreference>,
}

pub(crate) async fn join(
    State(gateway): State<Gateway>,
    Caller { identity, address }: Caller,
    headers: HeaderMap,
    Json(body): Json<JoinRequest>,
) -> Result<Response, Problem> {
    check_preferences("wish", &body.wish)?;
    let event = body.event_id;
    let user = &identity.user;
    let presented = PresentedTicket {
        ticket: body.ticket.as_deref(),
        position: body.position,
    };
    let (is_new, place) = gateway
        .join_within_limits(event, &identity, address, Presence::Poll, presented)
        .await?;
    let place = gateway.place_for_poll(event, user, place)?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };

    let response = gateway.place_response(event, user, &place);
    let response = match (&place.grant, bearer(&headers)) {
        (Some(grant), Some(token)) if !body.wish.is_empty() => {
            let credentials = gateway.credentials(token, &identity, address);
            let outcome = gateway
                .hold_first_available(&credentials, event, user, grant, &body.wish)
                .await;
            response.with_hold(&outcome)
        }
        _ => response,
    };
    Ok((status, Json(response)).into_response())
}

pub(crate) async fn position(
    State(gateway): State<Gateway>,
    AuthenticatedUser(identity): AuthenticatedUser,
    Path(event): Path<EventId>,
) -> Result<Json<PlaceResponse>, Problem> {
    let place = gateway
        .resume(event, &identity.user, &Presence::Poll)
        .await?;
    gateway.extend_guest_place(event, &identity);

    let place = gateway.place_for_poll(event, &identity.user, place)?;
    Ok(Json(gateway.place_response(event, &identity.user, &place)))
}

#[derive(Deserialize)]
pub(crate) struct LeaveQuery {
    event_id: Option<String>,
}

#[derive(Deserialize)]
struct LeaveRequest {
    event_id: EventId,
}

#[derive(Serialize)]
pub(crate) struct LeaveResponse {
    event_id: EventId,
    left: bool,
}

/// The event comes in the query or, from clients of the earlier system, in the body of the DELETE.
/// If it comes in both, they must agree: otherwise the user could lose a place that the client did
/// not mean.
pub(crate) async fn leave(
    State(gateway): State<Gateway>,
    AuthenticatedUser(identity): AuthenticatedUser,
    Query(parameters): Query<LeaveQuery>,
    RawBody(body): RawBody,
) -> Result<Json<LeaveResponse>, Problem> {
    let in_query = parameters.event_id.map(|event| event.parse()).transpose();
    let in_query = in_query.map_err(|_| Problem::invalid("event_id", "must be a UUID"))?;
    let in_body = if body.is_empty() {
        None
    } else {
        Some(from_slice::<LeaveRequest>(&body)?.event_id)
    };
    let event_id = in_query
        .or(in_body)
        .ok_or_else(|| Problem::invalid("event_id", "is required"))?;
    if in_body.is_some_and(|event| event != event_id) {
        return Err(Problem::invalid(
            "event_id",
            "must be the same in the query and in the body",
        ));
    }

    gateway.leave(event_id, &identity.user).await?;
    gateway.release_guest_place(event_id, &identity);
    Ok(Json(LeaveResponse {
        event_id,
        left: true,
    }))
}

#[derive(Serialize)]
pub(crate) struct QueueStatusResponse {
    event_id: EventId,
    state: SaleState,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    total_in_queue: u64,
    active_passes: u64,
    max_active: u32,
    rate_per_second: f64,
    rate_effective: f64,
    seats_left: u64,
}

pub(crate) async fn status(
    State(gateway): State<Gateway>,
    AuthenticatedUser(_): AuthenticatedUser,
    Path(event_id): Path<EventId>,
) -> Result<Json<QueueStatusResponse>, Problem> {
    let status = match gateway.0.deps.engine.status(event_id).await {
        Ok(status) => status,
        Err(error) => return Err(gateway.engine_problem(event_id, error).await),
    };

    Ok(Json(QueueStatusResponse {
        event_id,
        state: status.settings.state,
        total_in_queue: total(&gateway, event_id, &status),
        active_passes: status.active,
        max_active: status.settings.max_active,
        rate_per_second: status.settings.rate_per_second,
        rate_effective: throttled_rate(status.settings.rate_per_second, status.share),
        seats_left: seats_left(&gateway, event_id, &status),
        message: status.settings.message,
    }))
}

/// While the queue is being rebuilt, not all of its users are back: the last known total counts.
fn total(gateway: &Gateway, event: EventId, status: &QueueStatus) -> u64 {
    let known = if status.counting {
        gateway.0.registry.total(event)
    } else {
        None
    };
    known.map_or(status.total, |known| known.max(status.total))
}

/// Before the seats are loaded, the last known number counts.
fn seats_left(gateway: &Gateway, event: EventId, status: &QueueStatus) -> u64 {
    let known = if status.seats_known {
        None
    } else {
        gateway.0.registry.seats_left(event)
    };
    known.unwrap_or(status.seats_left)
}
