//! The line over plain HTTP.

mod identities;
mod queue;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    Router,
    extract::{ConnectInfo, FromRequestParts},
    http::request::Parts,
    routing::{delete, get, post},
};
use waitingroom::{identity::Identity, problem::Problem};

pub(crate) use self::queue::bearer;
use crate::{Gateway, socket, stream};

pub(crate) fn router(gateway: Gateway) -> Router {
    let development = gateway.0.config.development_secret.is_some();
    let routes = Router::new()
        .route("/api/v1/queue/join", post(queue::join))
        .route("/api/v1/queue/position/{event_id}", get(queue::position))
        .route(
            "/api/v1/queue/position/{event_id}/stream",
            get(stream::stream),
        )
        .route("/api/v1/queue/leave", delete(queue::leave))
        .route("/api/v1/queue/status/{event_id}", get(queue::status))
        .route("/api/v1/ws", get(socket::upgrade))
        .route("/api/v1/guest", post(identities::guest));
    let routes = match development {
        true => routes.route("/api/v1/dev/token", post(identities::development_token)),
        false => routes, // nothing is there, so that nothing is read of a request to it
    };
    routes.with_state(gateway)
}

/// Who takes places, and where they come from.
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    pub(crate) address: IpAddr,
}

impl FromRequestParts<Gateway> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let identity = gateway.0.with.authenticator.authenticate(&parts.headers)?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or_else(
            || SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            |peer| peer.0,
        );
        Ok(Self {
            identity,
            address: gateway.0.guest_door.address(peer, &parts.headers),
        })
    }
}

/// The user of a request.
pub(crate) struct AuthenticatedUser(pub(crate) Identity);

impl FromRequestParts<Gateway> for AuthenticatedUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        gateway
            .0
            .with
            .authenticator
            .authenticate(&parts.headers)
            .map(Self)
    }
}
