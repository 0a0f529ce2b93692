//! Users without an account: their tokens, the cookie of pages without script, and how many come
//! from one address.

mod cookie;
mod join_limits;
pub(crate) mod places;
pub(crate) mod rate_limit;
pub(crate) mod tokens;
