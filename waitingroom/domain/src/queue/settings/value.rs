//! The types that a setting may have, and how a setting is described.

use std::ops::RangeInclusive;

use crate::queue::SaleState;

/// A setting, for a page that documents it and a form that edits it.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingDescription {
    /// Its name on the wire.
    pub name: &'static str,
    /// The values that it may have.
    pub values: SettingValues,
    /// The default as text; none for a setting that is absent by default.
    pub default: Option<String>,
    /// One or two sentences.
    pub meaning: &'static str,
}

/// The values that a setting may have.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingValues {
    /// One of these.
    Choice(Vec<&'static str>),
    /// A whole number from `min` to `max`.
    Integer {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// Any number from `min` to `max`.
    Number {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// A text, or none.
    Text {
        /// The longest.
        max_characters: usize,
    },
}

/// A type of settings.
pub(super) trait SettingValue: Copy {
    /// As it is stored.
    fn to_text(self) -> String;
    /// From [`SettingValue::to_text`].
    fn from_text(text: &str) -> Option<Self>;
    /// The values that a setting of this type may have.
    fn values(range: Option<RangeInclusive<Self>>) -> SettingValues;
    /// The end of a sentence that begins with "it must be".
    fn range_text(range: &RangeInclusive<Self>) -> String;
}

macro_rules! integer {
    ($type:ty) => {
        impl SettingValue for $type {
            fn to_text(self) -> String {
                self.to_string()
            }

            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn values(range: Option<RangeInclusive<Self>>) -> SettingValues {
                let (min, max) = range.unwrap_or(Self::MIN..=Self::MAX).into_inner();
                SettingValues::Integer {
                    min: min.into(),
                    max: max.into(),
                }
            }

            fn range_text(range: &RangeInclusive<Self>) -> String {
                format!("from {} to {}", range.start(), range.end())
            }
        }
    };
}

integer!(u32);
integer!(u64);

impl SettingValue for f64 {
    /// Always with a fraction, as released versions store it.
    fn to_text(self) -> String {
        format!("{self:?}")
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn values(range: Option<RangeInclusive<Self>>) -> SettingValues {
        let (min, max) = range.unwrap_or(Self::MIN..=Self::MAX).into_inner();
        SettingValues::Number { min, max }
    }

    fn range_text(range: &RangeInclusive<Self>) -> String {
        format!("a number from {} to {}", range.start(), range.end())
    }
}

impl SettingValue for SaleState {
    fn to_text(self) -> String {
        self.as_str().to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::from_name(text)
    }

    fn values(_: Option<RangeInclusive<Self>>) -> SettingValues {
        SettingValues::Choice(Self::ALL.iter().map(|state| state.as_str()).collect())
    }

    fn range_text(_: &RangeInclusive<Self>) -> String {
        "a state of the sale".to_owned()
    }
}
