//! Extractors that turn a token into an identity.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::request::Parts,
};
use waitingroom_domain::{guest_address::HEADER, ids::UserId};
use waitingroom_server::{http::client_address, problem::Problem};

use crate::state::AppState;

/// A user with a valid token.
pub(super) struct Caller(pub(super) UserId);

/// A user with a valid token who reserves seats; of a guest, the address too.
pub(super) struct Buyer {
    pub(super) user: UserId,
    pub(super) guest_address: Option<IpAddr>,
}

/// A user whose token has the role `admin`.
pub(super) struct Operator(pub(super) UserId);

impl FromRequestParts<Arc<AppState>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, Problem> {
        Ok(Self(
            state
                .backends
                .authenticator
                .authenticate(&parts.headers)?
                .user,
        ))
    }
}

impl FromRequestParts<Arc<AppState>> for Buyer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, Problem> {
        let identity = state.backends.authenticator.authenticate(&parts.headers)?;
        let guest_address = identity
            .guest
            .and_then(|_| address(state, &identity.user, parts));
        Ok(Self {
            user: identity.user,
            guest_address,
        })
    }
}

/// The address that a gateway has signed; without a gateway, that of the connection, or the one
/// that a trusted proxy names.
fn address(state: &AppState, user: &UserId, parts: &Parts) -> Option<IpAddr> {
    let vouched = parts
        .headers
        .get(HEADER)
        .and_then(|value| value.to_str().ok());

    vouched
        .and_then(|value| state.backends.addresses.verify(user, value))
        .or_else(|| {
            let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
            Some(client_address(
                peer.ip(),
                &parts.headers,
                &state.config.trusted_proxies,
            ))
        })
}

impl FromRequestParts<Arc<AppState>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, Problem> {
        state
            .backends
            .authenticator
            .authenticate(&parts.headers)?
            .operator()
            .map(|identity| Self(identity.user))
    }
}
