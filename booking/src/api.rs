//! The routes of this role. A handler parses, calls one operation and maps its result.

mod admin;
mod audit;
mod availability;
mod bookings;
mod calendar;
mod events;
mod extract;
mod inventory;
mod live;
mod new_event;
mod params;
mod problems;
mod recovery;
mod reserve;
mod sse;

use axum::Router;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

pub(crate) fn router(state: AppState) -> Router {
    routes().with_state(state).into()
}

/// The role's part of the OpenAPI document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = routes().into_openapi();
    problems::register(document.components.get_or_insert_default());
    document
}

/// Each handler names its method and its whole path: a nested router costs each request a layer.
fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(events::list))
        .routes(routes!(events::get))
        .routes(routes!(availability::stream))
        .routes(routes!(bookings::list))
        .routes(routes!(reserve::reserve))
        .routes(routes!(reserve::reserve_first))
        .routes(routes!(bookings::pending))
        .routes(routes!(bookings::summary))
        .routes(routes!(bookings::get, bookings::delete))
        .routes(routes!(calendar::of_event))
        .routes(routes!(calendar::of_booking))
        .routes(routes!(recovery::code))
        .routes(routes!(recovery::recover))
        .routes(routes!(bookings::confirm))
        .routes(routes!(bookings::cancel))
        .routes(routes!(admin::list, admin::create))
        .routes(routes!(admin::currencies))
        .routes(routes!(admin::queue, admin::update_queue))
        .routes(routes!(admin::remove_place))
        .routes(routes!(admin::update_appearance))
        .routes(routes!(live::get))
        .routes(routes!(live::stream))
        .routes(routes!(live::nodes))
        .routes(routes!(audit::list))
        .routes(routes!(inventory::sync))
        .routes(routes!(inventory::status))
}
