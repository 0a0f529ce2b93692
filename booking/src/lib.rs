//! The booking role: turns passes into reserved seats.

pub mod event;
pub mod money;
pub mod reservation;
pub mod store;
