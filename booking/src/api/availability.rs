//! Seats left, as they change.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use waitingroom::{http::Path, problem::Problem};

use super::{events::id, sse};
use crate::state::Desk;

/// Least time between two events: seats change faster than anyone can read.
const PACE: Duration = Duration::from_secs(1);

pub(super) async fn stream(
    State(desk): State<Arc<Desk>>,
    Path(event): Path<String>,
) -> Result<Response, Problem> {
    let event = desk.catalogue.event(id(&event)?).await?;
    let place = desk.availability.feed.place().ok_or_else(sse::no_room)?;
    let reader = match desk.availability.feed.join(event.event_id, place) {
        Ok(reader) => reader,
        Err(place) => {
            let first = desk.availability_news(&event).await?;
            desk.availability
                .feed
                .follow(event.event_id, first, place)
                .ok_or_else(sse::ended)?
        }
    };
    Ok(sse::answer(reader, PACE))
}
