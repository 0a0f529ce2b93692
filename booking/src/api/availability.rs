//! Seats left, as they change.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use waitingroom::{http::Path, problem::Problem};

use super::{events::id, sse};
use crate::state::AppState;

/// Least time between two events: seats change faster than anyone can read.
const PACE: Duration = Duration::from_secs(1);

pub(super) async fn stream(
    State(state): State<Arc<AppState>>,
    Path(event): Path<String>,
) -> Result<Response, Problem> {
    let event = state.catalogue.event(id(&event)?).await?;
    let place = state.availability.feed.place().ok_or_else(sse::no_room)?;
    let reader = match state.availability.feed.join(event.event_id, place) {
        Ok(reader) => reader,
        Err(place) => {
            let first = state.availability_news(&event).await?;
            state
                .availability
                .feed
                .follow(event.event_id, first, place)
                .ok_or_else(sse::ended)?
        }
    };
    Ok(sse::answer(reader, PACE))
}
