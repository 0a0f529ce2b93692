//! Users without an account: their tokens, the cookie of pages without script, and how many come
//! from one address.

pub(crate) mod cookie;
pub(crate) mod guest_join_limit;
pub(crate) mod guest_majority;
pub(crate) mod new_guest_limit;
pub(crate) mod places;
pub(crate) mod token_endpoints;
pub(crate) mod token_issuer;
