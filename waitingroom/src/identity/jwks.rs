//! Public keys of the shop's login (RFC 7517).

use std::collections::HashMap;

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet},
};

/// A key set that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// Not a JSON Web Key Set.
    #[error("the key set is not a JSON Web Key Set: {0}")]
    Malformed(serde_json::Error),
    /// A key that cannot verify user tokens.
    #[error("key {0:?} of the key set cannot be used")]
    Key(String),
}

/// Every verification key of the set by its `kid` (a key without one by its place in the set).
pub(super) fn parse(document: &str) -> Result<HashMap<String, (Algorithm, DecodingKey)>, JwksError> {
    let set: JwkSet = serde_json::from_str(document).map_err(JwksError::Malformed)?;
    set.keys.iter().enumerate().map(|(place, key)| verification_key(place, key)).collect()
}

fn verification_key(place: usize, key: &Jwk) -> Result<(String, (Algorithm, DecodingKey)), JwksError> {
    let id = key.common.key_id.clone().unwrap_or_else(|| format!("#{place}"));
    let unusable = || JwksError::Key(id.clone());
    let named = key.common.key_algorithm.and_then(|name| name.to_string().parse::<Algorithm>().ok());
    let algorithm = named.or_else(|| implied(&key.algorithm)).ok_or_else(unusable)?;
    if matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) {
        return Err(unusable()); // a symmetric key in a public set would let anyone sign
    }
    let decoding = DecodingKey::from_jwk(key).map_err(|_| unusable())?;
    Ok((id, (algorithm, decoding)))
}

fn implied(parameters: &AlgorithmParameters) -> Option<Algorithm> {
    match parameters {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::OctetKeyPair(_) => Some(Algorithm::EdDSA),
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => Some(Algorithm::ES256),
            EllipticCurve::P384 => Some(Algorithm::ES384),
            _ => None,
        },
        AlgorithmParameters::OctetKey(_) => None,
    }
}
