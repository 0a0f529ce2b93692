//! Recovery codes: who has the code of a booking sees the booking, on any device and without an
//! account ([0032](../../docs/decisions/0032-a-code-brings-a-booking-back.md)).
//!
//! A code is derived from the booking's id with a key of its own, so that the same booking has the
//! same code each time. The database has a digest of it, made with another key, by which the
//! booking is found.

use std::{fmt, str::FromStr};

use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use sha2::Sha256;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use waitingroom_domain::{ids::BookingId, schema::openapi_schema, secret::Secret};

/// 80 bits: at a thousand guesses a second, one of a million codes is found after 38 million years.
const CODE_BYTES: usize = 10;
/// Five bits a letter.
const CODE_LETTERS: usize = CODE_BYTES * 8 / 5;
/// Longest text that is read as a code: room for spaces and dashes.
const MAX_TEXT: usize = 64;
/// Crockford's base 32: no letter that is easily taken for another.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// The purposes of the two keys; a key has no other.
const CODE_KEY: &[u8] = b"stanchion recovery codes, 1: codes";
const LOOKUP_KEY: &[u8] = b"stanchion recovery codes, 1: lookup";

/// The code of a booking. Text: 16 letters in groups of four.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RecoveryCode([u8; CODE_BYTES]);

/// A text that is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 16 letters and digits; spaces and dashes do not matter")]
pub struct InvalidCode;

/// What the database has of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeDigest(pub(crate) Vec<u8>);

/// The keys of codes and of their digests, both derived from the secret of passes.
#[derive(Clone)]
pub struct RecoveryKey {
    codes: [u8; 32],
    lookups: [u8; 32],
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(…)")
    }
}

impl RecoveryKey {
    /// The keys of one installation.
    pub fn new(secret: &Secret) -> Self {
        let derived = Hkdf::<Sha256>::new(None, secret.expose().as_bytes());
        let key = |purpose: &[u8]| {
            let mut key = [0; 32];
            derived
                .expand(purpose, &mut key)
                .expect("32 bytes are within what SHA-256 can give");
            key
        };

        Self {
            codes: key(CODE_KEY),
            lookups: key(LOOKUP_KEY),
        }
    }

    /// The code of a booking.
    pub fn code(&self, booking: BookingId) -> RecoveryCode {
        let authentic = keyed_digest(&self.codes, booking.uuid().as_bytes());
        let mut code = [0; CODE_BYTES];
        code.copy_from_slice(&authentic[..CODE_BYTES]);
        RecoveryCode(code)
    }

    /// What the database has of a code.
    pub fn digest(&self, code: RecoveryCode) -> CodeDigest {
        CodeDigest(keyed_digest(&self.lookups, &code.0))
    }
}

fn keyed_digest(key: &[u8; 32], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may be of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

impl fmt::Display for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self
            .0
            .iter()
            .fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        for letter in 0..CODE_LETTERS {
            if letter > 0 && letter.is_multiple_of(4) {
                f.write_str("-")?;
            }
            let value = (bits >> (5 * (CODE_LETTERS - 1 - letter))) & 31;
            write!(f, "{}", char::from(ALPHABET[value as usize]))?;
        }
        Ok(())
    }
}

/// Never in a log line.
impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

impl FromStr for RecoveryCode {
    type Err = InvalidCode;
    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        if text.len() > MAX_TEXT {
            return Err(InvalidCode);
        }

        let (mut bits, mut letters) = (0_u128, 0);
        for letter in text.bytes().filter(|byte| !b" -".contains(byte)) {
            let value = letter_value(letter).ok_or(InvalidCode)?;
            bits = bits << 5 | value;
            letters += 1;
        }
        if letters != CODE_LETTERS {
            return Err(InvalidCode);
        }

        let mut code = [0; CODE_BYTES];
        code.copy_from_slice(&bits.to_be_bytes()[16 - CODE_BYTES..]);
        Ok(Self(code))
    }
}

/// As people read and type: small letters, and O, I and L for the digits that they look like.
fn letter_value(letter: u8) -> Option<u128> {
    let letter = match letter.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        letter => letter,
    };
    let value = ALPHABET.iter().position(|known| *known == letter)?;
    Some(value as u128)
}

impl TryFrom<String> for RecoveryCode {
    type Error = InvalidCode;
    fn try_from(text: String) -> Result<Self, InvalidCode> {
        text.parse()
    }
}

impl Serialize for RecoveryCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for RecoveryCode {
    fn schema() -> RefOr<Schema> {
        openapi_schema(json!({
            "type": "string",
            "maxLength": MAX_TEXT,
            "pattern": "^[ -]*([0-9A-TV-Za-tv-z][ -]*){16}$",
            "description": "16 letters and digits. Spaces, dashes and case do not matter; O is read as 0, I and L as 1.",
        }))
    }
}

impl ToSchema for RecoveryCode {}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(secret: &str) -> RecoveryKey {
        RecoveryKey::new(&Secret::from(secret))
    }

    fn booking(id: u128) -> BookingId {
        Uuid::from_u128(id).into()
    }

    #[test]
    fn code_is_of_booking_and_secret() {
        let (one, other) = (key("the-pass-secret-here"), key("another-secret-here"));
        let code = one.code(booking(1));

        assert_eq!(code, one.code(booking(1)));
        assert_ne!(code, one.code(booking(2)));
        assert_ne!(code, other.code(booking(1)));
        assert_eq!(one.digest(code), one.digest(code));
        assert_ne!(one.digest(code), other.digest(code));
        assert!(!one.digest(code).0.starts_with(&code.0));
        assert_ne!(one.codes, one.lookups);
        assert!(!format!("{one:?} {code:?}").contains(&code.to_string()[..4]));
    }

    #[test]
    fn reads_codes_as_people_write_them() {
        let code = RecoveryCode([0, 0x44, 0x32, 0x14, 0xC7, 0x42, 0x54, 0xB6, 0x35, 0xCF]);
        assert_eq!(code.to_string(), "0123-4567-89AB-CDEF");
        for written in [
            "0123-4567-89AB-CDEF",
            "oL23 4567 89ab cdef",
            " 0i23456789ABCDEF-",
        ] {
            assert_eq!(written.parse(), Ok(code), "{written}");
        }

        for bad in [
            "",
            "0123-4567-89AB-CDE",
            "0123-4567-89AB-CDEFG",
            "U123-4567-89AB-CDEF",
            "0123-4567-89AB-CDÉF",
            "0123_4567_89AB_CDEF",
        ] {
            assert_eq!(bad.parse::<RecoveryCode>(), Err(InvalidCode), "{bad}");
        }
    }
}
