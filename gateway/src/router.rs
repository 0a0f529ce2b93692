//! The routes of the queue and of the tokens that are signed here.

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    guests::{token_endpoints, token_issuer::DevTokenIssuer},
    push,
    state::Gateway,
    transport::{rest, sse, ws},
};

pub(crate) fn router(gateway: Gateway) -> Router {
    let issues_dev_tokens = Option::<Arc<DevTokenIssuer>>::from_ref(&gateway).is_some();
    routes(issues_dev_tokens).with_state(gateway).into()
}

/// Each handler names its method and its path.
pub(crate) fn routes(issues_dev_tokens: bool) -> OpenApiRouter<Gateway> {
    let routes = OpenApiRouter::default()
        .routes(routes!(token_endpoints::create_guest))
        .routes(routes!(rest::join))
        .routes(routes!(rest::position))
        .routes(routes!(sse::stream))
        .routes(routes!(rest::leave))
        .routes(routes!(rest::status))
        .routes(routes!(push::key))
        .routes(routes!(push::subscribe, push::unsubscribe))
        .routes(routes!(ws::upgrade));

    match issues_dev_tokens {
        true => routes.routes(routes!(token_endpoints::create_dev_token)),
        // Without the route, nothing of a request to it is read.
        false => routes,
    }
}
