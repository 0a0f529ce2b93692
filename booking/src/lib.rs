//! The booking role: turns passes into reserved seats.
//!
//! A reservation goes through `reservations` (pass, guest limits), `pipeline` (seats are held and
//! bookings committed in batches) and [`store`] (the database, the source of truth). `settlements`
//! and `inventory` keep engine and database consistent, [`outbox_publisher`] publishes what was committed,
//! `live` feeds visitors and dashboards. `service` builds the role, and its tasks are started
//! there.

mod admin_actions;
mod api;
mod authentication;
mod calendar;
mod catalogue;
mod database_clock;
mod engine_timeout;
mod error;
mod health;
mod inventory;
mod live;
mod load_monitor;
pub mod metric_definitions;
pub mod model;
pub mod outbox_publisher;
mod pipeline;
mod read_limit;
mod reservations;
pub mod seed;
mod service;
mod settlements;
mod state;
pub mod store;
mod tasks;

pub use error::BookingError;
pub use reservations::guest_limits::GuestLimits;
pub use service::BookingService;
pub use state::{Backends, BookingConfig};

/// The role's part of the OpenAPI document, taken from its handlers.
pub fn openapi() -> utoipa::openapi::OpenApi {
    api::openapi()
}
