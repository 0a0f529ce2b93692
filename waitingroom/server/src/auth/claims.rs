//! The claims of a token (RFC 7519, section 4): read as liberally as they are written, and refused
//! by name.

use std::time::Duration;

use serde_json::{Map, Value};
use waitingroom_domain::{clock::Timestamp, ids::UserId};

use super::{bearer_token::Token, unauthorized};
use crate::problem::{Code, Problem};

/// Clock difference between the shop's login and us that is tolerated.
const LEEWAY: Duration = Duration::from_secs(30);
/// The last second of the year 9999. Milliseconds since 1970 are beyond it as seconds.
const END_OF_TIME: f64 = 253_402_300_799.0;
/// Tokens that end later than this were not meant to: ten years.
const MAX_LIFE: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// What a token has to name.
pub(super) struct Expected {
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
}

/// What a token says.
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    pub(super) fn parse(token: &Token<'_>) -> Result<Self, Problem> {
        let claims = serde_json::from_slice(&token.claims);
        claims
            .map(Self)
            .map_err(|_| unauthorized("the token is not a JWT: its claims are not a JSON object"))
    }

    /// Is the token in force at `now`, and for us?
    pub(super) fn check(&self, expected: &Expected, now: Timestamp) -> Result<(), Problem> {
        let ends = self.expires_at()?;
        if is_over(ends, now) {
            return Err(Problem::new(
                Code::TokenExpired,
                "the token has expired (exp)",
            ));
        }

        if ends > now.plus(MAX_LIFE) {
            return Err(unauthorized(
                "the token's exp is more than ten years ahead; is it in seconds?",
            ));
        }

        if let Some(begins) = self.moment("nbf")?
            && begins > now.plus(LEEWAY)
        {
            return Err(unauthorized("the token is not valid yet (nbf)"));
        }

        if let Some(issuer) = &expected.issuer
            && self.claim("iss")?.as_str() != Some(issuer)
        {
            return Err(unauthorized(
                "the token's issuer (iss) is not accepted here",
            ));
        }

        if let Some(audience) = &expected.audience
            && !names(self.claim("aud")?, audience)
        {
            return Err(unauthorized(
                "the token's audience (aud) is not this service",
            ));
        }

        Ok(())
    }

    pub(super) fn user(&self) -> Result<UserId, Problem> {
        let sub = self
            .claim("sub")?
            .as_str()
            .ok_or_else(|| unauthorized("the token's sub must be a string"))?;
        sub.parse()
            .map_err(|invalid| unauthorized(format!("the token's {invalid}")))
    }

    pub(super) fn expires_at(&self) -> Result<Timestamp, Problem> {
        self.moment("exp")?.ok_or_else(|| lacks("exp"))
    }

    pub(super) fn issued_at(&self) -> Option<Timestamp> {
        self.moment("iat").ok().flatten()
    }

    /// Is `role` that of an operator, or a list that contains it? All else is no operator, and no
    /// fault.
    pub(super) fn is_admin(&self) -> bool {
        self.0.get("role").is_some_and(|role| names(role, "admin"))
    }

    fn claim(&self, name: &'static str) -> Result<&Value, Problem> {
        self.given(name).ok_or_else(|| lacks(name))
    }

    fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A NumericDate: any JSON number, cut to the second.
    fn moment(&self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        let Some(value) = self.given(name) else {
            return Ok(None);
        };
        let seconds = value.as_f64().ok_or_else(|| {
            unauthorized(format!("the token's {name} must be a number of seconds"))
        })?;

        if seconds > END_OF_TIME {
            return Err(unauthorized(format!(
                "the token's {name} is beyond the year 9999: it is in seconds, not milliseconds"
            )));
        }

        Ok(Some(Timestamp::from_millis(
            (seconds.floor().max(0.0) as i64) * 1000,
        )))
    }
}

/// Has a token that ends then ended?
pub(super) fn is_over(ends: Timestamp, now: Timestamp) -> bool {
    ends.plus(LEEWAY) <= now
}

fn lacks(claim: &str) -> Problem {
    unauthorized(format!("the token lacks the claim '{claim}'"))
}

/// Is the value this text, or a list that contains it?
fn names(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Array(values) => values.iter().any(|value| value.as_str() == Some(wanted)),
        _ => false,
    }
}
