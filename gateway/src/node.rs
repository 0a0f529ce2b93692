//! The background tasks of this node: the signal listener, the node's heartbeat to the engine, the
//! check of its own subscription, and the timer wheel of its connections.

mod heartbeat;
mod resync;
mod signal_listener;
mod subscription_check;

use std::{sync::Arc, time::Duration};

use waitingroom_messaging::signal::SignalError;
use waitingroom_server::start_and_drain::Lifecycle;

pub(crate) use self::resync::ResyncService;
use self::{
    heartbeat::NodeHeartbeat, signal_listener::SignalListener,
    subscription_check::SubscriptionCheck,
};
use crate::{
    connection::heartbeat_and_drain_timer::HeartbeatWheel,
    guests::new_guest_limit::GuestRateLimiter, local_node::LocalNode, position_updates::Registry,
};

/// How often a node sends itself a probe, and looks for lost messages.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// See the module's documentation.
pub(crate) struct NodeTasks {
    node: Arc<LocalNode>,
    registry: Arc<Registry>,
    resync: Arc<ResyncService>,
    guests: Arc<GuestRateLimiter>,
    timer: ConnectionTimer,
}

/// The timer of all connections, and the time over which it closes them in the drain.
#[derive(Clone)]
pub(crate) struct ConnectionTimer {
    pub(crate) heartbeat_wheel: Arc<HeartbeatWheel>,
    pub(crate) drain_window: Duration,
}

impl NodeTasks {
    pub(crate) fn new(
        node: Arc<LocalNode>,
        registry: Arc<Registry>,
        resync: Arc<ResyncService>,
        guests: Arc<GuestRateLimiter>,
        timer: ConnectionTimer,
    ) -> Self {
        Self {
            node,
            registry,
            resync,
            guests,
            timer,
        }
    }

    /// Subscribes to signals, and starts the node's tasks.
    pub(crate) async fn spawn(&self, lifecycle: &Lifecycle) -> Result<(), SignalError> {
        let listener = self.node.listen().await?;
        self.registry.set_subscribed(true);

        lifecycle.spawn(
            "signal listener",
            self.signal_listener(lifecycle).run(listener),
        );
        lifecycle.spawn("node heartbeat", self.heartbeat(lifecycle).run());
        lifecycle.spawn(
            "subscription check",
            self.subscription_check(lifecycle).run(),
        );

        let (timer, its_lifecycle) = (self.timer.clone(), lifecycle.clone());
        lifecycle.spawn("heartbeat wheel", async move {
            timer
                .heartbeat_wheel
                .run(&its_lifecycle, timer.drain_window)
                .await;
        });
        Ok(())
    }

    /// Is the node's subscription to signals alive?
    pub(crate) fn is_subscribed(&self) -> bool {
        self.registry.is_subscribed()
    }

    fn signal_listener(&self, lifecycle: &Lifecycle) -> SignalListener {
        SignalListener {
            node: Arc::clone(&self.node),
            registry: Arc::clone(&self.registry),
            resync: Arc::clone(&self.resync),
            lifecycle: lifecycle.clone(),
        }
    }

    fn heartbeat(&self, lifecycle: &Lifecycle) -> NodeHeartbeat {
        NodeHeartbeat {
            node: Arc::clone(&self.node),
            registry: Arc::clone(&self.registry),
            resync: Arc::clone(&self.resync),
            guests: Arc::clone(&self.guests),
            lifecycle: lifecycle.clone(),
        }
    }

    fn subscription_check(&self, lifecycle: &Lifecycle) -> SubscriptionCheck {
        SubscriptionCheck {
            node: Arc::clone(&self.node),
            registry: Arc::clone(&self.registry),
            resync: Arc::clone(&self.resync),
            lifecycle: lifecycle.clone(),
        }
    }
}
