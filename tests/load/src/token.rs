//! Tokens of made-up users, signed as the shop's login would (HS256).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

/// Longer than any scenario.
const LIFE: Duration = Duration::from_secs(24 * 3600);

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
}

/// Signs tokens.
pub struct Mint(EncodingKey);

impl Mint {
    /// A mint of this secret.
    pub fn new(secret: &str) -> Self {
        Self(EncodingKey::from_secret(secret.as_bytes()))
    }

    /// A user's token.
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn user(&self, user: &str) -> Result<String> {
        self.sign(user, None)
    }

    /// An operator's token.
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn operator(&self) -> Result<String> {
        self.sign("load-operator", Some("admin"))
    }

    fn sign(&self, sub: &str, role: Option<&str>) -> Result<String> {
        let exp = (SystemTime::now().duration_since(UNIX_EPOCH)? + LIFE).as_secs();
        Ok(encode(
            &Header::new(Algorithm::HS256),
            &Claims { sub, exp, role },
            &self.0,
        )?)
    }
}
