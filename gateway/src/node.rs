//! The background tasks of this node: the signal listener, the node's heartbeat to the engine, the
//! check of its own subscription, and the timer wheel of its connections.

mod resync;
mod signal_listener;

use std::time::Duration;

use futures_util::{StreamExt, stream};
use waitingroom_domain::ids::EventId;
use waitingroom_messaging::signal::{Recipient, Signal, SignalError};

use self::resync::{report_recovered, spawn_resync};
use crate::state::Gateway;

/// How often a node reports itself to the engine; see [`waitingroom_domain::presence::NODE_TIMEOUT`].
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);
/// Max events that are reported to at the same time: a shard of Redis that does not answer must not
/// delay the others.
const MAX_CONCURRENT_HEARTBEATS: usize = 256;
/// How often a node sends itself a probe, and looks for lost messages.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// Subscribes to signals, and starts the node's tasks.
pub(crate) async fn spawn_tasks(gateway: &Gateway) -> Result<(), SignalError> {
    let deps = &gateway.0.deps;
    let listener = deps.signals.listen(&gateway.0.config.node).await?;
    gateway.0.registry.set_subscribed(true);

    let lifecycle = &deps.lifecycle;
    lifecycle.spawn(
        "signal listener",
        signal_listener::listen(gateway.clone(), listener),
    );
    lifecycle.spawn("node heartbeat", heartbeat_loop(gateway.clone()));
    lifecycle.spawn("subscription check", check_subscription(gateway.clone()));
    lifecycle.spawn("heartbeat wheel", run_heartbeat_wheel(gateway.clone()));
    Ok(())
}

async fn run_heartbeat_wheel(gateway: Gateway) {
    gateway
        .0
        .heartbeat_wheel
        .run(&gateway.0.deps.lifecycle, gateway.0.config.drain_window)
        .await;
}

async fn heartbeat_loop(gateway: Gateway) {
    let lifecycle = &gateway.0.deps.lifecycle;
    loop {
        gateway.0.guest_rate_limiter.evict_idle();
        for event in gateway.0.registry.events_to_recover() {
            spawn_resync(&gateway, event);
        }

        // A resync reports recovered users too, but none runs for an event without users here.
        let gateway = &gateway;
        stream::iter(gateway.0.registry.recovered_events())
            .for_each_concurrent(MAX_CONCURRENT_HEARTBEATS, |(event, epoch)| async move {
                report_recovered(gateway, event, &epoch).await
            })
            .await;
        stream::iter(gateway.0.registry.active_events())
            .for_each_concurrent(MAX_CONCURRENT_HEARTBEATS, |event| {
                send_heartbeat(gateway, event)
            })
            .await;

        let is_draining = !lifecycle.sleep_or_drain(HEARTBEAT_INTERVAL).await;
        if is_draining && gateway.0.registry.active_events().is_empty() {
            return;
        }
        if lifecycle.is_draining() {
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }
}

async fn send_heartbeat(gateway: &Gateway, event: EventId) {
    let deps = &gateway.0.deps;
    let is_in_time = deps
        .engine
        .report_node(event, &gateway.0.config.node, deps.clock.now())
        .await;

    match is_in_time {
        Ok(true) => {}
        // The engine may have marked this node's users absent.
        Ok(false) => spawn_resync(gateway, event),
        Err(error) => {
            tracing::warn!(%event, %error, "node heartbeat failed");
        }
    }
}

async fn check_subscription(gateway: Gateway) {
    let deps = &gateway.0.deps;
    let mut sequence = 0;
    while deps.lifecycle.sleep_or_drain(PROBE_INTERVAL).await {
        sequence += 1;
        let probe = [(
            Recipient::Node(gateway.0.config.node.clone()),
            Signal::Probe { sequence },
        )];
        let receivers = deps.signals.send(&probe).await;
        let is_subscribed =
            receivers.is_ok_and(|receivers| receivers.iter().all(|count| *count > 0));
        gateway.0.registry.set_subscribed(is_subscribed);

        for event in gateway.0.registry.stale_rooms(deps.clock.now()) {
            spawn_resync(&gateway, event);
        }
    }
}
