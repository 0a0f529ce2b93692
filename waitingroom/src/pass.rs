//! Passes: minted for a grant, verified without asking anyone. Minting is a pure function of the grant and the key, so the
//! same pass has the same token wherever it is delivered.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{Epoch, EventId, PassId, UserId},
    line::Grant,
    secret::Secret,
};

const ISSUER: &str = "stanchion";
const AUDIENCE: &str = "stanchion:booking";
const PURPOSE: &str = "pass";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    aud: String,
    event_id: EventId,
    purpose: String,
    jti: PassId,
    num: u64,
    epoch: Epoch,
    iat: i64,
    nbf: i64,
    exp: i64,
    /// The exact end in milliseconds; `exp` is the same moment rounded up.
    end: i64,
}

/// What a genuine pass says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassClaims {
    /// Whose.
    pub user: UserId,
    /// For which event.
    pub event_id: EventId,
    /// Which pass.
    pub pass_id: PassId,
    /// The number in line it was given for.
    pub number: u64,
    /// The line it was given in.
    pub epoch: Epoch,
    /// Its end.
    pub expires_at: Timestamp,
}

/// Why a token is not a usable pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    /// Not signed with our key, or not a pass at all.
    #[error("the pass is not genuine")]
    Invalid,
    /// Genuine, but over.
    #[error("the pass has expired")]
    Expired(Box<PassClaims>),
}

/// The key that signs and verifies passes (HS256, within one installation).
#[derive(Clone)]
pub struct PassKey {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl std::fmt::Debug for PassKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PassKey(…)")
    }
}

impl PassKey {
    /// The key of one installation.
    pub fn new(secret: &Secret) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
        validation.validate_exp = false; // judged by the caller's clock
        Self {
            encoding: EncodingKey::from_secret(secret.expose().as_bytes()),
            decoding: DecodingKey::from_secret(secret.expose().as_bytes()),
            validation,
        }
    }

    /// The token of a grant.
    pub fn mint(&self, event_id: EventId, user: &UserId, grant: &Grant) -> String {
        let claims = Claims {
            iss: ISSUER.into(),
            sub: user.clone(),
            aud: AUDIENCE.into(),
            event_id,
            purpose: PURPOSE.into(),
            jti: grant.pass_id.clone(),
            num: grant.number,
            epoch: grant.epoch.clone(),
            iat: grant.issued_at.seconds(),
            nbf: grant.issued_at.seconds(),
            exp: grant.expires_at.millis().div_euclid(1000) + 1,
            end: grant.expires_at.millis(),
        };
        let header = Header { kid: Some("pass-1".into()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims, &self.encoding).expect("claims of plain values always encode")
    }

    /// What a token says at `now`.
    ///
    /// # Errors
    /// [`PassError::Invalid`] for anything not minted here; [`PassError::Expired`] for a genuine pass whose time is over.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<PassClaims, PassError> {
        let claims = decode::<Claims>(token, &self.decoding, &self.validation).map_err(|_| PassError::Invalid)?.claims;
        if claims.purpose != PURPOSE {
            return Err(PassError::Invalid);
        }
        let pass = PassClaims {
            user: claims.sub,
            event_id: claims.event_id,
            pass_id: claims.jti,
            number: claims.num,
            epoch: claims.epoch,
            expires_at: Timestamp::from_millis(claims.end),
        };
        if pass.expires_at <= now { Err(PassError::Expired(Box::new(pass))) } else { Ok(pass) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            pass_id: "b1-0".parse().unwrap(),
            number: 7,
            epoch: "e1".parse().unwrap(),
            issued_at: Timestamp::from_millis(1_000_000),
            expires_at: Timestamp::from_millis(1_300_500),
        }
    }

    #[test]
    fn a_pass_is_genuine_until_its_end_and_the_same_wherever_minted() {
        let key = PassKey::new(&Secret::from("0123456789abcdef"));
        let (event, user) = (EventId::from(uuid::Uuid::from_u128(1)), "ann".parse().unwrap());
        let token = key.mint(event, &user, &grant());
        assert_eq!(token, key.mint(event, &user, &grant()));
        let pass = key.verify(&token, Timestamp::from_millis(1_300_499)).unwrap();
        assert_eq!((pass.user, pass.number, pass.event_id), (user, 7, event));
        assert!(matches!(key.verify(&token, Timestamp::from_millis(1_300_500)), Err(PassError::Expired(_))));
    }

    #[test]
    fn a_pass_of_another_key_or_another_purpose_is_not_genuine() {
        let key = PassKey::new(&Secret::from("0123456789abcdef"));
        let other = PassKey::new(&Secret::from("fedcba9876543210"));
        let token = other.mint(EventId::from(uuid::Uuid::from_u128(1)), &"ann".parse().unwrap(), &grant());
        assert_eq!(key.verify(&token, Timestamp::from_millis(1)), Err(PassError::Invalid));
        let ticket = crate::ticket::TicketKey::new(&Secret::from("0123456789abcdef"));
        let ticket =
            ticket.mint(EventId::from(uuid::Uuid::from_u128(1)), &"ann".parse().unwrap(), &"e1".parse().unwrap(), 7);
        assert_eq!(key.verify(&ticket, Timestamp::from_millis(1)), Err(PassError::Invalid));
    }
}
