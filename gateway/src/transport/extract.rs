//! The user behind a request, and the address that the request comes from.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRef, FromRequestParts},
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
};
use waitingroom_server::{
    auth::{Authenticator, Identity},
    problem::Problem,
};

use crate::client_addresses::ClientAddresses;

/// The user of a request, and the address that the request comes from.
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    pub(crate) address: IpAddr,
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
    Arc<ClientAddresses>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let identity = Authenticator::from_ref(state).authenticate(&parts.headers)?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or_else(
            || SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            |peer| peer.0,
        );

        Ok(Self {
            identity,
            address: Arc::<ClientAddresses>::from_ref(state).request_address(peer, &parts.headers),
        })
    }
}

/// The user of a request.
pub(crate) struct AuthenticatedUser(pub(crate) Identity);

impl<S> FromRequestParts<S> for AuthenticatedUser
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Authenticator::from_ref(state)
            .authenticate(&parts.headers)
            .map(Self)
    }
}

/// The user's token, to be shown to booking.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')
        .map(|(_, token)| token.trim())
}
