//! Extractors that turn a token into an identity.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use utoipa::IntoParams;
use waitingroom_domain::ids::UserId;
use waitingroom_server::problem::Problem;

use crate::{authentication::RequestAuthenticator, model::revision::Precondition};

/// A user with a valid token.
pub(super) struct Caller(pub(super) UserId);

/// A user with a valid token who reserves seats; of a guest, the address too.
pub(super) struct Buyer {
    pub(super) user: UserId,
    pub(super) guest_address: Option<IpAddr>,
}

/// The address of a client without an identity, if it is known.
pub(super) struct ClientAddress(pub(super) Option<IpAddr>);

/// The header as a parameter of the OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the derive only")]
pub(super) struct IfMatchHeader {
    /// The revision that the caller has seen, in quotes.
    #[param(
        rename = "If-Match",
        value_type = String,
        required = false,
        pattern = r#"^(\*|(W/)?"[^",]*"( *, *(W/)?"[^",]*")*)$"#,
        example = r#""5f2b81c09a7e4d36""#
    )]
    if_match: Option<String>,
}

/// The header `If-Match`, if there is one.
pub(super) struct IfMatch(pub(super) Precondition);

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

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let values = parts.headers.get_all(header::IF_MATCH);
        let texts: Result<Vec<&str>, _> = values.iter().map(|value| value.to_str()).collect();
        let condition = match texts.as_deref() {
            Ok([]) => Some(Precondition::None),
            Ok(texts) => Precondition::parse(&texts.join(",")),
            Err(_) => None,
        };

        condition.map(Self).ok_or_else(|| {
            Problem::invalid(
                "If-Match",
                "must be entity tags in quotes, as in ETag, or *",
            )
        })
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
