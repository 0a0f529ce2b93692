//! The queue over plain HTTP: join, position, leave, status.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use waitingroom_domain::{
    ids::EventId, queue::SaleState, rate::throttled_rate, schema::always_true,
};
use waitingroom_server::{
    http::{Json, Path, Query, RawBody, from_slice},
    openapi::problems::{
        EventNotFound, InvalidBody, InvalidField, Malformed, NotInQueue, RateLimited, TooLarge,
        Unauthorized, Unavailable,
    },
    problem::Problem,
    protocol::{SeatPreference, check_preferences},
};

use super::{
    extract::{AuthenticatedUser, Caller, bearer},
    problems::{GuestTooOld, NotJoinable, QueueClosed},
};
use crate::{
    auto_hold::AutoHoldService,
    booking_client::BookingClient,
    place_presenter::{PlacePresenter, PlaceResponse, place_example, ready_example},
    queue_service::{PlaceRequest, PresentedTicket, QueueService, position_unknown},
};

/// A request to join.
#[derive(Deserialize, ToSchema)]
#[schema(as = Join, example = json!({ "event_id": "d0000000-0000-0001-0000-000000000000" }))]
pub(crate) struct JoinRequest {
    event_id: EventId,
    /// A ticket from an earlier join. It is ignored unless it is this user's for this event.
    #[serde(default)]
    ticket: Option<String>,
    /// The last position that the client received with this ticket: if the queue was lost since, the
    /// client receives no greater one.
    #[serde(default)]
    #[schema(maximum = 4294967295_u32)]
    position: Option<u32>,
    /// Seat preferences, best first.
    #[serde(default)]
    #[schema(max_items = 5)]
    wish: Vec<SeatPreference>,
}

/// Join the queue, or find the user's place in it
#[utoipa::path(
    post,
    path = "/api/v1/queue/join",
    operation_id = "joinQueue",
    tag = "queue",
    description = "A user has one place, however often they join. A `ticket` from before a loss of the queue restores \
        the former number. The request counts as presence for 15 seconds, like every request for the position: \
        clients that poll have to repeat it within that time.",
    request_body = JoinRequest,
    responses(
        (status = 201, description = "A new place.", body = PlaceResponse, example = json!(place_example())),
        (
            status = 200,
            description = "The place that the user already has, or the pass.",
            body = PlaceResponse,
            example = json!(place_example())
        ),
        Unauthorized, GuestTooOld, EventNotFound, QueueClosed, InvalidBody, InvalidField, RateLimited, NotJoinable
    )
)]
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

/// The user's position, or the pass
#[utoipa::path(
    get,
    path = "/api/v1/queue/position/{event_id}",
    operation_id = "getPosition",
    tag = "queue",
    description = "For clients that poll. The response acknowledges the pass that it carries. 404 `NOT_IN_QUEUE` once \
        the pass is used.",
    params(("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000")),
    responses(
        (
            status = 200,
            description = "The place, or the pass.",
            body = PlaceResponse,
            examples(
                ("waiting" = (value = json!(place_example()))),
                ("ready" = (value = json!(ready_example())))
            )
        ),
        Unauthorized, NotInQueue, InvalidField, Unavailable
    )
)]
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

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LeaveQuery {
    /// The event, if it is not in the body.
    #[param(value_type = Option<EventId>)]
    event_id: Option<String>,
}

/// A request to leave.
#[derive(Deserialize, ToSchema)]
#[schema(as = Leave, example = json!({ "event_id": "d0000000-0000-0001-0000-000000000000" }))]
struct LeaveRequest {
    event_id: EventId,
}

/// The user is no longer in the queue.
#[derive(Serialize, ToSchema)]
#[schema(as = Left, example = json!({ "event_id": "d0000000-0000-0001-0000-000000000000", "left": true }))]
pub(crate) struct LeaveResponse {
    event_id: EventId,
    #[schema(schema_with = always_true)]
    left: bool,
}

/// Give up the place or the unused pass
///
/// The event comes in the query or, from clients of the earlier system, in the body of the DELETE.
/// If it comes in both, they must agree: otherwise the user could lose a place that the client did
/// not mean.
#[utoipa::path(
    delete,
    path = "/api/v1/queue/leave",
    operation_id = "leaveQueue",
    tag = "queue",
    description = "The query or the body names the event; if both do, they must name the same.",
    params(LeaveQuery),
    request_body = Option<LeaveRequest>,
    responses(
        (status = 200, description = "The place is given up.", body = LeaveResponse),
        Malformed, Unauthorized, NotInQueue, TooLarge, InvalidField, Unavailable
    )
)]
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

/// The state of a queue.
#[derive(Serialize, ToSchema)]
#[schema(as = QueueStatus, example = json!({
    "event_id": "d0000000-0000-0001-0000-000000000000",
    "state": "open",
    "total_in_queue": 340,
    "active_passes": 17,
    "max_active": 200,
    "rate_per_second": 5.0,
    "rate_effective": 5.0,
    "seats_left": 2580
}))]
pub(crate) struct QueueStatusResponse {
    event_id: EventId,
    state: SaleState,
    /// The operator's message to all users.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<String>,
    /// Users in the queue without a pass.
    total_in_queue: u64,
    /// Passes that are neither used nor expired.
    active_passes: u64,
    /// Max active passes.
    max_active: u32,
    /// The configured release rate.
    #[schema(minimum = 0)]
    rate_per_second: f64,
    /// The release rate that the load of booking allows; 0 while no booking process is live.
    #[schema(minimum = 0)]
    rate_effective: f64,
    /// Seats that can be reserved now, in all zones.
    seats_left: u64,
}

/// The state of a queue
#[utoipa::path(
    get,
    path = "/api/v1/queue/status/{event_id}",
    operation_id = "getQueueStatus",
    tag = "queue",
    params(("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000")),
    responses(
        (status = 200, description = "The queue as a whole.", body = QueueStatusResponse),
        Unauthorized, EventNotFound, InvalidField, Unavailable
    )
)]
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
