//! Public keys of the shop's login (RFC 7517), read key by key: what cannot verify users' tokens is
//! left out, as section 5 there has it, and each with its reason.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    bearer_token::{Token, parse_algorithm},
    unauthorized,
};
use crate::problem::Problem;

/// Sizes of RSA keys, in bits: RFC 7518 (section 3.3) demands the least, and larger ones our
/// library does not verify.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A key set that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// Not a JSON Web Key Set.
    #[error("the key set is not a JSON Web Key Set: {0}")]
    Malformed(serde_json::Error),
    /// No key is left that could verify a token.
    #[error("no key of the key set can verify users' tokens{0}")]
    NoKey(String),
}

/// A key that verifies what its owner signed with one of these algorithms.
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// A key that verifies nothing here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Its `kid`, or its place in the set.
    pub(super) key: String,
    pub(super) reason: String,
}

/// Every verification key of the set.
#[derive(Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    pub(super) left_out: Vec<LeftOut>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    pub(super) fn parse(document: &str) -> Result<Self, JwksError> {
        let document: Document = serde_json::from_str(document).map_err(JwksError::Malformed)?;
        let mut set = Self::default();

        for (place, key) in document.keys.iter().enumerate() {
            let id = key.get("kid").and_then(Value::as_str);
            let named = id.map_or_else(|| format!("#{place}"), str::to_owned);
            match verification_key(id, key) {
                Ok(key) => set.keys.push(key),
                Err(reason) => set.left_out.push(LeftOut { key: named, reason }),
            }
        }

        if set.keys.is_empty() {
            let reasons = set
                .left_out
                .iter()
                .map(|key| format!("; {:?}: {}", key.key, key.reason));
            return Err(JwksError::NoKey(reasons.collect()));
        }

        Ok(set)
    }

    /// The keys that a token's signature may be of: those of its `kid`, which may be several of
    /// different kinds; without a `kid`, the only one that fits its algorithm.
    pub(super) fn candidates(
        &self,
        token: &Token<'_>,
    ) -> Result<impl Iterator<Item = &DecodingKey>, Problem> {
        let algorithm = token.algorithm;
        let fits = move |key: &&Key| key.algorithms.contains(&algorithm);
        let wanted = token.key_id.as_deref();
        let is_wanted = |key: &&Key| wanted.is_none() || key.id.as_deref() == wanted;
        let keys: Vec<&Key> = self.keys.iter().filter(is_wanted).collect();
        let fitting: Vec<&DecodingKey> = keys
            .iter()
            .copied()
            .filter(fits)
            .map(|key| &key.key)
            .collect();

        match (fitting.len(), wanted) {
            (0, Some(_)) if keys.is_empty() && !self.keys.is_empty() => {
                Err(unauthorized("the token's key (kid) is not known here"))
            }
            (0, Some(_)) if !keys.is_empty() => Err(unauthorized(format!(
                "the token's algorithm {algorithm:?} is not one of its key's"
            ))),
            (0, _) => Err(token.algorithm_not_accepted()),
            (2.., None) => Err(unauthorized(
                "the token names no key (kid), and several keys are for its algorithm",
            )),
            _ => Ok(fitting.into_iter()),
        }
    }
}

fn verification_key(id: Option<&str>, key: &Value) -> Result<Key, String> {
    let fields = key.as_object().ok_or("it is not an object")?;
    check_purpose(fields)?;

    let (kind, key) = public_key(fields)?;
    let algorithms = match fields.get("alg").filter(|name| !name.is_null()) {
        None => kind,
        Some(name) => {
            let name = name.as_str().ok_or("its alg is no text")?;
            let algorithm = parse_algorithm(name).filter(|algorithm| kind.contains(algorithm));
            vec![
                algorithm
                    .ok_or_else(|| format!("its alg {name:?} is not supported for such a key"))?,
            ]
        }
    };

    // The library looks at a key when it verifies something.
    match crypto::verify("", b"", &key, algorithms[0]) {
        Ok(_) => Ok(Key {
            id: id.map(str::to_owned),
            algorithms,
            key,
        }),
        Err(_) => Err("it is not a valid public key".to_owned()),
    }
}

/// Is it there to verify signatures?
fn check_purpose(fields: &Map<String, Value>) -> Result<(), String> {
    match fields.get("use") {
        None | Some(Value::Null) => {}
        Some(purpose) if purpose == "sig" => {}
        Some(purpose) => return Err(format!("its use is {purpose}, not \"sig\"")),
    }

    match fields.get("key_ops") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(operations))
            if operations.iter().any(|operation| operation == "verify") =>
        {
            Ok(())
        }
        Some(_) => Err("its key_ops do not contain \"verify\"".to_owned()),
    }
}

/// The key, and every algorithm of its family that is verified here.
fn public_key(fields: &Map<String, Value>) -> Result<(Vec<Algorithm>, DecodingKey), String> {
    let text = |name: &str| {
        let value = fields.get(name).and_then(Value::as_str);
        value.ok_or_else(|| format!("its {name} is missing or no text"))
    };
    let unreadable = |_| "it is not in base64url".to_owned();

    match (text("kty")?, fields.get("crv").and_then(Value::as_str)) {
        ("RSA", _) => {
            let modulus = BASE64_URL_SAFE_NO_PAD
                .decode(text("n")?)
                .map_err(|_| "it is not in base64url".to_owned())?;
            let leading: usize = modulus.iter().take_while(|byte| **byte == 0).count();
            let significant = &modulus[leading..];
            let bits = significant.first().map_or(0, |byte| {
                significant.len() * 8 - byte.leading_zeros() as usize
            });
            if !RSA_BITS.contains(&bits) {
                return Err(format!(
                    "it has {bits} bits; RSA keys have from 2048 to 4096 here"
                ));
            }
            use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
            let key =
                DecodingKey::from_rsa_components(text("n")?, text("e")?).map_err(unreadable)?;
            Ok((vec![RS256, RS384, RS512, PS256, PS384, PS512], key))
        }
        ("EC", Some(curve @ ("P-256" | "P-384"))) => {
            let algorithm = if curve == "P-256" {
                Algorithm::ES256
            } else {
                Algorithm::ES384
            };
            let key =
                DecodingKey::from_ec_components(text("x")?, text("y")?).map_err(unreadable)?;
            Ok((vec![algorithm], key))
        }
        ("OKP", Some("Ed25519")) => {
            let key = DecodingKey::from_ed_components(text("x")?).map_err(unreadable)?;
            Ok((vec![Algorithm::EdDSA], key))
        }
        ("EC" | "OKP", curve) => Err(format!(
            "its curve {:?} is not supported",
            curve.unwrap_or_default()
        )),
        ("oct", _) => {
            Err("it is symmetric: with a key of a public set anyone could sign".to_owned())
        }
        (kind, _) => Err(format!("its kty {kind:?} is not known")),
    }
}
