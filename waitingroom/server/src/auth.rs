//! Who a request is from: a JWT of the shop's own login, or a guest identity that the gateway
//! signs.

mod bearer_token;
mod claims;
mod jwks;

use std::{sync::Arc, time::Duration};

use axum::http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};
use serde::Serialize;
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    ids::UserId,
    secret::Secret,
};

pub use self::jwks::JwksError;
use self::{
    bearer_token::Token,
    claims::{Claims, Expected},
    jwks::KeySet,
};
use crate::problem::{Code, Problem};

const GUEST_ISSUER: &str = "stanchion:guest";
/// How the names of guests begin; no user of the shop's login may have such a name.
pub const GUEST_PREFIX: &str = "guest-";
/// Life of a guest identity: longer than any sale's day.
pub const GUEST_TTL: Duration = Duration::from_secs(24 * 3600);
/// Tokens longer than this are refused unread.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Somebody whose token was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// May this user operate sales?
    pub admin: bool,
    /// When the token was signed, if it was signed here and so is a guest's rather than one of the
    /// shop's login.
    pub guest: Option<Timestamp>,
    /// When the token ends.
    pub expires_at: Timestamp,
}

/// What is signed here.
#[derive(Serialize)]
struct SignedClaims<'a> {
    sub: &'a UserId,
    exp: i64,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
}

/// How the tokens of the shop's login are checked.
#[derive(Debug, Clone, Default)]
pub struct IdentityConfig {
    /// The secret of HS256 tokens.
    pub jwt_secret: Option<Secret>,
    /// A JSON Web Key Set (RFC 7517) for RS256, ES256, EdDSA and their kin, as a document.
    pub jwks: Option<String>,
    /// The issuer that tokens must name, if set.
    pub issuer: Option<String>,
    /// The audience that tokens must name, if set.
    pub audience: Option<String>,
    /// The secret that guest identities are signed with; guests are refused where it is not set.
    pub guest_secret: Option<Secret>,
    /// What the ends of tokens are compared with.
    pub clock: Clock,
}

struct Keys {
    hs256: Option<DecodingKey>,
    set: KeySet,
    guest: Option<(EncodingKey, DecodingKey)>,
    users: Expected,
    guests: Expected,
    clock: Clock,
}

/// Turns tokens into identities. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator(Arc<Keys>);

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticator(…)")
    }
}

impl Authenticator {
    /// An authenticator for these keys. A key of the set that cannot verify users' tokens is left
    /// out with a line in the log.
    ///
    /// # Errors
    /// A document that is no key set, or one of which no key is left.
    pub fn new(config: &IdentityConfig) -> Result<Self, JwksError> {
        let set = config
            .jwks
            .as_deref()
            .map(KeySet::parse)
            .transpose()?
            .unwrap_or_default();

        for left_out in &set.left_out {
            tracing::warn!(key = left_out.key, reason = %left_out.reason, "a key of the key set is left out");
        }

        let symmetric = |secret: &Secret| DecodingKey::from_secret(secret.expose().as_bytes());
        let guest = config.guest_secret.as_ref();

        Ok(Self(Arc::new(Keys {
            hs256: config.jwt_secret.as_ref().map(symmetric),
            set,
            guest: guest.map(|s| {
                (
                    EncodingKey::from_secret(s.expose().as_bytes()),
                    symmetric(s),
                )
            }),
            users: Expected {
                issuer: config.issuer.clone(),
                audience: config.audience.clone(),
            },
            guests: Expected {
                issuer: Some(GUEST_ISSUER.into()),
                audience: None,
            },
            clock: config.clock.clone(),
        })))
    }

    /// The identity that a request's `Authorization: Bearer` header proves.
    ///
    /// # Errors
    /// 401 with what is wrong: missing, malformed, not genuine, expired.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Identity, Problem> {
        let value = headers
            .get(header::AUTHORIZATION)
            .ok_or_else(|| unauthorized("the Authorization header is missing"))?;
        let text = value
            .to_str()
            .map_err(|_| unauthorized("the Authorization header is not text"))?;
        let token = text
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| unauthorized("the Authorization header must be 'Bearer' and a token"))?;

        self.verify_token(token)
    }

    /// The identity that a token proves.
    ///
    /// # Errors
    /// As [`Authenticator::authenticate`].
    pub fn verify_token(&self, token: &str) -> Result<Identity, Problem> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(unauthorized("the token is longer than 8 KiB"));
        }

        let token = Token::parse(token)?;
        if let Some(guest) = self.guest(&token) {
            return guest;
        }

        self.verify(&token)?;
        let claims = Claims::parse(&token)?;

        claims.check(&self.0.users, self.0.clock.now())?;
        let user = claims.user()?;

        if user.as_str().starts_with(GUEST_PREFIX) {
            return Err(unauthorized(
                "the token's sub begins with 'guest-', which only guests of this service may",
            ));
        }

        Ok(Identity {
            user,
            admin: claims.is_admin(),
            guest: None,
            expires_at: claims.expires_at()?,
        })
    }

    /// `None` where the token was not signed as a guest's: passes and tickets are signed with the
    /// same secret.
    fn guest(&self, token: &Token<'_>) -> Option<Result<Identity, Problem>> {
        let (_, key) = self
            .0
            .guest
            .as_ref()
            .filter(|_| token.algorithm == Algorithm::HS256)?;
        let claims = Claims::parse(token)
            .ok()
            .filter(|_| token.is_signed_by(key))?;

        match claims.check(&self.0.guests, self.0.clock.now()) {
            Ok(()) => Some(Self::guest_identity(&claims)),
            Err(problem) if problem.code == Code::TokenExpired => Some(Err(problem)),
            Err(_) => None,
        }
    }

    fn guest_identity(claims: &Claims) -> Result<Identity, Problem> {
        let expires_at = claims.expires_at()?;

        // Releases before this one did not write it down.
        let issued_at = claims
            .issued_at()
            .unwrap_or_else(|| expires_at.minus(GUEST_TTL));
        Ok(Identity {
            user: claims.user()?,
            admin: false,
            guest: Some(issued_at),
            expires_at,
        })
    }

    fn verify(&self, token: &Token<'_>) -> Result<(), Problem> {
        let is_signed = match token.algorithm {
            Algorithm::HS256 => {
                let key = self
                    .0
                    .hs256
                    .as_ref()
                    .ok_or_else(|| token.algorithm_not_accepted())?;
                token.is_signed_by(key)
            }
            _ => self
                .0
                .set
                .candidates(token)?
                .any(|key| token.is_signed_by(key)),
        };

        if is_signed {
            Ok(())
        } else {
            Err(unauthorized(
                "the token is not genuine: its signature is not its key's",
            ))
        }
    }

    /// Are guest identities allowed here?
    pub fn admits_guests(&self) -> bool {
        self.0.guest.is_some()
    }

    /// A new guest's token; `None` where guests are not allowed.
    pub fn mint_guest(
        &self,
        user: &UserId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Option<String> {
        let (key, _) = self.0.guest.as_ref()?;
        let (exp, iat) = (expires_at.seconds(), now.seconds());
        let claims = SignedClaims {
            sub: user,
            exp,
            iat,
            role: None,
            iss: Some(GUEST_ISSUER),
        };

        encode(&Header::new(Algorithm::HS256), &claims, key).ok()
    }
}

/// A token as the shop's login would sign it (HS256): for development and tests.
pub fn mint_user_token(
    secret: &Secret,
    user: &UserId,
    role: Option<&str>,
    now: Timestamp,
    life: Duration,
) -> Option<String> {
    let claims = SignedClaims {
        sub: user,
        exp: now.plus(life).seconds(),
        iat: now.seconds(),
        role,
        iss: None,
    };

    encode(
        &Header::new(Algorithm::HS256),
        &claims,
        &EncodingKey::from_secret(secret.expose().as_bytes()),
    )
    .ok()
}

impl Identity {
    /// Has the token ended, with the tolerance that it was accepted with?
    pub fn is_over(&self, now: Timestamp) -> bool {
        claims::is_over(self.expires_at, now)
    }

    /// This identity, if it is an operator's.
    ///
    /// # Errors
    /// 403 for everybody else.
    pub fn operator(self) -> Result<Self, Problem> {
        match self.admin {
            true => Ok(self),
            false => Err(Problem::new(
                Code::Forbidden,
                "this needs a token with role \"admin\"",
            )),
        }
    }
}

fn unauthorized(detail: impl Into<String>) -> Problem {
    Problem::new(Code::Unauthorized, detail)
}

#[cfg(test)]
mod tests;
