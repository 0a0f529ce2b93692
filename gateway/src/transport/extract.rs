//! The user behind a request, and the address that the request comes from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
};
use waitingroom_server::{auth::Identity, problem::Problem};

use crate::{booking_client::UserCredentials, state::Gateway};

/// The user of a request, and the address that the request comes from.
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    pub(crate) address: IpAddr,
}

impl FromRequestParts<Gateway> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let identity = gateway.0.deps.authenticator.authenticate(&parts.headers)?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or_else(
            || SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            |peer| peer.0,
        );

        Ok(Self {
            identity,
            address: gateway
                .0
                .guest_rate_limiter
                .request_address(peer, &parts.headers),
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
            .deps
            .authenticator
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

impl Gateway {
    /// The credentials of this user for booking.
    pub(crate) fn credentials(
        &self,
        token: &str,
        caller: &Identity,
        address: IpAddr,
    ) -> UserCredentials {
        let guest_address = caller
            .guest
            .and_then(|_| self.0.deps.addresses.sign(&caller.user, address));
        UserCredentials {
            token: token.to_owned(),
            guest_address,
        }
    }
}
