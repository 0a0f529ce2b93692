//! Holds the queue's connections: takes joins, projects every local user's exact position from one
//! small message per event and tick, and routes passes to their users, over WebSockets, server-sent
//! events and polling.

mod auto_hold;
#[cfg(any(test, feature = "measure"))]
pub mod bench_support;
pub mod booking_api;
mod booking_client;
mod booking_routes;
mod client_addresses;
mod connection;
mod guests;
mod local_node;
pub mod metric_definitions;
mod node;
mod openapi;
mod place_presenter;
mod position_updates;
mod push;
mod queue_service;
mod router;
mod state;
mod transport;
mod wait_estimator;
mod web;

use axum::Router;
use waitingroom_messaging::signal::SignalError;

pub use self::{
    guests::new_guest_limit::GuestLimits,
    openapi::openapi,
    state::{Dependencies, Gateway, GatewayConfig},
    web::assets::{WebClientFile, web_client_files},
};

impl Gateway {
    /// The routes of the queue, the socket and the web client.
    pub fn router(&self) -> Router {
        router::router(self.clone())
            .merge(web::noscript::router(self))
            .merge(web::assets::router())
    }

    /// Booking's routes, handed on to booking at this URL.
    pub fn booking_routes(&self, url: &str) -> Router {
        booking_routes::router(self, url)
    }

    /// Starts the node's tasks, which run until the process drains. Returns once the node is
    /// subscribed to signals: only then are passes routed.
    ///
    /// # Errors
    /// If the node cannot subscribe.
    pub async fn start(&self) -> Result<(), SignalError> {
        self.0.node_tasks.spawn(&self.0.lifecycle).await
    }

    /// Is the node's subscription to signals alive? For readiness.
    pub fn is_subscribed(&self) -> bool {
        self.0.node_tasks.is_subscribed()
    }
}
