//! Who sends a request: users and operators by their token, guests by their address as well.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, request::Parts},
};
use ipnet::IpNet;
use waitingroom_domain::{
    guest_address::{GuestAddressKey, HEADER},
    ids::UserId,
};
use waitingroom_server::{
    auth::{Authenticator, Identity},
    http::client_address,
    problem::Problem,
};

/// See the module's documentation.
pub(crate) struct RequestAuthenticator {
    /// Verifies tokens.
    pub(crate) tokens: Authenticator,
    /// Verifies the addresses of guests that gateways sign.
    pub(crate) addresses: GuestAddressKey,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
}

impl RequestAuthenticator {
    /// A user with a valid token.
    pub(crate) fn user(&self, headers: &HeaderMap) -> Result<UserId, Problem> {
        Ok(self.tokens.authenticate(headers)?.user)
    }

    /// A user whose token has the role `admin`.
    pub(crate) fn operator(&self, headers: &HeaderMap) -> Result<Identity, Problem> {
        self.tokens.authenticate(headers)?.operator()
    }

    /// A user with a valid token; of a guest, the address too, if it is known.
    pub(crate) fn buyer(&self, parts: &Parts) -> Result<(UserId, Option<IpAddr>), Problem> {
        let identity = self.tokens.authenticate(&parts.headers)?;
        let guest_address = identity
            .guest
            .and_then(|_| self.address(&identity.user, parts));
        Ok((identity.user, guest_address))
    }

    /// The address of a client without an identity, if it is known.
    pub(crate) fn client_address(&self, parts: &Parts) -> Option<IpAddr> {
        let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
        Some(client_address(
            peer.ip(),
            &parts.headers,
            &self.trusted_proxies,
        ))
    }

    /// The address that a gateway has signed; without a gateway, that of the connection, or the one
    /// that a trusted proxy names.
    fn address(&self, user: &UserId, parts: &Parts) -> Option<IpAddr> {
        let vouched = parts
            .headers
            .get(HEADER)
            .and_then(|value| value.to_str().ok());

        vouched
            .and_then(|value| self.addresses.verify(user, value))
            .or_else(|| self.client_address(parts))
    }
}
