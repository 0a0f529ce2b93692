//! The life of a booking as users and time change it: reserve, confirm or cancel, expire.

pub(crate) mod confirm_cancel;
pub(crate) mod expiry;
pub(crate) mod first_available;
pub(crate) mod guest_limits;
pub(crate) mod key_cleanup;
pub(crate) mod queries;
pub(crate) mod recovery;
pub(crate) mod request;
pub(crate) mod request_validator;
pub(crate) mod reserve;
