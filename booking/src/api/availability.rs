//! Available seats, as they change.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use waitingroom_domain::ids::EventId;
use waitingroom_server::{
    http::Path,
    openapi::{
        event_stream,
        problems::{EventNotFound, InvalidField, Unavailable},
    },
    problem::Problem,
};

use super::{params, sse};
use crate::{
    catalogue::Catalogue,
    live::availability::{AvailabilityService, AvailabilityUpdate},
};

/// Min time between two events: seats change faster than anyone can read.
const MIN_UPDATE_INTERVAL: Duration = Duration::from_secs(1);

/// The events of the stream.
struct AvailabilityEvents;

impl PartialSchema for AvailabilityEvents {
    fn schema() -> RefOr<Schema> {
        event_stream(&[("availability", "Availability")])
    }
}

impl ToSchema for AvailabilityEvents {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("Availability".to_owned(), AvailabilityUpdate::schema()));
        AvailabilityUpdate::schemas(schemas);
    }
}

/// Changes of available seats, as server-sent events
#[utoipa::path(
    get,
    path = "/api/v1/events/{event_id}/availability/stream",
    operation_id = "streamAvailability",
    tag = "catalogue",
    description = "Public. The first event is sent at once; then at most one per second, and only if seats have \
        changed. A slow client receives the latest state, not every change. The stream ends when the node drains. \
        If the node has no capacity for another stream, the response is 503 with `Retry-After`.",
    params(("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000")),
    responses(
        (
            status = 200,
            description = "`text/event-stream`. Events: `availability` (data: an Availability). Comment lines are \
                the heartbeat, at least every 15 seconds.",
            content_type = "text/event-stream",
            body = inline(AvailabilityEvents),
            example = "event: availability\ndata: {\"event_id\":\"d0000000-0000-0001-0000-000000000000\",\"zones\":[{\"zone_id\":\"d2000000-0000-0001-0002-000000000000\",\"available\":398}]}\n\n: heartbeat\n\n"
        ),
        EventNotFound, InvalidField, Unavailable
    ),
    security(())
)]
pub(super) async fn stream(
    State(catalogue): State<Arc<Catalogue>>,
    State(availability): State<Arc<AvailabilityService>>,
    Path(event): Path<String>,
) -> Result<Response, Problem> {
    let event = catalogue.event(params::event_id(&event)?).await?;
    let first = availability.update(&event);
    let reader = sse::subscribe(&availability.feed, event.event_id, first).await?;

    Ok(sse::response(reader, MIN_UPDATE_INTERVAL))
}
