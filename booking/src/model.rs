//! What booking deals in: events, bookings, money, and the records kept of them. No I/O.

pub mod appearance;
pub mod audit_log;
pub mod booking;
pub mod event;
pub mod money;
pub mod outbox;
pub mod recovery_code;
pub mod revision;
pub mod venue;
