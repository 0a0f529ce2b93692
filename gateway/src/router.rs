//! The routes of the queue and of the tokens that are signed here.

use std::sync::Arc;

use axum::{
    Router,
    extract::FromRef,
    routing::{delete, get, post},
};

use crate::{
    guests::{token_issuer::DevTokenIssuer, tokens},
    state::Gateway,
    transport::{rest, sse, ws},
};

pub(crate) fn router(gateway: Gateway) -> Router {
    let issues_dev_tokens = Option::<Arc<DevTokenIssuer>>::from_ref(&gateway).is_some();
    let routes = Router::new()
        .route("/api/v1/queue/join", post(rest::join))
        .route("/api/v1/queue/position/{event_id}", get(rest::position))
        .route("/api/v1/queue/position/{event_id}/stream", get(sse::stream))
        .route("/api/v1/queue/leave", delete(rest::leave))
        .route("/api/v1/queue/status/{event_id}", get(rest::status))
        .route("/api/v1/ws", get(ws::upgrade))
        .route("/api/v1/guest", post(tokens::create_guest));
    let routes = match issues_dev_tokens {
        true => routes.route("/api/v1/dev/token", post(tokens::create_dev_token)),
        // Without the route, nothing of a request to it is read.
        false => routes,
    };

    routes.with_state(gateway)
}
