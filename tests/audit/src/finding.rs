//! What a rule found.

use serde::{Deserialize, Serialize};

/// A promise that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Passes are released in the order of the line among those who are present.
    Order,
    /// A place ends in one pass, which is good for one booking and is not refused before.
    Pass,
    /// No more passes than rate and burst allow.
    Rate,
    /// No more live passes than the cap.
    Cap,
    /// Rows, counters and engine tell of the same seats, and no zone is oversold.
    Seats,
    /// What a client is shown never grows.
    Position,
    /// What was answered with 201 or 200 is in the database.
    Durable,
    /// Each change is in the stream once, and nothing that the database lacks.
    Stream,
    /// Nobody who was present loses the place.
    Place,
}

impl Rule {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Pass => "pass",
            Self::Rate => "rate",
            Self::Cap => "cap",
            Self::Seats => "seats",
            Self::Position => "position",
            Self::Durable => "durable",
            Self::Stream => "stream",
            Self::Place => "place",
        }
    }
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// A broken promise.
    Violation,
    /// An exception that the documents name.
    Documented,
    /// Worth knowing.
    Note,
}

/// See the module's documentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Which promise.
    pub rule: Rule,
    /// How much it weighs.
    pub weight: Weight,
    /// How many users, passes, bookings or seats it concerns.
    pub count: usize,
    /// What, with an example.
    pub text: String,
}

impl Finding {
    /// A broken promise.
    pub fn violation(rule: Rule, count: usize, text: String) -> Self {
        Self {
            rule,
            weight: Weight::Violation,
            count,
            text,
        }
    }

    /// An exception that the documents name.
    pub fn documented(rule: Rule, count: usize, text: String) -> Self {
        Self {
            rule,
            weight: Weight::Documented,
            count,
            text,
        }
    }

    /// Worth knowing.
    pub fn note(rule: Rule, count: usize, text: String) -> Self {
        Self {
            rule,
            weight: Weight::Note,
            count,
            text,
        }
    }
}
