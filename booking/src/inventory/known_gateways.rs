//! Which gateways are up: a queue that was lost waits until each of them has brought its users
//! back.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;
use waitingroom_domain::ids::NodeId;
use waitingroom_messaging::process_registry::{RegistrySnapshot, Role};

/// Registry snapshots that follow sooner do not count.
const MIN_OBSERVATION_INTERVAL: Duration = Duration::from_millis(900);

/// A gateway is up until it was missing in this many snapshots: a Redis that has lost the queues
/// has lost the process registry as well, and a gateway needs a moment to register again.
const MAX_MISSES: u32 = 6;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct KnownGateways(Mutex<Observations>);

#[derive(Debug, Default)]
struct Observations {
    /// In how many snapshots in a row each gateway was missing.
    missed: HashMap<NodeId, u32>,
    count: u32,
    last: Option<Instant>,
}

impl KnownGateways {
    /// Counts a snapshot of the process registry.
    pub(crate) fn observe(&self, reading: &RegistrySnapshot) {
        let mut observations = self.0.lock();
        let now = Instant::now();
        let is_early = |last: Instant| now < last + MIN_OBSERVATION_INTERVAL;
        if observations.last.is_some_and(is_early) {
            return;
        }

        observations.last = Some(now);
        observations.count = observations.count.saturating_add(1);
        observations
            .missed
            .values_mut()
            .for_each(|missed| *missed += 1);

        let processes = reading.processes.iter().map(|live| &live.status.process);
        for gateway in processes.filter(|process| process.roles.contains(&Role::Gateway)) {
            observations.missed.insert(gateway.node.clone(), 0);
        }
        observations.missed.retain(|_, missed| *missed < MAX_MISSES);
        metrics::gauge!(crate::metric_definitions::GATEWAYS_KNOWN)
            .set(observations.up().count() as f64);
    }

    /// All gateways that are up. None until enough snapshots were counted: the registry may have
    /// been empty since before this process started.
    pub(crate) fn up(&self) -> Vec<NodeId> {
        self.0.lock().up().cloned().collect()
    }
}

impl Observations {
    fn up(&self) -> impl Iterator<Item = &NodeId> {
        let is_known = self.count >= MAX_MISSES;
        self.missed.keys().filter(move |_| is_known)
    }
}

#[cfg(test)]
mod tests {
    use waitingroom_domain::clock::Timestamp;
    use waitingroom_messaging::process_registry::{LiveProcess, Process, ProcessStatus};

    use super::*;

    fn reading(gateways: &[&str]) -> RegistrySnapshot {
        let record = |name: &str, role| {
            let (node, version, started_at) =
                (name.parse().unwrap(), String::new(), Timestamp::default());
            let process = Process {
                node,
                roles: vec![role],
                version,
                started_at,
                settings: Default::default(),
            };
            let vitals = ProcessStatus {
                process,
                connections: 0,
                memory_bytes: None,
                live_tasks: 0,
                booking: None,
                guest_majority: None,
            };
            LiveProcess {
                status: vitals,
                age_ms: 0,
            }
        };
        let mut processes: Vec<LiveProcess> = gateways
            .iter()
            .map(|name| record(name, Role::Gateway))
            .collect();

        processes.push(record("booking", Role::Booking));
        RegistrySnapshot {
            processes,
            ..RegistrySnapshot::default()
        }
    }

    fn up(gateways: &KnownGateways) -> Vec<String> {
        let mut names: Vec<_> = gateways.up().iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[tokio::test(start_paused = true)]
    async fn gateway_is_up_until_missed_for_seconds() {
        let gateways = KnownGateways::default();
        let read = async |names: &[&str], times: u32| {
            for _ in 0..times {
                tokio::time::advance(Duration::from_secs(1)).await;
                gateways.observe(&reading(names));
                gateways.observe(&reading(&[])); // for an operator, a moment later
            }
        };
        read(&["a", "b"], MAX_MISSES - 1).await;
        assert_eq!(
            up(&gateways),
            [] as [&str; 0],
            "others may not have registered yet"
        );
        read(&["a", "b"], 1).await;
        assert_eq!(up(&gateways), ["a", "b"]);

        tokio::time::advance(Duration::from_secs(600)).await;
        read(&[], 2).await; // it has lost everything
        read(&["a"], 3).await;
        assert_eq!(up(&gateways), ["a", "b"]);
        read(&["a", "c"], 1).await;
        assert_eq!(up(&gateways), ["a", "c"], "b is gone");
    }
}
