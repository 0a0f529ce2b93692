//! Available seats, as they change.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use waitingroom::{http::Path, problem::Problem};

use super::{params, sse};
use crate::{catalogue::Catalogue, live::availability::AvailabilityService};

/// Min time between two events: seats change faster than anyone can read.
const MIN_UPDATE_INTERVAL: Duration = Duration::from_secs(1);

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
