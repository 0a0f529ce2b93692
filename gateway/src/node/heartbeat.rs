//! Reports this node to the engine, and drives what must be repeated until it succeeds: resyncs of
//! lost queues, and reports of recovered users.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use waitingroom_domain::ids::EventId;
use waitingroom_server::start_and_drain::Lifecycle;

use super::{PROBE_INTERVAL, resync::ResyncService};
use crate::{
    guests::new_guest_limit::GuestRateLimiter, local_node::LocalNode, position_updates::Registry,
};

/// How often a node reports itself to the engine; see [`waitingroom_domain::presence::NODE_TIMEOUT`].
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);
/// Max events that are reported to at the same time: a shard of Redis that does not answer must not
/// delay the others.
const MAX_CONCURRENT_HEARTBEATS: usize = 256;

/// See the module's documentation.
pub(super) struct NodeHeartbeat {
    pub(super) node: Arc<LocalNode>,
    pub(super) registry: Arc<Registry>,
    pub(super) resync: Arc<ResyncService>,
    pub(super) guests: Arc<GuestRateLimiter>,
    pub(super) lifecycle: Lifecycle,
}

impl NodeHeartbeat {
    /// Runs until a draining node has no users.
    pub(super) async fn run(self) {
        loop {
            self.guests.evict_idle();
            for event in self.registry.events_to_recover() {
                self.resync.spawn(event);
            }

            // A resync reports recovered users too, but none runs for an event without users here.
            let resync = &self.resync;
            stream::iter(self.registry.recovered_events())
                .for_each_concurrent(MAX_CONCURRENT_HEARTBEATS, |(event, epoch)| async move {
                    resync.report_recovered(event, &epoch).await
                })
                .await;
            stream::iter(self.registry.active_events())
                .for_each_concurrent(MAX_CONCURRENT_HEARTBEATS, |event| self.send(event))
                .await;

            let is_draining = !self.lifecycle.sleep_or_drain(HEARTBEAT_INTERVAL).await;
            if is_draining && self.registry.active_events().is_empty() {
                return;
            }
            if self.lifecycle.is_draining() {
                tokio::time::sleep(PROBE_INTERVAL).await;
            }
        }
    }

    async fn send(&self, event: EventId) {
        match self.node.report_alive(event).await {
            Ok(true) => {}
            // The engine may have marked this node's users absent.
            Ok(false) => self.resync.spawn(event),
            Err(error) => {
                tracing::warn!(%event, %error, "node heartbeat failed");
            }
        }
    }
}
