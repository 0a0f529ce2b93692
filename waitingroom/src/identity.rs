//! Who a request is from: a JWT of the shop's own login, or a guest identity that the gateway signs.

mod jwks;

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::http::{HeaderMap, header};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode, errors::ErrorKind,
};
use serde::{Deserialize, Serialize};

pub use self::jwks::JwksError;
use crate::{
    clock::Timestamp,
    ids::UserId,
    problem::{Code, Problem},
    secret::Secret,
};

const GUEST_ISSUER: &str = "stanchion:guest";
/// Tokens longer than this are refused unread.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Clock difference between the shop's login and us that is tolerated, in seconds.
const LEEWAY_SECONDS: u64 = 30;

/// Somebody whose token was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// May this user operate sales?
    pub admin: bool,
    /// Signed here rather than by the shop's login?
    pub guest: bool,
    /// When the token ends.
    pub expires_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
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
}

struct Keys {
    hs256: Option<DecodingKey>,
    by_id: HashMap<String, (Algorithm, DecodingKey)>,
    guest: Option<(EncodingKey, DecodingKey)>,
    user_validation: Validation,
    guest_validation: Validation,
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
    /// An authenticator for these keys.
    ///
    /// # Errors
    /// A key set that cannot be read, or that holds a key of a kind we do not verify.
    pub fn new(config: &IdentityConfig) -> Result<Self, JwksError> {
        let mut user_validation = validation(Algorithm::HS256);
        if let Some(issuer) = &config.issuer {
            user_validation.set_issuer(&[issuer]);
            user_validation.required_spec_claims.insert("iss".into());
        }
        if let Some(audience) = &config.audience {
            user_validation.validate_aud = true;
            user_validation.set_audience(&[audience]);
            user_validation.required_spec_claims.insert("aud".into());
        }
        let mut guest_validation = validation(Algorithm::HS256);
        guest_validation.set_issuer(&[GUEST_ISSUER]);
        guest_validation.required_spec_claims.insert("iss".into());
        let symmetric = |secret: &Secret| DecodingKey::from_secret(secret.expose().as_bytes());
        let guest = config.guest_secret.as_ref();
        Ok(Self(Arc::new(Keys {
            hs256: config.jwt_secret.as_ref().map(symmetric),
            by_id: config.jwks.as_deref().map(jwks::parse).transpose()?.unwrap_or_default(),
            guest: guest.map(|s| (EncodingKey::from_secret(s.expose().as_bytes()), symmetric(s))),
            user_validation,
            guest_validation,
        })))
    }

    /// The identity that a request's `Authorization: Bearer` header proves.
    ///
    /// # Errors
    /// 401 with what is wrong: missing, malformed, not genuine, expired.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Identity, Problem> {
        let value = headers.get(header::AUTHORIZATION).ok_or_else(|| refused("the Authorization header is missing"))?;
        let text = value.to_str().map_err(|_| refused("the Authorization header is not text"))?;
        let token = text
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| refused("the Authorization header must be 'Bearer' and a token"))?;
        self.identify(token)
    }

    /// The identity that a token proves.
    ///
    /// # Errors
    /// As [`Authenticator::authenticate`].
    pub fn identify(&self, token: &str) -> Result<Identity, Problem> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refused("the token is longer than 8 KiB"));
        }
        let header = decode_header(token).map_err(|_| refused("the token is not a JWT"))?;
        if let Some(guest) = self.guest(token) {
            return guest;
        }
        let (algorithm, key) = self.key(&header)?;
        let mut validation = self.0.user_validation.clone();
        validation.algorithms = vec![algorithm];
        let claims = decode::<Claims>(token, key, &validation).map_err(|error| explain(error.kind()))?.claims;
        Ok(identity(claims, false))
    }

    /// `None` where the token was not signed as a guest's.
    fn guest(&self, token: &str) -> Option<Result<Identity, Problem>> {
        let (_, key) = self.0.guest.as_ref()?;
        match decode::<Claims>(token, key, &self.0.guest_validation) {
            Ok(data) => Some(Ok(identity(data.claims, true))),
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => Some(Err(explain(error.kind()))),
            Err(_) => None,
        }
    }

    fn key(&self, header: &Header) -> Result<(Algorithm, &DecodingKey), Problem> {
        if header.alg == Algorithm::HS256 {
            let key = self.0.hs256.as_ref().ok_or_else(|| refused("tokens signed with HS256 are not accepted here"))?;
            return Ok((Algorithm::HS256, key));
        }
        let by_id = header.kid.as_ref().and_then(|id| self.0.by_id.get(id));
        let only = || self.0.by_id.values().next().filter(|_| header.kid.is_none() && self.0.by_id.len() == 1);
        let (algorithm, key) = by_id.or_else(only).ok_or_else(|| refused("the token's key is not known here"))?;
        if *algorithm != header.alg {
            return Err(refused("the token's algorithm is not its key's"));
        }
        Ok((*algorithm, key))
    }

    /// Are guest identities allowed here?
    pub fn admits_guests(&self) -> bool {
        self.0.guest.is_some()
    }

    /// A new guest's token; `None` where guests are not allowed.
    pub fn mint_guest(&self, user: &UserId, expires_at: Timestamp) -> Option<String> {
        let (key, _) = self.0.guest.as_ref()?;
        let claims =
            Claims { sub: user.clone(), exp: expires_at.seconds(), role: None, iss: Some(GUEST_ISSUER.into()) };
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
    let claims = Claims { sub: user.clone(), exp: now.plus(life).seconds(), role: role.map(str::to_owned), iss: None };
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.expose().as_bytes())).ok()
}

impl Identity {
    /// This identity, if it is an operator's.
    ///
    /// # Errors
    /// 403 for everybody else.
    pub fn operator(self) -> Result<Self, Problem> {
        match self.admin {
            true => Ok(self),
            false => Err(Problem::new(Code::Forbidden, "this needs a token with role \"admin\"")),
        }
    }
}

fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["sub", "exp"]);
    validation.leeway = LEEWAY_SECONDS;
    validation.validate_nbf = true;
    validation.validate_aud = false;
    validation
}

fn identity(claims: Claims, guest: bool) -> Identity {
    Identity {
        user: claims.sub,
        admin: !guest && claims.role.as_deref() == Some("admin"),
        guest,
        expires_at: Timestamp::from_millis(claims.exp.saturating_mul(1000)),
    }
}

fn refused(detail: &str) -> Problem {
    Problem::new(Code::Unauthorized, detail)
}

fn explain(kind: &ErrorKind) -> Problem {
    match kind {
        ErrorKind::ExpiredSignature => Problem::new(Code::TokenExpired, "the token has expired"),
        ErrorKind::ImmatureSignature => refused("the token is not valid yet"),
        ErrorKind::InvalidIssuer => refused("the token's issuer is not accepted here"),
        ErrorKind::InvalidAudience => refused("the token's audience is not this service"),
        ErrorKind::MissingRequiredClaim(claim) => refused(&format!("the token lacks the claim '{claim}'")),
        ErrorKind::Json(_) => refused("the token's claims are not of the required form (sub, exp)"),
        _ => refused("the token is not genuine"),
    }
}

#[cfg(test)]
mod tests;
