//! Feeds as server-sent events.

use std::{convert::Infallible, time::Duration};

use async_stream::stream;
use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, sleep_until, timeout_at};
use waitingroom_domain::ids::EventId;
use waitingroom_server::problem::Problem;

use crate::{
    error::BookingError,
    live::feed::{Feed, Reader},
};

/// Finding another node takes less than a drain.
const DRAIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// A stream is never silent for longer, so that proxies and clients know that it is alive.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);

/// When a client may try again if all streams are taken.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(5);

/// A reader of this event. `first` is its value if it has no other reader.
///
/// # Errors
/// Every stream is taken, the process drains, or those of `first`.
pub(super) async fn subscribe(
    feed: &Feed,
    event: EventId,
    first: impl Future<Output = Result<Bytes, BookingError>>,
) -> Result<Reader, Problem> {
    let permit = feed.acquire().ok_or_else(no_capacity)?;
    match feed.subscribe_existing(event, permit) {
        Ok(reader) => Ok(reader),
        Err(permit) => feed
            .subscribe(event, first.await?, permit)
            .ok_or_else(draining),
    }
}

/// The reader's values, the first at once, two never less than `min_interval` apart.
pub(super) fn response(reader: Reader, min_interval: Duration) -> Response {
    event_stream(throttled(reader, min_interval))
}

fn event_stream(
    events: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    let mut response = Body::from_stream(events).into_response();
    let headers = response.headers_mut();

    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The reader's values as they come, for this long.
pub(super) fn response_until(reader: Reader, time: Duration) -> Response {
    event_stream(throttled(reader, Duration::ZERO).take_until(tokio::time::sleep(time)))
}

/// Every stream is taken.
fn no_capacity() -> Problem {
    Problem::unavailable(
        "this node has no capacity for another stream; poll instead",
        FULL_RETRY_AFTER,
    )
}

/// The process drains.
fn draining() -> Problem {
    Problem::unavailable("this node is shutting down", DRAIN_RETRY_AFTER)
}

fn throttled(
    mut reader: Reader,
    min_interval: Duration,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream! {
        yield Ok(reader.read());
        let mut next = Instant::now() + min_interval;
        loop {
            match timeout_at(Instant::now() + HEARTBEAT_INTERVAL, reader.changed()).await {
                Ok(true) => {
                    sleep_until(next).await;
                    yield Ok(reader.read());
                    next = Instant::now() + min_interval;
                }
                Ok(false) => return,
                Err(_) => yield Ok(Bytes::from_static(b": heartbeat\n\n")),
            }
        }
    }
}
