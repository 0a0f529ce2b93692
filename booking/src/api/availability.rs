//! Available seats, as they change.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use waitingroom_server::{http::Path, problem::Problem};

use super::{params, sse};
use crate::state::AppState;

/// Min time between two events: seats change faster than anyone can read.
const MIN_UPDATE_INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn stream(
    State(state): State<Arc<AppState>>,
    Path(event): Path<String>,
) -> Result<Response, Problem> {
    let event = state.catalogue.event(params::event_id(&event)?).await?;
    let permit = state
        .availability
        .feed
        .acquire()
        .ok_or_else(sse::no_capacity)?;
    let reader = match state
        .availability
        .feed
        .subscribe_existing(event.event_id, permit)
    {
        Ok(reader) => reader,
        Err(permit) => {
            let first = state.availability_update(&event).await?;
            state
                .availability
                .feed
                .subscribe(event.event_id, first, permit)
                .ok_or_else(sse::draining)?
        }
    };

    Ok(sse::response(reader, MIN_UPDATE_INTERVAL))
}
