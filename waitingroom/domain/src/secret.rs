//! Secrets that cannot be printed by accident.

use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde::Deserialize;

/// Characters of a fingerprint: 36 bits tell secrets apart, and say next to nothing of one.
const FINGERPRINT_CHARS: usize = 6;

/// The shortest secret that is accepted: 16 bytes.
pub const MIN_SECRET_BYTES: usize = 16;

/// A signing key or password. Debug output hides it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A text by which two processes see whether they have the same secret. `purpose` keeps it apart
    /// from whatever else the secret signs; the line break is in no token's message.
    pub fn fingerprint(&self, purpose: &str) -> String {
        let key = EncodingKey::from_secret(self.0.as_bytes());
        let message = format!("settings fingerprint\n{purpose}");
        let mut text =
            crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("HMAC signs anything");
        text.truncate(FINGERPRINT_CHARS);
        text
    }

    /// The secret itself, where it is needed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_tells_secrets_and_purposes_apart() {
        let (one, other) = (
            Secret::from("0123456789abcdef"),
            Secret::from("fedcba9876543210"),
        );
        let text = one.fingerprint("pass_secret");
        assert_eq!(
            text,
            Secret::from("0123456789abcdef").fingerprint("pass_secret")
        );
        assert_ne!(text, other.fingerprint("pass_secret"));
        assert_ne!(text, one.fingerprint("jwt_secret"));
        assert_eq!(text.len(), FINGERPRINT_CHARS);
    }
}
