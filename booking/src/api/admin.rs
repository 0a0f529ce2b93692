//! Operators: events and how their lines are run.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;
use utoipa::ToSchema;
use waitingroom_domain::{
    ids::{EventId, UserId},
    queue::{QueuePatch, QueueSettings},
    schema::always_true,
};
use waitingroom_server::{
    http::{Json, LargeJson, Path},
    openapi::problems::{
        EventNotFound, Forbidden, InvalidBody, InvalidField, NotInQueue, Unauthorized, Unavailable,
    },
    problem::Problem,
};

use super::{
    events::{EventSeats, OperatorEventResponse, operator_event_example, operator_response},
    extract::{IfMatch, IfMatchHeader, Operator},
    new_event::NewEvent,
    params,
    problems::{AlreadyExists, PreconditionFailed},
};
use crate::{
    admin_actions::AdminService,
    catalogue::Catalogue,
    live::dashboard::DashboardService,
    model::{
        appearance::{Appearance, AppearancePatch},
        money::Currency,
        revision::Revision,
    },
};

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "events": [operator_event_example()] }))]
pub(super) struct OperatorEventList {
    events: Vec<OperatorEventResponse>,
}

/// All events with the settings of their queues
#[utoipa::path(
    get,
    path = "/api/v1/admin/events",
    operation_id = "listOperatedEvents",
    tag = "operators",
    responses(
        (status = 200, description = "In the order of their creation.", body = inline(OperatorEventList)),
        Unauthorized, Forbidden, Unavailable
    )
)]
pub(super) async fn list(
    _: Operator,
    State(admin): State<Arc<AdminService>>,
    State(seats): State<EventSeats>,
    State(dashboard): State<Arc<DashboardService>>,
) -> Result<Json<OperatorEventList>, Problem> {
    let mut events = Vec::new();
    for event in admin.events(None).await? {
        let now = dashboard.overview(event.event_id);
        events.push(operator_response(&seats, &event, now).await?);
    }

    Ok(Json(OperatorEventList { events }))
}

/// Add an event and open its queue
#[utoipa::path(
    post,
    path = "/api/v1/admin/events",
    operation_id = "createEvent",
    tag = "operators",
    description = "Ids that are absent are generated. Unknown fields are rejected. All or nothing is stored.",
    request_body = NewEvent,
    responses(
        (status = 201, description = "The event.", body = OperatorEventResponse),
        Unauthorized, Forbidden, AlreadyExists, InvalidBody, InvalidField, Unavailable
    )
)]
pub(super) async fn create(
    Operator(operator): Operator,
    State(admin): State<Arc<AdminService>>,
    State(seats): State<EventSeats>,
    LargeJson(request): LargeJson<NewEvent>,
) -> Result<impl IntoResponse, Problem> {
    let event = request.into_event()?;
    let created = admin.create_event(&event, &operator).await?;

    Ok((
        StatusCode::CREATED,
        Json(operator_response(&seats, &created, None).await?),
    ))
}

/// The currencies in which seats can be sold.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "currencies": [
    { "currency": "EUR", "currency_digits": 2 },
    { "currency": "JPY", "currency_digits": 0 }
] }))]
pub(super) struct CurrencyList {
    currencies: Vec<CurrencyResponse>,
}

/// A currency of ISO 4217.
#[derive(Serialize, ToSchema)]
#[schema(as = CurrencyInUse)]
struct CurrencyResponse {
    currency: Currency,
    /// Decimals of its minor unit.
    #[schema(maximum = 4)]
    currency_digits: u8,
}

/// The currencies in which seats can be sold
#[utoipa::path(
    get,
    path = "/api/v1/admin/currencies",
    operation_id = "listCurrencies",
    tag = "operators",
    description = "Those of ISO 4217 that are in use and have a minor unit. Amounts are integers in that unit: a         price of 1250 is 12.50 in a currency with two decimals and 1250 in one without.",
    responses(
        (status = 200, description = "By code.", body = inline(CurrencyList)),
        Unauthorized, Forbidden
    )
)]
pub(super) async fn currencies(_: Operator) -> Json<CurrencyList> {
    let mut currencies: Vec<_> = Currency::all()
        .map(|currency| CurrencyResponse {
            currency,
            currency_digits: currency.digits(),
        })
        .collect();
    currencies.sort_by(|one, other| one.currency.as_str().cmp(other.currency.as_str()));
    Json(CurrencyList { currencies })
}

/// The settings of an event's queue.
#[derive(Serialize, ToSchema)]
#[schema(as = EventQueueSettings, example = json!({
    "event_id": "d0000000-0000-0001-0000-000000000000",
    "state": "open",
    "rate_per_second": 5.0,
    "burst": 5,
    "max_active": 200,
    "pass_ttl_seconds": 300,
    "claim_window_seconds": 30,
    "push_claim_window_seconds": 120,
    "grace_seconds": 300,
    "max_in_line": 1000000,
    "message": null,
    "revision": "5f2b81c09a7e4d36"
}))]
pub(super) struct QueueResponse {
    event_id: EventId,
    #[serde(flatten)]
    settings: QueueSettings,
    /// Changes with the settings; in quotes it is the `ETag`, and the `If-Match` of a change.
    revision: Revision,
}

impl QueueResponse {
    fn new(event_id: EventId, settings: QueueSettings) -> Self {
        Self {
            event_id,
            revision: Revision::of(&settings),
            settings,
        }
    }
}

impl IntoResponse for QueueResponse {
    fn into_response(self) -> axum::response::Response {
        (etag(&self.revision), Json(self)).into_response()
    }
}

fn etag(revision: &Revision) -> [(header::HeaderName, String); 1] {
    [(header::ETAG, format!("\"{}\"", revision.as_str()))]
}

/// The settings of a queue
#[utoipa::path(
    get,
    path = "/api/v1/admin/events/{event_id}/queue",
    operation_id = "getQueueSettings",
    tag = "operators",
    params(("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000")),
    responses(
        (
            status = 200,
            description = "The current settings.",
            body = QueueResponse,
            headers(("ETag" = String, description = "The revision, in quotes."))
        ),
        Unauthorized, Forbidden, EventNotFound, InvalidField, Unavailable
    )
)]
pub(super) async fn queue(
    _: Operator,
    State(catalogue): State<Arc<Catalogue>>,
    Path(event): Path<String>,
) -> Result<QueueResponse, Problem> {
    let event = catalogue.event(params::event_id(&event)?).await?;
    Ok(QueueResponse::new(event.event_id, event.queue.clone()))
}

/// Change the settings of a queue while it runs
#[utoipa::path(
    put,
    path = "/api/v1/admin/events/{event_id}/queue",
    operation_id = "changeQueueSettings",
    tag = "operators",
    description = "Any subset of the settings; absent settings stay. Unknown fields are rejected. With `If-Match`, \
        the change is made only if the settings still have that revision; without, it is made in any case.",
    params(
        ("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000"),
        IfMatchHeader
    ),
    request_body(
        content = QueuePatch,
        example = json!({ "state": "paused", "message": "A short break. Every place is kept." })
    ),
    responses(
        (
            status = 200,
            description = "The current settings.",
            body = QueueResponse,
            headers(("ETag" = String, description = "The revision, in quotes."))
        ),
        Unauthorized, Forbidden, EventNotFound, PreconditionFailed, InvalidBody, InvalidField,
        Unavailable
    )
)]
pub(super) async fn update_queue(
    Operator(operator): Operator,
    State(admin): State<Arc<AdminService>>,
    Path(event): Path<String>,
    IfMatch(expected): IfMatch,
    Json(patch): Json<QueuePatch>,
) -> Result<QueueResponse, Problem> {
    let event_id = params::event_id(&event)?;
    QueueSettings::default()
        .with(&patch)
        .map_err(|invalid| params::invalid_setting("", &invalid))?;

    let settings = admin
        .update_queue(event_id, &patch, &expected, &operator)
        .await?;
    Ok(QueueResponse::new(event_id, settings))
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "event_id": "d0000000-0000-0001-0000-000000000000", "user_id": "alice", "removed": true
}))]
pub(super) struct RemovedResponse {
    event_id: EventId,
    user_id: UserId,
    #[schema(schema_with = always_true)]
    removed: bool,
}

/// Remove a user's place or pass
#[utoipa::path(
    delete,
    path = "/api/v1/admin/events/{event_id}/queue/places/{user_id}",
    operation_id = "removePlace",
    tag = "operators",
    description = "The user's connections receive `left`, and the audit log gets an entry `remove_place`. The \
        user's bookings stay. The user may join again at the end of the queue.",
    params(
        ("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000"),
        ("user_id" = UserId, Path, example = "alice")
    ),
    responses(
        (status = 200, description = "The place is removed.", body = inline(RemovedResponse)),
        Unauthorized, Forbidden, NotInQueue, InvalidField, Unavailable
    )
)]
pub(super) async fn remove_place(
    Operator(operator): Operator,
    State(admin): State<Arc<AdminService>>,
    Path((event, user)): Path<(String, String)>,
) -> Result<Json<RemovedResponse>, Problem> {
    let event_id = params::event_id(&event)?;
    let user_id: UserId = user
        .parse()
        .map_err(|_| Problem::invalid("user_id", "must be 1 to 255 printable characters"))?;

    admin.remove_place(event_id, &user_id, &operator).await?;
    Ok(Json(RemovedResponse {
        event_id,
        user_id,
        removed: true,
    }))
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "event_id": "d0000000-0000-0001-0000-000000000000",
    "appearance": { "accent": "#0a7f5a", "message": "Doors open at eight." },
    "revision": "0c8e0e1d22c4a9b7"
}))]
pub(super) struct AppearanceResponse {
    event_id: EventId,
    appearance: Appearance,
    /// Changes with the appearance; in quotes it is the `ETag`, and the `If-Match` of a change.
    revision: Revision,
}

/// Change the appearance of an event's pages
#[utoipa::path(
    put,
    path = "/api/v1/admin/events/{event_id}/appearance",
    operation_id = "changeAppearance",
    tag = "operators",
    description = "Any subset; absent fields stay, an empty text removes. Unknown fields are rejected. With \
        `If-Match`, the change is made only if the appearance still has that revision.",
    params(
        ("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000"),
        IfMatchHeader
    ),
    request_body(
        content = AppearancePatch,
        example = json!({ "accent": "#0a7f5a", "message": "Doors open at eight." })
    ),
    responses(
        (
            status = 200,
            description = "The current appearance.",
            body = inline(AppearanceResponse),
            headers(("ETag" = String, description = "The revision, in quotes."))
        ),
        Unauthorized, Forbidden, EventNotFound, PreconditionFailed, InvalidBody, InvalidField,
        Unavailable
    )
)]
pub(super) async fn update_appearance(
    Operator(operator): Operator,
    State(admin): State<Arc<AdminService>>,
    Path(event): Path<String>,
    IfMatch(expected): IfMatch,
    LargeJson(patch): LargeJson<AppearancePatch>,
) -> Result<impl IntoResponse, Problem> {
    let event_id = params::event_id(&event)?;
    Appearance::default()
        .with(&patch)
        .map_err(|invalid| params::invalid_setting("", &invalid))?;

    let appearance = admin
        .update_appearance(event_id, &patch, &expected, &operator)
        .await?;
    let revision = Revision::of(&appearance);
    Ok((
        etag(&revision),
        Json(AppearanceResponse {
            event_id,
            appearance,
            revision,
        }),
    ))
}
