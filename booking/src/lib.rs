//! The booking role: turns passes into reserved seats.
//!
//! A reservation goes through `reserve` (pass, engine), `commit` (many of them in one transaction)
//! and [`store`] (the database, the truth). Tasks of `role` keep engine and database together:
//! `expiry`, `reconcile`, `inventory`, `follow`, `checkpoint`; [`relay`] tells the bus.

mod api;
pub mod appearance;
pub mod audit;
mod availability;
mod catalogue;
mod checkpoint;
mod commit;
mod database_clock;
mod decide;
mod desk;
mod drift;
pub mod event;
mod expiry;
mod feed;
mod first_fit;
mod follow;
mod gateways;
mod guests;
mod inventory;
mod live;
pub mod money;
mod operate;
pub mod parcel;
mod pulse;
mod reads;
mod reconcile;
mod refusal;
pub mod relay;
pub mod reservation;
mod reserve;
mod role;
pub mod seed;
mod settle;
pub mod store;
mod suspects;

pub use desk::{Backends, BookingConfig};
pub use guests::GuestLimits;
pub use refusal::Refusal;
pub use role::Booking;
