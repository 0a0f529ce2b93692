//! Extractors that turn a token into an identity.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use waitingroom_domain::ids::UserId;
use waitingroom_server::problem::Problem;

use crate::authentication::RequestAuthenticator;

/// A user with a valid token.
pub(super) struct Caller(pub(super) UserId);

/// A user with a valid token who reserves seats; of a guest, the address too.
pub(super) struct Buyer {
    pub(super) user: UserId,
    pub(super) guest_address: Option<IpAddr>,
}

/// The address of a client without an identity, if it is known.
pub(super) struct ClientAddress(pub(super) Option<IpAddr>);

/// A user whose token has the role `admin`.
pub(super) struct Operator(pub(super) UserId);

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<RequestAuthenticator>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let authenticator = Arc::<RequestAuthenticator>::from_ref(state);
        authenticator.user(&parts.headers).map(Self)
    }
}

impl<S> FromRequestParts<S> for Buyer
where
    S: Send + Sync,
    Arc<RequestAuthenticator>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let authenticator = Arc::<RequestAuthenticator>::from_ref(state);
        let (user, guest_address) = authenticator.buyer(parts)?;
        Ok(Self {
            user,
            guest_address,
        })
    }
}

impl<S> FromRequestParts<S> for ClientAddress
where
    S: Send + Sync,
    Arc<RequestAuthenticator>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let authenticator = Arc::<RequestAuthenticator>::from_ref(state);
        Ok(Self(authenticator.client_address(parts)))
    }
}

impl<S> FromRequestParts<S> for Operator
where
    S: Send + Sync,
    Arc<RequestAuthenticator>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let authenticator = Arc::<RequestAuthenticator>::from_ref(state);
        let identity = authenticator.operator(&parts.headers)?;
        Ok(Self(identity.user))
    }
}
