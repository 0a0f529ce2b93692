//! The settings of an event's queue, one line each in the table below. The structs, the defaults,
//! the checks, the fields in Redis, the reference page and the operators' form follow from it.

mod table;
mod value;

use std::{borrow::Cow, ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Deserializer, Serialize};

use self::value::SettingValue;
pub use self::value::{SettingDescription, SettingValues};
use super::SaleState;

table::settings! {
    /// What an operator sets for one event's queue. Missing fields have their defaults: what a
    /// release stored stays readable for the next one, which has more settings.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    QueueSettings,

    /// A part of the settings to change; absent fields stay.
    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    QueuePatch,

    values {
        state: SaleState = SaleState::Open, any,
            "State of the sale.";
        rate_per_second: f64 = 50.0, 0.0..=100_000.0,
            "Users released per second.";
        burst: u32 = 50, 1..=100_000,
            "Max users released at one moment after a period below the rate.";
        max_active: u32 = 1_000, 1..=1_000_000,
            "Max passes that are issued and neither used nor expired.";
        pass_ttl_seconds: u32 = 300, 1..=86_400,
            "Lifetime of a pass, from its release to the reservation.";
        claim_window_seconds: u32 = 30, 1..=3_600,
            "Time to acknowledge a pass; it is revoked afterwards, and its user is first again on return.";
        push_claim_window_seconds: u32 = 120, 0..=3_600,
            "Time to acknowledge a pass that was sent as a push to a device, if that is longer than `claim_window_seconds`.";
        grace_seconds: u32 = 300, 0..=86_400,
            "Time that a disconnected user keeps the place.";
        max_in_line: u64 = 1_000_000, 1..=10_000_000,
            "Max users in the queue; further joins are answered with `QUEUE_FULL`.";
    }

    texts {
        message: up to 500 characters,
            "A message to everyone in the queue.";
    }
}

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {range}")]
pub struct InvalidSetting {
    /// The setting's name on the wire.
    pub field: &'static str,
    /// What it may be.
    pub range: Cow<'static, str>,
}

impl QueueSettings {
    /// Life of a pass.
    pub fn pass_ttl(&self) -> Duration {
        Duration::from_secs(self.pass_ttl_seconds.into())
    }

    /// Time to acknowledge a pass.
    pub fn claim_window(&self) -> Duration {
        Duration::from_secs(self.claim_window_seconds.into())
    }

    /// Time to acknowledge a pass that was pushed to the user's devices: a phone has to be looked
    /// at and unlocked first.
    pub fn push_claim_window(&self) -> Duration {
        Duration::from_secs(self.push_claim_window_seconds.into()).max(self.claim_window())
    }

    /// Time an absent user keeps a place.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds.into())
    }
}

/// `null` removes a text, as in RFC 7396; an absent text stays.
fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer).map(|text: Option<String>| Some(text.unwrap_or_default()))
}

/// An empty text removes the one before.
fn patched_text(before: Option<&str>, patch: Option<&str>) -> Option<String> {
    patch
        .or(before)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// Lines may be broken; other control characters are nothing to read, and PostgreSQL takes no NUL.
fn is_readable(text: &str, max_characters: usize) -> bool {
    let readable =
        |character: char| !character.is_control() || matches!(character, '\n' | '\r' | '\t');
    text.chars().count() <= max_characters && text.chars().all(readable)
}

fn check_value<T: SettingValue + PartialOrd>(
    field: &'static str,
    value: Option<T>,
    range: RangeInclusive<T>,
) -> Result<(), InvalidSetting> {
    if value.is_none_or(|value| range.contains(&value)) {
        return Ok(());
    }
    Err(InvalidSetting {
        field,
        range: T::range_text(&range).into(),
    })
}

fn check_text(
    field: &'static str,
    text: Option<&str>,
    max_characters: usize,
) -> Result<(), InvalidSetting> {
    if text.is_none_or(|text| is_readable(text, max_characters)) {
        return Ok(());
    }
    Err(InvalidSetting {
        field,
        range: format!("at most {max_characters} printable characters").into(),
    })
}

#[cfg(test)]
mod tests;
