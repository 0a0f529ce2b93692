//! Receives the node's signals, and hands passes, removals, progress and settings to the registry.

use std::{sync::Arc, time::Duration};

use tokio::task::yield_now;
use waitingroom_messaging::signal::{Listener, ListenerEvent, Signal};
use waitingroom_server::start_and_drain::Lifecycle;

use super::resync::ResyncService;
use crate::{
    connection::wake_pacer::WakePacer,
    local_node::LocalNode,
    position_updates::{ProgressOutcome, Registry},
};

/// How often a draining node looks whether all users have left.
const DRAIN_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// See the module's documentation.
pub(super) struct SignalListener {
    pub(super) node: Arc<LocalNode>,
    pub(super) registry: Arc<Registry>,
    pub(super) resync: Arc<ResyncService>,
    pub(super) lifecycle: Lifecycle,
}

impl SignalListener {
    /// Runs until a draining node has no users. Signals come before connections that wait to be
    /// woken for an earlier one.
    pub(super) async fn run(self, mut listener: Box<dyn Listener>) {
        let registry = &self.registry;
        let mut pacer = WakePacer::default();

        loop {
            tokio::select! {
                biased;
                event = listener.next() => match event {
                    ListenerEvent::Signal(signal) => {
                        self.apply_signal(*signal);
                        // Connections write their passes before the next progress message is
                        // applied.
                        yield_now().await;
                    }
                    ListenerEvent::Gap => self.on_gap(),
                },
                () = self.users_drained() => return,
                () = pacer.ready(), if registry.has_pending_wakes() => registry.wake_batch(),
            }
        }
    }

    /// Returns once a draining node has no users.
    async fn users_drained(&self) {
        self.lifecycle.draining().await;
        while !self.registry.active_events().is_empty() {
            tokio::time::sleep(DRAIN_POLL_INTERVAL).await;
        }
    }

    fn apply_signal(&self, signal: Signal) {
        let registry = &self.registry;
        match signal {
            Signal::Passes { event_id, passes } => registry.deliver(event_id, passes),
            Signal::Removals { event_id, users } => {
                for (user, lapse) in &users {
                    registry.remove_user(event_id, user, *lapse);
                }
            }
            Signal::Progress(progress) => {
                let outcome = registry.apply_progress(&progress, self.node.now());
                if outcome == ProgressOutcome::GapDetected {
                    self.resync.spawn(progress.event_id);
                }
            }
            Signal::Sale { event_id, settings } => registry.apply_settings(event_id, &settings),
            Signal::Probe { .. } => {}
        }
    }

    fn on_gap(&self) {
        metrics::counter!(crate::metric_definitions::PUBSUB_GAPS).increment(1);
        self.registry.set_subscribed(true);
        for event in self.registry.active_events() {
            self.resync.spawn(event);
        }
    }
}
