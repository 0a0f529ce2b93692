//! The registry of a single process.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    ids::NodeId,
    overload_throttle::AdmissionThrottle,
};

use super::{
    LiveProcess, PROCESS_TTL, ProcessRegistry, ProcessStatus, RegistryError, RegistrySnapshot,
};

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<String, (Timestamp, ProcessStatus)>,
    throttle: Option<AdmissionThrottle>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct InMemoryProcessRegistry {
    clock: Clock,
    state: Mutex<State>,
}

impl InMemoryProcessRegistry {
    /// An empty registry with this clock.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }
}

#[async_trait]
impl ProcessRegistry for InMemoryProcessRegistry {
    async fn publish(&self, status: &ProcessStatus) -> Result<(), RegistryError> {
        let name = status.process.node.to_string();
        self.state
            .lock()
            .records
            .insert(name, (self.clock.now(), status.clone()));
        Ok(())
    }

    async fn deregister(&self, node: &NodeId) -> Result<(), RegistryError> {
        self.state.lock().records.remove(node.as_str());
        Ok(())
    }

    async fn read(&self) -> Result<RegistrySnapshot, RegistryError> {
        let at = self.clock.now();
        let mut state = self.state.lock();

        state
            .records
            .retain(|_, (published, _)| at.since(*published) <= PROCESS_TTL);
        let live = |(published, status): &(Timestamp, ProcessStatus)| LiveProcess {
            status: status.clone(),
            age_ms: at.since(*published).as_millis() as u64,
        };

        Ok(RegistrySnapshot {
            at,
            processes: state.records.values().map(live).collect(),
            throttle: state.throttle.clone(),
        })
    }

    async fn set_throttle(
        &self,
        before: Option<&AdmissionThrottle>,
        after: &AdmissionThrottle,
    ) -> Result<bool, RegistryError> {
        let mut state = self.state.lock();
        let unchanged = state.throttle.as_ref() == before;

        if unchanged {
            state.throttle = Some(after.clone());
        }

        Ok(unchanged)
    }
}
