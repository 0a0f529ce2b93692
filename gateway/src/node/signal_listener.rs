//! Receives the node's signals, and hands passes, removals, progress and settings to the registry.

use std::time::Duration;

use tokio::task::yield_now;
use waitingroom_messaging::signal::{Listener, ListenerEvent, Signal};

use super::resync::spawn_resync;
use crate::{connection::wake_pacer::WakePacer, registry::ProgressOutcome, state::Gateway};

/// How often a draining node looks whether all users have left.
const DRAIN_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Runs until a draining node has no users. Signals come before connections that wait to be woken
/// for an earlier one.
pub(super) async fn listen(gateway: Gateway, mut listener: Box<dyn Listener>) {
    let registry = &gateway.0.registry;
    let mut pacer = WakePacer::default();

    loop {
        tokio::select! {
            biased;
            heard = listener.next() => match heard {
                ListenerEvent::Signal(signal) => {
                    apply_signal(&gateway, *signal);
                    // Connections write their passes before the next progress message is applied.
                    yield_now().await;
                }
                ListenerEvent::Gap => on_gap(&gateway).await,
            },
            () = users_drained(&gateway) => return,
            () = pacer.ready(), if registry.has_pending_wakes() => registry.wake_batch(),
        }
    }
}

/// Returns once a draining node has no users.
async fn users_drained(gateway: &Gateway) {
    gateway.0.deps.lifecycle.draining().await;
    while !gateway.0.registry.active_events().is_empty() {
        tokio::time::sleep(DRAIN_POLL_INTERVAL).await;
    }
}

fn apply_signal(gateway: &Gateway, signal: Signal) {
    let registry = &gateway.0.registry;
    match signal {
        Signal::Passes { event_id, passes } => registry.deliver(event_id, passes),
        Signal::Removals { event_id, users } => {
            for (user, lapse) in &users {
                registry.remove_user(event_id, user, *lapse);
            }
        }
        Signal::Progress(progress) => {
            let outcome = registry.apply_progress(&progress, gateway.0.deps.clock.now());
            if outcome == ProgressOutcome::GapDetected {
                spawn_resync(gateway, progress.event_id);
            }
        }
        Signal::Sale { event_id, settings } => registry.apply_settings(event_id, &settings),
        Signal::Probe { .. } => {}
    }
}

async fn on_gap(gateway: &Gateway) {
    metrics::counter!(crate::metric_definitions::PUBSUB_GAPS).increment(1);
    gateway.0.registry.set_subscribed(true);
    for event in gateway.0.registry.active_events() {
        spawn_resync(gateway, event);
    }
}
