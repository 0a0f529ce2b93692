//! The queue over plain HTTP: join, position, leave, status.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use waitingroom::{
    http::{Json, Path, Query, RawBody, from_slice},
    ids::EventId,
    problem::Problem,
    protocol::{SeatPreference, check_preferences},
    queue::SaleState,
    rate::throttled_rate,
};

use super::extract::{AuthenticatedUser, Caller, bearer};
use crate::{
    auto_hold::AutoHoldService,
    booking_client::BookingClient,
    place_presenter::{PlacePresenter, PlaceResponse},
    queue_service::{PlaceRequest, PresentedTicket, QueueService, position_unknown},
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
    State(queue): State<Arc<QueueService>>,
    State(presenter): State<Arc<PlacePresenter>>,
    State(auto_hold): State<Arc<AutoHoldService>>,
    State(booking): State<Arc<BookingClient>>,
    Caller { identity, address }: Caller,
    headers: HeaderMap,
    Json(body): Json<JoinRequest>,
) -> Result<Response, Problem> {
    check_preferences("wish", &body.wish)?;
    let event = body.event_id;
    let user = &identity.user;
    let request = PlaceRequest {
        event,
        caller: &identity,
        address,
        presented: PresentedTicket {
            ticket: body.ticket.as_deref(),
            position: body.position,
        },
        previous_hold: None,
    };
    let joined = queue.join_by_poll(&request).await?;
    let place = joined.place.ok_or_else(position_unknown)?;
    let status = if joined.is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };

    let response = presenter.place_response(event, user, &place);
    let response = match (&place.grant, bearer(&headers)) {
        (Some(grant), Some(token)) if !body.wish.is_empty() => {
            let credentials = booking.credentials(token, &identity, address);
            let outcome = auto_hold
                .hold_first_available(&credentials, event, user, grant, &body.wish)
                .await;
            response.with_hold(&outcome)
        }
        _ => response,
    };
    Ok((status, Json(response)).into_response())
}

pub(crate) async fn position(
    State(queue): State<Arc<QueueService>>,
    State(presenter): State<Arc<PlacePresenter>>,
    AuthenticatedUser(identity): AuthenticatedUser,
    Path(event): Path<EventId>,
) -> Result<Json<PlaceResponse>, Problem> {
    let place = queue.poll(event, &identity).await?;
    let place = place.ok_or_else(position_unknown)?;
    Ok(Json(presenter.place_response(
        event,
        &identity.user,
        &place,
    )))
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
    State(queue): State<Arc<QueueService>>,
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

    queue.leave(event_id, &identity).await?;
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
    State(queue): State<Arc<QueueService>>,
    AuthenticatedUser(_): AuthenticatedUser,
    Path(event_id): Path<EventId>,
) -> Result<Json<QueueStatusResponse>, Problem> {
    let status = queue.status(event_id).await?;
    Ok(Json(QueueStatusResponse {
        event_id,
        state: status.settings.state,
        total_in_queue: status.total,
        active_passes: status.active,
        max_active: status.settings.max_active,
        rate_per_second: status.settings.rate_per_second,
        rate_effective: throttled_rate(status.settings.rate_per_second, status.share),
        seats_left: status.seats_left,
        message: status.settings.message,
    }))
}
