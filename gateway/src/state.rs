//! A gateway as a composition of its services, and how handlers get them.

use std::{sync::Arc, time::Duration};

use axum::extract::FromRef;
use ipnet::IpNet;
use waitingroom_domain::{
    clock::Clock, guest_address::GuestAddressKey, ids::NodeId, pass::PassKey, push::PushConfig,
    secret::Secret, ticket::TicketKey,
};
use waitingroom_engine::{SharedEngine, batcher::ActionBatcher};
use waitingroom_messaging::{process_registry::GuestMajority, signal::Signals};
use waitingroom_server::{auth::Authenticator, start_and_drain::Lifecycle};

use crate::{
    auto_hold::AutoHoldService,
    booking_api::SharedBookingApi,
    booking_client::BookingClient,
    client_addresses::ClientAddresses,
    connection::heartbeat_and_drain_timer::HeartbeatWheel,
    guests::{
        cookie::GuestCookies,
        guest_join_limit::GuestJoinLimits,
        new_guest_limit::{GuestLimits, GuestRateLimiter},
        token_issuer::{DevTokenIssuer, GuestTokenIssuer},
    },
    local_node::LocalNode,
    node::{ConnectionTimer, NodeTasks, ResyncService},
    place_presenter::PlacePresenter,
    position_updates::Registry,
    push::PushService,
    queue_service::{PlaceActions, QueueService, RoomSubscriber},
    transport::{
        services::ConnectionServices,
        ws::{Authentication, WebSocketService},
    },
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
    /// How users are notified of their turn by a push; nothing if they are not.
    pub push: Option<PushConfig>,
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

/// The services of a gateway. Each owns the few parts that it needs.
pub(crate) struct Services {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) node_tasks: NodeTasks,
    authenticator: Authenticator,
    client_addresses: Arc<ClientAddresses>,
    queue: Arc<QueueService>,
    presenter: Arc<PlacePresenter>,
    auto_hold: Arc<AutoHoldService>,
    booking: Arc<BookingClient>,
    guest_rate_limiter: Arc<GuestRateLimiter>,
    guest_tokens: Arc<GuestTokenIssuer>,
    guest_cookies: Arc<GuestCookies>,
    dev_tokens: Option<Arc<DevTokenIssuer>>,
    push: Arc<PushService>,
    connection: Arc<ConnectionServices>,
    web_sockets: Arc<WebSocketService>,
}

/// One gateway node. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(pub(crate) Arc<Services>);

impl Gateway {
    /// A gateway without connections.
    pub fn new(config: GatewayConfig, deps: Dependencies) -> Self {
        Self(Arc::new(Services::new(config, deps)))
    }

    /// The address that makes most of the new guests on this node, if there is one. For operators.
    pub fn guest_majority(&self) -> Option<GuestMajority> {
        self.0.guest_rate_limiter.majority()
    }
}

impl Services {
    fn new(config: GatewayConfig, deps: Dependencies) -> Self {
        let registry = Arc::new(Registry::default());
        let heartbeat_wheel = Arc::new(HeartbeatWheel::new(config.heartbeat));
        let client_addresses = Arc::new(ClientAddresses::new(config.trusted_proxies.clone()));
        let guest_rate_limiter = Arc::new(GuestRateLimiter::new(config.guests));
        let node = Arc::new(LocalNode::new(
            config.node.clone(),
            deps.engine.clone(),
            Arc::clone(&deps.signals),
            deps.clock.clone(),
        ));

        let presenter = Arc::new(PlacePresenter::new(
            Arc::clone(&registry),
            deps.tickets.clone(),
            deps.passes.clone(),
            deps.clock.clone(),
        ));
        let booking = Arc::new(BookingClient::new(
            Arc::clone(&deps.booking),
            deps.addresses.clone(),
        ));
        let auto_hold = Arc::new(AutoHoldService::new(
            Arc::clone(&booking),
            deps.engine.clone(),
            deps.passes.clone(),
        ));
        let guest_tokens = Arc::new(GuestTokenIssuer::new(
            deps.authenticator.clone(),
            Arc::clone(&guest_rate_limiter),
            deps.clock.clone(),
        ));
        let guest_cookies = Arc::new(GuestCookies::new(
            Arc::clone(&guest_tokens),
            Arc::clone(&client_addresses),
        ));

        // Actions on places come from the queue service and from resyncs.
        let lifecycle = deps.lifecycle.clone();
        let batcher = ActionBatcher::new(deps.engine.clone(), deps.clock.clone(), move |task| {
            lifecycle.spawn("batcher", task)
        });
        let actions = Arc::new(PlaceActions::new(
            deps.engine.clone(),
            batcher.clone(),
            Arc::clone(&registry),
            deps.tickets.clone(),
            deps.clock.clone(),
        ));
        let subscriber = Arc::new(RoomSubscriber::new(
            Arc::clone(&registry),
            batcher,
            Arc::clone(&node),
        ));
        let queue = Arc::new(QueueService::new(
            Arc::clone(&actions),
            Arc::clone(&subscriber),
            GuestJoinLimits::new(
                guest_rate_limiter.places(),
                config.guests.join_for,
                deps.tickets.clone(),
                deps.clock.clone(),
            ),
            Arc::clone(&auto_hold),
            Arc::clone(&node),
        ));

        let resync = Arc::new(ResyncService::new(
            Arc::clone(&node),
            Arc::clone(&registry),
            actions,
            subscriber,
            deps.lifecycle.clone(),
        ));
        let node_tasks = NodeTasks::new(
            node,
            registry,
            resync,
            Arc::clone(&guest_rate_limiter),
            ConnectionTimer {
                heartbeat_wheel: Arc::clone(&heartbeat_wheel),
                drain_window: config.drain_window,
            },
        );
        let connection = Arc::new(ConnectionServices {
            queue: Arc::clone(&queue),
            presenter: Arc::clone(&presenter),
            auto_hold: Arc::clone(&auto_hold),
            booking: Arc::clone(&booking),
            heartbeat_wheel,
            clock: deps.clock.clone(),
        });
        let web_sockets = Arc::new(WebSocketService {
            lifecycle: deps.lifecycle.clone(),
            addresses: Arc::clone(&client_addresses),
            authentication: Authentication {
                authenticator: deps.authenticator.clone(),
                node: config.node,
                heartbeat: config.heartbeat,
            },
            connection: Arc::clone(&connection),
        });

        Self {
            lifecycle: deps.lifecycle,
            node_tasks,
            authenticator: deps.authenticator,
            client_addresses,
            queue,
            presenter,
            auto_hold,
            booking,
            guest_rate_limiter,
            guest_tokens,
            guest_cookies,
            push: Arc::new(PushService::new(config.push)),
            dev_tokens: config
                .development_secret
                .map(|secret| Arc::new(DevTokenIssuer::new(secret, deps.clock))),
            connection,
            web_sockets,
        }
    }
}

/// Lets handlers extract a service as their state.
macro_rules! extract_as_state {
    ($($service:ty: $field:ident),+ $(,)?) => {
        $(impl FromRef<Gateway> for $service {
            fn from_ref(gateway: &Gateway) -> Self {
                gateway.0.$field.clone()
            }
        })+
    };
}

extract_as_state! {
    Authenticator: authenticator,
    Arc<ClientAddresses>: client_addresses,
    Arc<QueueService>: queue,
    Arc<PlacePresenter>: presenter,
    Arc<AutoHoldService>: auto_hold,
    Arc<BookingClient>: booking,
    Arc<GuestTokenIssuer>: guest_tokens,
    Arc<GuestCookies>: guest_cookies,
    Option<Arc<DevTokenIssuer>>: dev_tokens,
    Arc<PushService>: push,
    Arc<ConnectionServices>: connection,
    Arc<WebSocketService>: web_sockets,
}
