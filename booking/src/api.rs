//! The routes of this role. A handler parses, calls one operation and maps its result.

mod admin;
mod audit;
mod availability;
mod bookings;
mod caller;
mod events;
mod inventory;
mod live;
mod new_event;
mod reserve;
mod streams;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post, put},
};

use crate::desk::Desk;

pub(crate) fn router(desk: Arc<Desk>) -> Router {
    let routes = Router::new()
        .route("/events", get(events::list))
        .route("/events/{event_id}", get(events::one))
        .route("/events/{event_id}/availability/stream", get(availability::stream))
        .route("/bookings", get(bookings::list))
        .route("/bookings/reserve", post(reserve::reserve))
        .route("/bookings/reserve/first", post(reserve::reserve_first))
        .route("/bookings/pending", get(bookings::pending))
        .route("/bookings/summary", get(bookings::summary))
        .route("/bookings/{booking_id}", get(bookings::one).delete(bookings::cancel))
        .route("/bookings/{booking_id}/confirm", post(bookings::confirm))
        .route("/bookings/{booking_id}/cancel", post(bookings::cancel))
        .route("/admin/events", get(admin::list).post(admin::create))
        .route("/admin/events/{event_id}/queue", get(admin::queue).put(admin::change_queue))
        .route("/admin/events/{event_id}/appearance", put(admin::change_appearance))
        .route("/admin/events/{event_id}/live", get(live::one))
        .route("/admin/events/{event_id}/live/stream", get(live::stream))
        .route("/admin/nodes", get(live::nodes))
        .route("/admin/audit", get(audit::list))
        .route("/admin/sync-inventory", post(inventory::sync))
        .route("/admin/inventory-status", get(inventory::status));
    Router::new().nest("/api/v1", routes).with_state(desk)
}
