//! Operators' dashboards.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use waitingroom_domain::ids::EventId;
use waitingroom_server::{
    http::{Json, Path, Query},
    openapi::{
        event_stream,
        problems::{EventNotFound, Forbidden, InvalidField, Unauthorized, Unavailable},
    },
    problem::Problem,
};

use super::{extract::Operator, params, sse};
use crate::{
    authentication::RequestAuthenticator,
    catalogue::Catalogue,
    live::{
        dashboard::{DashboardService, EventSnapshot, NodesResponse},
        history::{History, HistoryRange},
    },
};

#[derive(Serialize, ToSchema)]
pub(super) struct LiveResponse {
    #[serde(flatten)]
    #[schema(value_type = EventSnapshot)]
    now: Arc<EventSnapshot>,
    /// Seconds between two samples of the history.
    history_step_seconds: u64,
    #[schema(value_type = History)]
    history: Box<RawValue>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LiveQuery {
    /// The history: `15m` with a sample per second, `1h` or `6h` with averages of 20 seconds.
    #[param(value_type = Option<String>, pattern = "^(15m|1h|6h)$", default = "15m")]
    range: Option<String>,
}

/// The current metrics of an event, and those of the last minutes or hours
#[utoipa::path(
    get,
    path = "/api/v1/admin/events/{event_id}/live",
    operation_id = "getLive",
    tag = "operators",
    description = "Each process of booking samples all events that are not closed once per second; the history \
        is that of the process that responds. Rates are differences of the engine's counters: exact, over all \
        nodes.",
    params(("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000"), LiveQuery),
    responses(
        (status = 200, description = "At most 1.5 seconds old.", body = inline(LiveResponse)),
        Unauthorized, Forbidden, EventNotFound, InvalidField, Unavailable
    )
)]
pub(super) async fn get(
    _: Operator,
    State(catalogue): State<Arc<Catalogue>>,
    State(dashboard): State<Arc<DashboardService>>,
    Path(event): Path<String>,
    Query(query): Query<LiveQuery>,
) -> Result<Json<LiveResponse>, Problem> {
    let range = match query.range.as_deref() {
        None => HistoryRange::default(),
        Some(name) => HistoryRange::from_name(name)
            .ok_or_else(|| Problem::invalid("range", "must be 15m, 1h or 6h"))?,
    };
    let event = catalogue.event(params::event_id(&event)?).await?;
    let now = dashboard.event_snapshot(&event).await?;

    Ok(Json(LiveResponse {
        now,
        history_step_seconds: range.step_seconds(),
        history: dashboard.history(event.event_id, range),
    }))
}

/// The events of the stream.
struct LiveEvents;

impl PartialSchema for LiveEvents {
    fn schema() -> RefOr<Schema> {
        event_stream(&[("live", "Moment")])
    }
}

impl ToSchema for LiveEvents {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("Moment".to_owned(), EventSnapshot::schema()));
        EventSnapshot::schemas(schemas);
    }
}

/// The metrics of an event each second, as server-sent events
#[utoipa::path(
    get,
    path = "/api/v1/admin/events/{event_id}/live/stream",
    operation_id = "streamLive",
    tag = "operators",
    description = "Use `fetch`: `EventSource` cannot send the token. The first event is sent at once. The stream \
        ends when the token expires and when the node drains. A node serves at most 256 of these streams.",
    params(("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000")),
    responses(
        (
            status = 200,
            description = "`text/event-stream`. Events: `live` (data: a Moment). Comment lines are the heartbeat.",
            content_type = "text/event-stream",
            body = inline(LiveEvents)
        ),
        Unauthorized, Forbidden, EventNotFound, InvalidField, Unavailable
    )
)]
pub(super) async fn stream(
    State(authenticator): State<Arc<RequestAuthenticator>>,
    State(catalogue): State<Arc<Catalogue>>,
    State(dashboard): State<Arc<DashboardService>>,
    headers: HeaderMap,
    Path(event): Path<String>,
) -> Result<Response, Problem> {
    let operator = authenticator.operator(&headers)?;
    let event = catalogue.event(params::event_id(&event)?).await?;
    let first = dashboard.snapshot_update(&event);
    let reader = sse::subscribe(&dashboard.feed, event.event_id, first).await?;

    // The stream ends with the operator's token.
    let time_left = dashboard.time_until(operator.expires_at);
    Ok(sse::response_until(reader, time_left))
}

/// All live processes
#[utoipa::path(
    get,
    path = "/api/v1/admin/nodes",
    operation_id = "listNodes",
    tag = "operators",
    description = "Each process publishes its status once per second; it is dropped five seconds after the last one.",
    responses(
        (
            status = 200,
            description = "The processes by name, the load of booking as a whole, and the admission throttle.",
            body = inline(NodesResponse)
        ),
        Unauthorized, Forbidden, Unavailable
    )
)]
pub(super) async fn nodes(
    _: Operator,
    State(dashboard): State<Arc<DashboardService>>,
) -> Result<Json<NodesResponse>, Problem> {
    Ok(Json(dashboard.nodes().await?))
}
