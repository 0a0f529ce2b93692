//! Signs and verifies the tokens of guests, and signs development tokens.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::http::HeaderMap;
use uuid::Uuid;
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    ids::UserId,
    secret::Secret,
};
use waitingroom_server::{
    auth::{Authenticator, GUEST_PREFIX, GUEST_TTL, Identity, mint_user_token},
    problem::{Code, Problem},
};

use super::new_guest_limit::GuestRateLimiter;

const DEV_TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);

/// Issues the tokens of guests.
pub(crate) struct GuestTokenIssuer {
    authenticator: Authenticator,
    rate_limiter: Arc<GuestRateLimiter>,
    clock: Clock,
}

impl GuestTokenIssuer {
    pub(crate) fn new(
        authenticator: Authenticator,
        rate_limiter: Arc<GuestRateLimiter>,
        clock: Clock,
    ) -> Self {
        Self {
            authenticator,
            rate_limiter,
            clock,
        }
    }

    /// The guest of a request's token.
    pub(super) fn guest_of_request(&self, headers: &HeaderMap) -> Option<Identity> {
        let identity = self.authenticator.authenticate(headers).ok();
        identity.filter(|identity| identity.guest.is_some())
    }

    /// The guest of this token.
    pub(super) fn guest_of_token(&self, token: &str) -> Option<Identity> {
        let identity = self.authenticator.verify_token(token).ok();
        identity.filter(|identity| identity.guest.is_some())
    }

    /// How long this guest's token is still valid.
    pub(super) fn remaining_life(&self, guest: &Identity) -> Duration {
        guest.expires_at.since(self.clock.now())
    }

    /// A guest, new or known, with a new token, if guests are admitted. Both count towards the
    /// limit.
    pub(super) fn mint(
        &self,
        address: IpAddr,
        known: Option<UserId>,
    ) -> Result<(Identity, String), Problem> {
        if !self.authenticator.admits_guests() {
            return Err(Problem::new(
                Code::NotFound,
                "guests are not admitted here; sign in at the shop",
            ));
        }

        self.rate_limiter.check(address)?;
        let user = match known {
            Some(user) => user,
            None => format!("{GUEST_PREFIX}{}", Uuid::new_v4())
                .parse()
                .map_err(|_| signing_failed())?,
        };

        let now = self.clock.now();
        let expires_at = now.plus(GUEST_TTL);
        let token = self
            .authenticator
            .mint_guest(&user, now, expires_at)
            .ok_or_else(signing_failed)?;
        Ok((
            Identity {
                user,
                admin: false,
                guest: Some(now),
                expires_at,
            },
            token,
        ))
    }
}

/// Issues development tokens, which name any user.
pub(crate) struct DevTokenIssuer {
    secret: Secret,
    clock: Clock,
}

impl DevTokenIssuer {
    pub(crate) fn new(secret: Secret, clock: Clock) -> Self {
        Self { secret, clock }
    }

    /// A token of this user, and its end.
    pub(super) fn mint(
        &self,
        user: &UserId,
        role: Option<&str>,
    ) -> Result<(String, Timestamp), Problem> {
        let now = self.clock.now();
        let token = mint_user_token(&self.secret, user, role, now, DEV_TOKEN_TTL)
            .ok_or_else(signing_failed)?;
        Ok((token, now.plus(DEV_TOKEN_TTL)))
    }
}

fn signing_failed() -> Problem {
    Problem::new(Code::Internal, "the token could not be signed")
}
