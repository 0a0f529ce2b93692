//! The routes of the queue and of the tokens that are signed here.

use axum::Router;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    guests::tokens,
    state::Gateway,
    transport::{rest, sse, ws},
};

pub(crate) fn router(gateway: Gateway) -> Router {
    let development = gateway.0.config.development_secret.is_some();
    routes(development).with_state(gateway).into()
}

/// Each handler names its method and its path.
pub(crate) fn routes(development: bool) -> OpenApiRouter<Gateway> {
    let routes = OpenApiRouter::default()
        .routes(routes!(tokens::create_guest))
        .routes(routes!(rest::join))
        .routes(routes!(rest::position))
        .routes(routes!(sse::stream))
        .routes(routes!(rest::leave))
        .routes(routes!(rest::status))
        .routes(routes!(ws::upgrade));

    match development {
        true => routes.routes(routes!(tokens::create_dev_token)),
        // Without the route, nothing of a request to it is read.
        false => routes,
    }
}
