//! Reads the process registry, for dashboards and for the repair of lost queues, which waits for
//! gateways.

use std::{sync::Arc, time::Duration};

use waitingroom_messaging::process_registry::{RegistrySnapshot, SharedProcessRegistry};

use crate::inventory::known_gateways::KnownGateways;

/// Longest wait for the process registry: metrics without it are better than none.
const REGISTRY_TIMEOUT: Duration = Duration::from_millis(500);

/// See the module's documentation.
pub(crate) struct RegistryReader {
    pub(crate) process_registry: SharedProcessRegistry,
    /// Counts each snapshot.
    pub(crate) known_gateways: Arc<KnownGateways>,
}

impl RegistryReader {
    /// Every live process, and the throttle; `None` if the registry does not answer.
    pub(crate) async fn read(&self) -> Option<RegistrySnapshot> {
        let reading = tokio::time::timeout(REGISTRY_TIMEOUT, self.process_registry.read()).await;
        let reading = reading
            .ok()?
            .inspect_err(|error| tracing::debug!(%error, "process registry unavailable"))
            .ok()?;
        self.known_gateways.observe(&reading);
        Some(reading)
    }
}
