//! Money: an integer in the minor unit of its currency, which ISO 4217 defines.

use std::{fmt, str::FromStr};

use iso_currency::{Flag, IntoEnumIterator};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Decimals of a currency that the list does not name any more: those of nearly all.
const DEFAULT_DIGITS: u8 = 2;

/// A currency by its ISO 4217 code. What clients send must be in the list and in use; a stored code
/// stays valid when the list drops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[A-Z]{3}$")]
pub struct Currency([u8; 3]);

/// A code that is no currency in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the code of a currency in use (ISO 4217), for example EUR")]
pub struct InvalidCurrency;

impl Currency {
    /// What an event is sold in unless it says otherwise.
    pub const EUR: Self = Self(*b"EUR");

    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only capital ASCII letters were let in")
    }

    /// Decimals of the minor unit: an amount of 1250 is 12.50 with two, 1250 with none.
    pub fn digits(self) -> u8 {
        iso_currency::Currency::from_code(self.as_str())
            .and_then(minor_digits)
            .unwrap_or(DEFAULT_DIGITS)
    }

    /// A stored code, of which only the form is checked.
    ///
    /// # Errors
    /// It is not three capital letters.
    pub fn stored(code: &str) -> Result<Self, InvalidCurrency> {
        let code: [u8; 3] = code.as_bytes().try_into().map_err(|_| InvalidCurrency)?;
        if code.iter().all(u8::is_ascii_uppercase) {
            Ok(Self(code))
        } else {
            Err(InvalidCurrency)
        }
    }

    /// Every currency in use, by code.
    pub fn all() -> impl Iterator<Item = Self> {
        iso_currency::Currency::iter()
            .filter(|currency| is_in_use(*currency))
            .filter_map(|currency| Self::stored(currency.code()).ok())
    }
}

fn minor_digits(currency: iso_currency::Currency) -> Option<u8> {
    currency.exponent()?.try_into().ok()
}

/// Metals, units of account and test codes have no minor unit; withdrawn currencies have a
/// successor.
fn is_in_use(currency: iso_currency::Currency) -> bool {
    let is_withdrawn = |flag: &Flag| matches!(flag, Flag::Superseded(_));
    minor_digits(currency).is_some() && !currency.flags().iter().any(is_withdrawn)
}

impl FromStr for Currency {
    type Err = InvalidCurrency;
    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        iso_currency::Currency::from_code(text)
            .filter(|currency| is_in_use(*currency))
            .ok_or(InvalidCurrency)
            .and_then(|currency| Self::stored(currency.code()))
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;
    fn try_from(text: String) -> Result<Self, InvalidCurrency> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    /// In the currency's minor unit (cents).
    pub minor: i64,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// The price of `quantity` pieces.
    #[must_use]
    pub fn times(self, quantity: u32) -> Self {
        Self {
            minor: self.minor.saturating_mul(i64::from(quantity)),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_iso_4217() {
        for (code, digits) in [
            ("EUR", 2),
            ("HUF", 2),
            ("IDR", 2),
            ("COP", 2),
            ("LAK", 2),
            ("MMK", 2),
            ("PKR", 2),
            ("RSD", 2),
            ("JPY", 0),
            ("KRW", 0),
            ("KWD", 3),
            ("IQD", 3),
            ("UYW", 4),
        ] {
            let currency: Currency = code.parse().unwrap();
            assert_eq!((currency.as_str(), currency.digits()), (code, digits));
        }
    }

    #[test]
    fn rejects_codes_not_in_use() {
        for code in ["EUX", "eur", "EURO", "", "XAU", "XXX", "XTS", "HRK"] {
            assert!(code.parse::<Currency>().is_err(), "{code}");
        }

        assert_eq!(Currency::stored("HRK").unwrap().digits(), 2);
        assert_eq!(Currency::stored("EUX").unwrap().digits(), DEFAULT_DIGITS);
        assert!(Currency::stored("eur").is_err());
        assert!(Currency::all().count() > 150);
        assert!(Currency::all().all(|currency| currency.as_str().parse() == Ok(currency)));
    }
}
