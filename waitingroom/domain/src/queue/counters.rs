//! The counters of an event's queue, one line each in the table below. The struct, the fields in
//! Redis, the totals on the wire and the reference page follow from it.

use serde::Serialize;
use utoipa::ToSchema;

/// The name of a counter on the wire and in Redis.
macro_rules! name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}

/// Names are `tt`, since utoipa 5.5 does not see a `serde(rename)` whose text is a `literal` of a macro.
/// `derived` counters follow from other numbers of the queue and are not stored. Attributes of the
/// struct and of its fields are passed on.
macro_rules! counters {
    (
        $(#[$attribute:meta])* $Counters:ident,
        derived { $($(#[$derived_attribute:meta])* $derived:ident $(as $derived_name:tt)?, $derived_meaning:literal;)* }
        stored { $($(#[$stored_attribute:meta])* $stored:ident $(as $stored_name:tt)?, $stored_meaning:literal;)* }
    ) => {
        $(#[$attribute])*
        pub struct $Counters {
            $(
                #[doc = $derived_meaning]
                $(#[serde(rename = $derived_name)])?
                $(#[$derived_attribute])*
                pub $derived: u64,
            )*
            $(
                #[doc = $stored_meaning]
                $(#[serde(rename = $stored_name)])?
                $(#[$stored_attribute])*
                pub $stored: u64,
            )*
        }

        impl $Counters {
            /// Name and meaning of each counter.
            pub const DESCRIPTIONS: &[(&str, &str)] = &[
                $((name!($derived $($derived_name)?), $derived_meaning),)*
                $((name!($stored $($stored_name)?), $stored_meaning),)*
            ];

            /// The names of the counters that a store keeps.
            pub const STORED_NAMES: &[&str] = &[$(name!($stored $($stored_name)?),)*];

            /// From the fields of a store; missing ones are 0. Nothing for a field that is no
            /// counter.
            pub fn from_fields(fields: impl IntoIterator<Item = (String, u64)>) -> Option<Self> {
                let mut counters = Self::default();
                for (name, count) in fields {
                    match name.as_str() {
                        $(name!($derived $($derived_name)?) => counters.$derived = count,)*
                        $(name!($stored $($stored_name)?) => counters.$stored = count,)*
                        _ => return None,
                    }
                }

                Some(counters)
            }
        }
    };
}

counters! {
    /// What has happened in an epoch of a queue, over all nodes. Each number only grows while the
    /// epoch lasts: differences between two looks are exact.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
    Counters,

    derived {
        joined, "Places taken, or re-taken with a ticket of an earlier epoch.";
    }

    stored {
        released, "Passes released.";
        unclaimed as "taken_back", "Passes that no client acknowledged within the claim window.";
        expired, "Passes that ended unused.";
        dropped, "Places lost by being away for longer than the grace period, or by unclaimed passes.";
        left, "Places and passes that were given up.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_and_takes_missing_for_zero() {
        let fields = |names: &[(&str, u64)]| {
            Counters::from_fields(
                names
                    .iter()
                    .map(|(name, count)| ((*name).to_owned(), *count)),
            )
        };

        let counted = Counters {
            joined: 7,
            unclaimed: 2,
            ..Counters::default()
        };
        assert_eq!(fields(&[("joined", 7), ("taken_back", 2)]), Some(counted));
        assert_eq!(fields(&[("unclaimed", 2)]), None, "its name is another");
    }
}
