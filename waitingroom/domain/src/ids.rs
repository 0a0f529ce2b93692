//! Names of things, parsed once at the edge and trusted inward.

use std::{fmt, marker::PhantomData, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::schema::text_schema;

/// A name that does not have the form its kind requires. Displays as a sentence fit for a client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {problem}")]
pub struct InvalidId {
    kind: &'static str,
    problem: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema, JsonSchema,
        )]
        #[serde(transparent)]
        #[schema(value_type = String, format = Uuid)]
        pub struct $name(Uuid);

        impl $name {
            /// The underlying UUID, for storage.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| InvalidId { kind: $kind, problem: "must be a UUID" })
            }
        }
    };
}

uuid_id!(
    /// An event: one queue, its shows and their zones.
    EventId, "event_id"
);
uuid_id!(
    /// One date of an event.
    ShowId, "show_id"
);
uuid_id!(
    /// A block of interchangeable seats of one show.
    ZoneId, "zone_id"
);
uuid_id!(
    /// One reservation, from hold to its end.
    BookingId, "booking_id"
);

macro_rules! text_id {
    (
        $(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $ok:expr, $problem:literal,
        $pattern:literal, $description:literal
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        text_schema!($name, { "minLength": 1, "maxLength": $max, "pattern": $pattern, "description": $description });

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let allowed: fn(char) -> bool = $ok;
                let length = text.chars().count();
                let spaced = text.starts_with(' ') || text.ends_with(' ');
                if length == 0 || length > $max || spaced || !text.chars().all(allowed) {
                    return Err(InvalidId { kind: $kind, problem: $problem });
                }
                Ok(Self(text.into()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text(PhantomData))
            }
        }
    };
}

/// Reads a name where it stands: a copy of the text first would be one for each of thousands of
/// passes.
struct Text<T>(PhantomData<T>);

impl<T: FromStr<Err = InvalidId>> de::Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

text_id!(
    /// A person in the queue: the `sub` of their JWT. What Redis packs it with is separated by
    /// tabs, which it cannot contain.
    UserId, "sub", 255, |c| !c.is_control() && (c == ' ' || !c.is_whitespace()),
    "must be 1 to 255 printable characters, with spaces inside only",
    "^[^\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]([^\\u0000-\\u001f\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]*[^\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000])?$",
    "The `sub` of a JWT: printable characters, with spaces inside only. Only guests have names that begin with `guest-`."
);
text_id!(
    /// One gateway process. Chosen afresh at each start, so that a restarted node is a new node.
    NodeId, "node", 64, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'),
    "must be 1 to 64 letters, digits, '-', '_' or '.'",
    "^[A-Za-z0-9._-]+$", "One process; a restarted process has another name."
);
text_id!(
    /// One pass (`jti` of its token).
    PassId, "pass_id", 64, |c| c.is_ascii_alphanumeric() || c == '-',
    "must be 1 to 64 letters, digits or '-'",
    "^[A-Za-z0-9-]+$", "One pass."
);
text_id!(
    /// One incarnation of an event's queue. A queue that was rebuilt after a loss has a new epoch.
    Epoch, "epoch", 64, |c| c.is_ascii_alphanumeric() || c == '-',
    "must be 1 to 64 letters, digits or '-'",
    "^[A-Za-z0-9-]+$", "One incarnation of an event's queue."
);
text_id!(
    /// A client's name for one reservation attempt, the same on every retry of it.
    IdempotencyKey, "idempotency_key", 128, |c| !c.is_control() && (c == ' ' || !c.is_whitespace()),
    "must be 1 to 128 printable characters, with spaces inside only",
    "^[^\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]([^\\u0000-\\u001f\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]*[^\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000])?$",
    "The client's name for one reservation attempt, the same on every retry of it: printable characters, with spaces inside only."
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_ids_of_the_load_tests_are_uuids() {
        let id = "b0000000-0000-0001-0005-000000000000";
        assert_eq!(id.parse::<ZoneId>().unwrap().to_string(), id);
        assert!("load-test-zone-1-1".parse::<ZoneId>().is_err());
    }

    #[test]
    fn users_are_printable_and_have_spaces_inside_only() {
        for bad in [
            "",
            " ",
            " a",
            "a ",
            "a\tb",
            "a\nb",
            "a\u{a0}b",
            "a\u{2028}b",
            "a\0b",
            &"x".repeat(256),
        ] {
            assert!(bad.parse::<UserId>().is_err(), "{bad:?}");
        }

        for good in [
            "auth0|ploy@example.com",
            "uid=ann,ou=People of the house,dc=example",
            "ปล่อย ใจ",
            &"x".repeat(255),
        ] {
            assert!(good.parse::<UserId>().is_ok(), "{good:?}");
        }
    }
}
