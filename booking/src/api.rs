//! The routes of this role. A handler parses, calls one operation and maps its result.

mod admin;
mod audit;
mod availability;
mod bookings;
mod events;
mod extract;
mod inventory;
mod live;
mod new_event;
mod params;
mod reserve;
mod sse;

use axum::{
    Router,
    routing::{delete, get, post, put},
};

use crate::state::AppState;

/// Paths are written out: a nested router costs each request a layer.
pub(crate) fn router(state: AppState) -> Router {
    Router::new()
        .route("/api/v1/events", get(events::list))
        .route("/api/v1/events/{event_id}", get(events::get))
        .route(
            "/api/v1/events/{event_id}/availability/stream",
            get(availability::stream),
        )
        .route("/api/v1/bookings", get(bookings::list))
        .route("/api/v1/bookings/reserve", post(reserve::reserve))
        .route(
            "/api/v1/bookings/reserve/first",
            post(reserve::reserve_first),
        )
        .route("/api/v1/bookings/pending", get(bookings::pending))
        .route("/api/v1/bookings/summary", get(bookings::summary))
        .route(
            "/api/v1/bookings/{booking_id}",
            get(bookings::get).delete(bookings::cancel),
        )
        .route(
            "/api/v1/bookings/{booking_id}/confirm",
            post(bookings::confirm),
        )
        .route(
            "/api/v1/bookings/{booking_id}/cancel",
            post(bookings::cancel),
        )
        .route("/api/v1/admin/events", get(admin::list).post(admin::create))
        .route(
            "/api/v1/admin/events/{event_id}/queue",
            get(admin::queue).put(admin::update_queue),
        )
        .route(
            "/api/v1/admin/events/{event_id}/queue/places/{user_id}",
            delete(admin::remove_place),
        )
        .route(
            "/api/v1/admin/events/{event_id}/appearance",
            put(admin::update_appearance),
        )
        .route("/api/v1/admin/events/{event_id}/live", get(live::get))
        .route(
            "/api/v1/admin/events/{event_id}/live/stream",
            get(live::stream),
        )
        .route("/api/v1/admin/nodes", get(live::nodes))
        .route("/api/v1/admin/audit", get(audit::list))
        .route("/api/v1/admin/sync-inventory", post(inventory::sync))
        .route("/api/v1/admin/inventory-status", get(inventory::status))
        .with_state(state)
}
