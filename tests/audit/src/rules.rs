//! The promises, one a file. Each rule reads world and history and says what it found.

pub(crate) mod cap;
pub(crate) mod durable;
pub(crate) mod order;
pub(crate) mod passes;
pub(crate) mod place;
pub(crate) mod positions;
pub(crate) mod ranks;
pub(crate) mod rate;
pub(crate) mod seats;
pub(crate) mod stream;

/// At most this many examples in a finding's text.
const EXAMPLES: usize = 3;

/// A few of them, for people.
fn some<T: std::fmt::Display>(all: &[T]) -> String {
    all.iter()
        .take(EXAMPLES)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
