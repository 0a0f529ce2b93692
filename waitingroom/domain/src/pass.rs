//! Passes: minted for a grant, verified without asking anyone. Minting is a pure function of the
//! grant and the key, so the same pass has the same token wherever it is delivered.

use std::{borrow::Cow, sync::LazyLock};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto, decode_header};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{Epoch, EventId, PassId, UserId},
    queue::Grant,
    secret::Secret,
};

const ISSUER: &str = "stanchion";
const AUDIENCE: &str = "stanchion:booking";
const PURPOSE: &str = "pass";

const ALGORITHM: Algorithm = Algorithm::HS256;

fn header() -> Header {
    Header {
        kid: Some("pass-1".into()),
        ..Header::new(ALGORITHM)
    }
}

/// The header of every pass that is minted here, as it is in the token.
static HEADER: LazyLock<String> = LazyLock::new(|| encoded(&header()));

/// Room for nearly every token, so that it is not copied while it is put together.
const TYPICAL_LEN: usize = 640;

fn encoded(part: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(json(part))
}

fn json(part: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::with_capacity(TYPICAL_LEN);
    serde_json::to_writer(&mut text, part).expect("plain values always encode");
    text
}

/// Does the token's header name the algorithm that it was verified by?
fn has_expected_header(token: &str) -> bool {
    decode_header(token).is_ok_and(|header| header.alg == ALGORITHM)
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: Cow<'static, str>,
    sub: UserId,
    aud: Cow<'static, str>,
    event_id: EventId,
    purpose: Cow<'static, str>,
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
    /// The number in the queue it was given for.
    pub number: u64,
    /// The queue it was given in.
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
}

impl std::fmt::Debug for PassKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PassKey(…)")
    }
}

impl PassKey {
    /// The key of one installation.
    pub fn new(secret: &Secret) -> Self {
        Self {
            encoding: EncodingKey::from_secret(secret.expose().as_bytes()),
            decoding: DecodingKey::from_secret(secret.expose().as_bytes()),
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
        let mut token = String::with_capacity(TYPICAL_LEN);

        token.push_str(&HEADER);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(json(&claims), &mut token);

        let signature =
            crypto::sign(token.as_bytes(), &self.encoding, ALGORITHM).expect("HMAC signs anything");
        token.push('.');
        token.push_str(&signature);

        token
    }

    /// What a token says at `now`.
    ///
    /// # Errors
    /// [`PassError::Invalid`] for anything not minted here; [`PassError::Expired`] for a genuine
    /// pass whose time is over.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<PassClaims, PassError> {
        let claims = self.verify_signature(token).ok_or(PassError::Invalid)?;
        let pass = PassClaims {
            user: claims.sub,
            event_id: claims.event_id,
            pass_id: claims.jti,
            number: claims.num,
            epoch: claims.epoch,
            expires_at: Timestamp::from_millis(claims.end),
        };

        if pass.expires_at <= now {
            Err(PassError::Expired(Box::new(pass)))
        } else {
            Ok(pass)
        }
    }

    /// The claims of a token that was minted with this key as a pass. The signature is looked at
    /// first, and whatever it covers once: a reservation waits for this.
    fn verify_signature(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        if !crypto::verify(signature, signed.as_bytes(), &self.decoding, ALGORITHM).ok()? {
            return None;
        }
        let (header, claims) = signed.split_once('.')?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let is_pass = claims.iss == ISSUER && claims.aud == AUDIENCE && claims.purpose == PURPOSE;
        (is_pass && (header == *HEADER || has_expected_header(token))).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::encode;

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
        let (event, user) = (
            EventId::from(uuid::Uuid::from_u128(1)),
            "ann".parse().unwrap(),
        );
        let token = key.mint(event, &user, &grant());

        assert_eq!(token, key.mint(event, &user, &grant()));
        let pass = key
            .verify(&token, Timestamp::from_millis(1_300_499))
            .unwrap();

        assert_eq!((pass.user, pass.number, pass.event_id), (user, 7, event));
        assert!(matches!(
            key.verify(&token, Timestamp::from_millis(1_300_500)),
            Err(PassError::Expired(_))
        ));
    }

    #[test]
    fn a_token_of_our_key_that_is_no_pass_is_not_genuine() {
        let (secret, key) = (
            "0123456789abcdef",
            PassKey::new(&Secret::from("0123456789abcdef")),
        );
        let pass = key.mint(
            EventId::from(uuid::Uuid::from_u128(1)),
            &"ann".parse().unwrap(),
            &grant(),
        );

        let claims = URL_SAFE_NO_PAD
            .decode(pass.split('.').nth(1).unwrap())
            .unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let signed = |header: &Header, claims: &serde_json::Value| {
            encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
        };

        assert_eq!(signed(&header(), &claims).len(), pass.len());
        assert!(
            key.verify(&signed(&header(), &claims), Timestamp::from_millis(1))
                .is_ok()
        );
        assert!(
            key.verify(
                &signed(&Header::new(ALGORITHM), &claims),
                Timestamp::from_millis(1)
            )
            .is_ok()
        );

        let misnamed = Header::new(Algorithm::HS512);
        let body = format!("{}.{}", encoded(&misnamed), pass.split('.').nth(1).unwrap());
        let signature = crypto::sign(
            body.as_bytes(),
            &EncodingKey::from_secret(secret.as_bytes()),
            ALGORITHM,
        )
        .unwrap();

        assert_eq!(
            key.verify(&format!("{body}.{signature}"), Timestamp::from_millis(1)),
            Err(PassError::Invalid)
        );

        for claim in ["iss", "aud", "purpose"] {
            let mut changed = claims.clone();
            changed[claim] = "another".into();
            assert_eq!(
                key.verify(&signed(&header(), &changed), Timestamp::from_millis(1)),
                Err(PassError::Invalid)
            );
            changed.as_object_mut().unwrap().remove(claim);
            assert_eq!(
                key.verify(&signed(&header(), &changed), Timestamp::from_millis(1)),
                Err(PassError::Invalid)
            );
        }
    }

    #[test]
    fn a_pass_of_another_key_or_another_purpose_is_not_genuine() {
        let key = PassKey::new(&Secret::from("0123456789abcdef"));
        let other = PassKey::new(&Secret::from("fedcba9876543210"));
        let token = other.mint(
            EventId::from(uuid::Uuid::from_u128(1)),
            &"ann".parse().unwrap(),
            &grant(),
        );

        assert_eq!(
            key.verify(&token, Timestamp::from_millis(1)),
            Err(PassError::Invalid)
        );

        let unsigned = token
            .rsplit_once('.')
            .map(|(signed, _)| format!("{signed}."))
            .unwrap();
        let none = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap());

        for forged in ["", ".", "..", "a.b.c", unsigned.as_str(), none.as_str()] {
            assert_eq!(
                other.verify(forged, Timestamp::from_millis(1)),
                Err(PassError::Invalid),
                "{forged}"
            );
        }

        let ticket = crate::ticket::TicketKey::new(&Secret::from("0123456789abcdef"));
        let ticket = ticket.mint(
            EventId::from(uuid::Uuid::from_u128(1)),
            &"ann".parse().unwrap(),
            &"e1".parse().unwrap(),
            7,
        );

        assert_eq!(
            key.verify(&ticket, Timestamp::from_millis(1)),
            Err(PassError::Invalid)
        );
    }
}
