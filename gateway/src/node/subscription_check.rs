//! Checks that this node receives signals, and looks for messages that are missing for too long.

use std::sync::Arc;

use waitingroom_server::start_and_drain::Lifecycle;

use super::{PROBE_INTERVAL, resync::ResyncService};
use crate::{local_node::LocalNode, position_updates::Registry};

/// See the module's documentation.
pub(super) struct SubscriptionCheck {
    pub(super) node: Arc<LocalNode>,
    pub(super) registry: Arc<Registry>,
    pub(super) resync: Arc<ResyncService>,
    pub(super) lifecycle: Lifecycle,
}

impl SubscriptionCheck {
    /// Runs until the node drains.
    pub(super) async fn run(self) {
        let mut sequence = 0;
        while self.lifecycle.sleep_or_drain(PROBE_INTERVAL).await {
            sequence += 1;
            let is_subscribed = self.node.probe(sequence).await;
            self.registry.set_subscribed(is_subscribed);

            for event in self.registry.stale_rooms(self.node.now()) {
                self.resync.spawn(event);
            }
        }
    }
}
