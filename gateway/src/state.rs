//! The state that every connection and request of a gateway shares.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;
use waitingroom_domain::{
    clock::Clock, guest_address::GuestAddressKey, ids::NodeId, pass::PassKey, secret::Secret,
    ticket::TicketKey,
};
use waitingroom_engine::{SharedEngine, batcher::ActionBatcher};
use waitingroom_messaging::signal::Signals;
use waitingroom_server::{auth::Authenticator, lifecycle::Lifecycle};

use crate::{
    booking_api::SharedBookingApi,
    booking_client::BookingClient,
    connection::heartbeat_wheel::HeartbeatWheel,
    guests::rate_limit::{GuestLimits, GuestRateLimiter},
    registry::Registry,
};

/// Settings of a gateway.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// This node's name, new at every start.
    pub node: NodeId,
    /// Time between two heartbeats to a client.
    pub heartbeat: Duration,
    /// Time over which a draining node spreads the closing of its connections.
    pub drain_window: Duration,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Limits of guests.
    pub guests: GuestLimits,
    /// The secret of development tokens; without it, `/dev/token` does not exist.
    pub development_secret: Option<Secret>,
}

/// The parts of the process that a gateway uses.
#[derive(Clone)]
pub struct Dependencies {
    /// The queues.
    pub engine: SharedEngine,
    /// Publishes and receives passes, removals and progress.
    pub signals: Arc<dyn Signals>,
    /// Verifies tokens.
    pub authenticator: Authenticator,
    /// Mints passes.
    pub passes: PassKey,
    /// Mints and verifies tickets.
    pub tickets: TicketKey,
    /// Booking's interface.
    pub booking: SharedBookingApi,
    /// Vouches for guests' addresses to booking.
    pub addresses: GuestAddressKey,
    /// The time.
    pub clock: Clock,
    /// The process's tasks.
    pub lifecycle: Lifecycle,
}

pub(crate) struct Inner {
    pub(crate) config: GatewayConfig,
    pub(crate) deps: Dependencies,
    /// Runs users' actions in batches.
    pub(crate) batcher: ActionBatcher,
    pub(crate) registry: Registry,
    pub(crate) heartbeat_wheel: HeartbeatWheel,
    pub(crate) booking: BookingClient,
    pub(crate) guest_rate_limiter: GuestRateLimiter,
    pub(crate) passes_sent: metrics::Counter,
}

/// One gateway node. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(pub(crate) Arc<Inner>);

impl Gateway {
    /// A gateway without connections.
    pub fn new(config: GatewayConfig, deps: Dependencies) -> Self {
        let lifecycle = deps.lifecycle.clone();
        let batcher = ActionBatcher::new(deps.engine.clone(), deps.clock.clone(), move |task| {
            lifecycle.spawn("batcher", task)
        });

        Self(Arc::new(Inner {
            batcher,
            registry: Registry::default(),
            heartbeat_wheel: HeartbeatWheel::new(config.heartbeat),
            booking: BookingClient::new(deps.booking.clone()),
            guest_rate_limiter: GuestRateLimiter::new(
                config.guests,
                config.trusted_proxies.clone(),
            ),
            // Looked up once: it is incremented for each pass.
            passes_sent: metrics::counter!(crate::metric_definitions::PASSES_DELIVERED),
            config,
            deps,
        }))
    }
}
