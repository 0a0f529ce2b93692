//! A token taken apart (RFC 7515, compact form), before anything of it is believed.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

use super::unauthorized;
use crate::problem::Problem;

/// Longest name of an algorithm that is repeated to who sent it.
const MAX_LOGGED_ALGORITHM: usize = 16;

/// The parts of a token. Of its header, what we read; members that we do not know are ignored,
/// whatever their type.
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) claims: Vec<u8>,
    message: &'a str,
    signature: &'a str,
}

impl<'a> Token<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Problem> {
        let malformed = || {
            unauthorized(
                "the token is not a JWT: it has three parts of base64url, separated by dots",
            )
        };
        let (message, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = message
            .split_once('.')
            .filter(|(_, claims)| !claims.contains('.'))
            .ok_or_else(malformed)?;
        let bytes = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed());

        bytes(signature)?;
        let header: Map<String, Value> = serde_json::from_slice(&bytes(header)?)
            .map_err(|_| unauthorized("the token is not a JWT: its header is not a JSON object"))?;

        // What is listed here must be understood, and we understand none of it.
        if header.contains_key("crit") {
            return Err(unauthorized(
                "the token's header demands extensions (crit) that are not supported here",
            ));
        }

        let algorithm = header.get("alg").and_then(Value::as_str);
        let algorithm =
            algorithm.ok_or_else(|| unauthorized("the token's header names no algorithm (alg)"))?;

        Ok(Self {
            algorithm: parse_algorithm(algorithm)
                .ok_or_else(|| unsupported_algorithm(algorithm))?,
            key_id: header.get("kid").and_then(Value::as_str).map(str::to_owned),
            claims: bytes(claims)?,
            message,
            signature,
        })
    }

    pub(super) fn is_signed_by(&self, key: &DecodingKey) -> bool {
        crypto::verify(self.signature, self.message.as_bytes(), key, self.algorithm)
            .unwrap_or(false)
    }

    /// Its algorithm is one that we know and no key of ours is for.
    pub(super) fn algorithm_not_accepted(&self) -> Problem {
        unauthorized(format!(
            "tokens signed with {:?} are not accepted here",
            self.algorithm
        ))
    }
}

/// The algorithm of this name, which may be that of RFC 9864.
pub(super) fn parse_algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "Ed25519" => Some(Algorithm::EdDSA),
        _ => name.parse().ok(),
    }
}

fn unsupported_algorithm(name: &str) -> Problem {
    let printable = name.len() <= MAX_LOGGED_ALGORITHM
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match printable {
        true => unauthorized(format!(
            "the token's algorithm (alg) {name} is not supported here"
        )),
        false => unauthorized("the token's algorithm (alg) is not supported here"),
    }
}
