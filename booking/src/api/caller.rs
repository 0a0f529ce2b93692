//! Who calls: extractors that turn a token into an identity.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use waitingroom::{ids::UserId, problem::Problem};

use crate::desk::Desk;

/// Anybody with a valid token.
pub(super) struct Caller(pub(super) UserId);

/// Somebody whose token has the role `admin`.
pub(super) struct Operator(pub(super) UserId);

impl FromRequestParts<Arc<Desk>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Problem> {
        Ok(Self(desk.backends.authenticator.authenticate(&parts.headers)?.user))
    }
}

impl FromRequestParts<Arc<Desk>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Problem> {
        desk.backends.authenticator.authenticate(&parts.headers)?.operator().map(|identity| Self(identity.user))
    }
}
