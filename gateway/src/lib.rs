//! Holds the line's connections: takes joins, projects every local user's exact position from one
//! small message per event and tick, and routes passes to the users they are for, over WebSockets,
//! server-sent events and polling.

mod auto_hold;
#[cfg(any(test, feature = "measure"))]
pub mod bench_support;
pub mod booking_api;
mod booking_client;
mod connection;
mod guests;
mod node;
mod queue_service;
mod registry;
mod router;
mod transport;
mod wait_estimator;
mod web;

use std::{sync::Arc, time::Duration};

use axum::Router;
use ipnet::IpNet;
use waitingroom::{
    clock::Clock,
    engine::{SharedEngine, gathering::Gathering},
    guest_address::AddressKey,
    identity::Authenticator,
    ids::NodeId,
    lifecycle::Lifecycle,
    pass::PassKey,
    secret::Secret,
    signal::Signals,
    ticket::TicketKey,
};

pub use self::guests::rate_limit::GuestLimits;
use self::{
    booking_api::SharedBookingApi, booking_client::BookingClient,
    connection::heartbeat_wheel::HeartbeatWheel, guests::rate_limit::GuestRateLimiter,
    registry::Registry,
};

/// How a gateway works.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// This node's name: fresh at every start.
    pub node: NodeId,
    /// Time between two heartbeats to a client.
    pub heartbeat: Duration,
    /// The window over which clients are spread that a draining node sends away.
    pub drain_window: Duration,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What guests may do.
    pub guests: GuestLimits,
    /// The secret of development tokens; where it is not set, `/dev/token` does not exist.
    pub development_secret: Option<Secret>,
}

/// What the gateway needs of the process around it.
#[derive(Clone)]
pub struct Dependencies {
    /// The line.
    pub engine: SharedEngine,
    /// The ear for passes and progress.
    pub signals: Arc<dyn Signals>,
    /// Who is asking.
    pub authenticator: Authenticator,
    /// Mints passes.
    pub passes: PassKey,
    /// Mints and verifies tickets.
    pub tickets: TicketKey,
    /// The way to booking.
    pub booking: SharedBookingApi,
    /// Tells booking where guests come from.
    pub addresses: AddressKey,
    /// The time.
    pub clock: Clock,
    /// The tasks.
    pub lifecycle: Lifecycle,
}

/// What every connection and request shares.
struct Inner {
    config: GatewayConfig,
    deps: Dependencies,
    batcher: Gathering,
    registry: Registry,
    heartbeat_wheel: HeartbeatWheel,
    booking: BookingClient,
    guest_rate_limiter: GuestRateLimiter,
    passes_sent: metrics::Counter,
}

/// One gateway node. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

impl Gateway {
    /// A gateway that serves nobody yet.
    pub fn new(config: GatewayConfig, deps: Dependencies) -> Self {
        let booking = BookingClient::new(deps.booking.clone());
        let guest_rate_limiter =
            GuestRateLimiter::new(config.guests, config.trusted_proxies.clone());
        let heartbeat_wheel = HeartbeatWheel::new(config.heartbeat);
        let batcher = Gathering::new(
            deps.engine.clone(),
            deps.clock.clone(),
            deps.lifecycle.clone(),
        );
        // Looked up once: it is counted for each pass.
        let passes_sent = metrics::counter!("stanchion_passes_sent_total");
        let registry = Registry::default();
        Self(Arc::new(Inner {
            config,
            deps,
            batcher,
            registry,
            heartbeat_wheel,
            booking,
            guest_rate_limiter,
            passes_sent,
        }))
    }

    /// The line's routes, the socket, and the web client.
    pub fn router(&self) -> Router {
        router::router(self.clone())
            .merge(web::noscript::router(self.clone()))
            .merge(web::assets::router())
    }

    /// Listens to signals and reports the node's life until the process drains. Returns once the
    /// node hears: only then are passes routed.
    ///
    /// # Errors
    /// Where the signals cannot be listened to at the start.
    pub async fn start(&self) -> Result<(), waitingroom::signal::SignalError> {
        node::spawn_tasks(self).await
    }

    /// Is the node's ear alive? For readiness.
    pub fn is_subscribed(&self) -> bool {
        self.0.registry.is_subscribed()
    }
}
