//! The registry of all processes: a small status that each publishes of itself once a second, in a
//! place that all can read. The worker reads booking's load to set the throttle
//! ([`waitingroom_domain::overload_throttle`]), operators read all of them.
//!
//! A record expires if its process has not renewed it for [`PROCESS_TTL`]. Ages are taken by the
//! registry's own clock, so that the clocks of processes need not agree.

pub mod memory;
pub mod redis;
pub mod settings_agreement;

use std::{collections::BTreeMap, future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use waitingroom_domain::{
    clock::Timestamp,
    ids::NodeId,
    overload_throttle::{AdmissionThrottle, BookingLoad, ReportedLoad},
};

/// How often a process publishes its status.
pub const PUBLISH_INTERVAL: Duration = Duration::from_secs(1);

/// How often a process checks whether its booking became able or unable.
const ABILITY_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// A process without a publication for this long is not live any more.
pub const PROCESS_TTL: Duration = Duration::from_secs(5);

/// Time limit of each call.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(2);

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Holds the queue's connections.
    Gateway,
    /// Turns passes into reserved seats.
    Booking,
    /// Releases the queue.
    QueueWorker,
}

/// The identity of a process: constant while it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Process {
    /// The name, another at every start; that of a gateway is its node's.
    pub node: NodeId,
    /// Its roles.
    pub roles: Vec<Role>,
    /// The release that it runs.
    pub version: String,
    /// When it started, by its own clock.
    pub started_at: Timestamp,
    /// Its settings that have to be those of other processes. Of a secret, a fingerprint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    pub settings: BTreeMap<String, String>,
}

/// The status of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProcessStatus {
    /// Whose.
    #[serde(flatten)]
    pub process: Process,
    /// Open connections to its port.
    pub connections: u64,
    /// Resident memory in bytes; absent if the system does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub memory_bytes: Option<u64>,
    /// Tasks of its runtime that have not ended.
    pub live_tasks: u64,
    /// The load of a process that serves booking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub booking: Option<BookingLoad>,
    /// The address that makes most of the new guests of a gateway. Then a proxy in front hides its
    /// clients, or many people share an address; either way they meet the limits of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub guest_majority: Option<GuestMajority>,
}

/// An address that makes most of the new guests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "network": "203.0.113.0/24", "percent": 97 }))]
pub struct GuestMajority {
    /// The network of the address: a /24 with IPv4, a /48 with IPv6.
    pub network: String,
    /// Its share of the guests of a minute, in percent.
    #[schema(minimum = 50, maximum = 100)]
    pub percent: u8,
}

/// One process and its last status.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LiveProcess {
    /// The record.
    #[serde(flatten)]
    pub status: ProcessStatus,
    /// Age of the status in milliseconds.
    pub age_ms: u64,
}

/// The content of the registry at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegistrySnapshot {
    /// The moment, by the registry's clock.
    pub at: Timestamp,
    /// Every live process, ordered by name.
    pub processes: Vec<LiveProcess>,
    /// The current throttle, if one was set.
    pub throttle: Option<AdmissionThrottle>,
}

impl RegistrySnapshot {
    /// The load that each booking process reports.
    pub fn booking_loads(&self) -> Vec<ReportedLoad> {
        let reported = |process: &LiveProcess| {
            process.status.booking.map(|load| ReportedLoad {
                age: Duration::from_millis(process.age_ms),
                load,
            })
        };
        self.processes.iter().filter_map(reported).collect()
    }
}

/// The registry did not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the registry of status does not answer: {0}")]
pub struct RegistryError(pub String);

/// A registry that is shared by the processes of an installation.
pub type SharedProcessRegistry = Arc<dyn ProcessRegistry>;

/// Holds the statuses, and the throttle that the workers derive from them.
#[async_trait]
pub trait ProcessRegistry: Send + Sync + 'static {
    /// Replaces the process's status.
    async fn publish(&self, status: &ProcessStatus) -> Result<(), RegistryError>;

    /// Removes the process's status: it ends.
    async fn deregister(&self, node: &NodeId) -> Result<(), RegistryError>;

    /// Everything, as of one moment. Records of processes that are not live are dropped on the way.
    async fn read(&self) -> Result<RegistrySnapshot, RegistryError>;

    /// Replaces the throttle if it still is `before`: of concurrent decisions one
    /// prevails. False for the others.
    async fn set_throttle(
        &self,
        before: Option<&AdmissionThrottle>,
        after: &AdmissionThrottle,
    ) -> Result<bool, RegistryError>;
}

/// The booking of a process, as its status tells of it.
pub trait ReportedBooking: Send + Sync {
    /// The load at this moment.
    fn load(&self) -> BookingLoad;

    /// True if nothing can be booked. It costs little: it is asked ten times a second.
    fn is_unable(&self) -> bool;
}

/// Publishes a process's status each second.
pub struct StatusReporter {
    /// Who.
    pub process: Process,
    /// Where.
    pub registry: SharedProcessRegistry,
    /// Its booking, if it serves one.
    pub booking: Option<Arc<dyn ReportedBooking>>,
    /// How many connections are open to its port.
    pub connections: Box<dyn Fn() -> u64 + Send + Sync>,
    /// The address that makes most of its new guests, if there is one.
    pub guest_majority: Box<dyn Fn() -> Option<GuestMajority> + Send + Sync>,
}

impl StatusReporter {
    /// Publishes until `drain` is cancelled, and deregisters then. A booking that becomes able or
    /// unable is published at once: queues stand still until workers know of it.
    pub async fn run(self, drain: CancellationToken) {
        loop {
            let status = self.status();
            let published = status.booking.map(|booking| booking.unable);

            log_error(self.registry.publish(&status)).await;

            if !self.next(published, &drain).await {
                break;
            }
        }
        log_error(self.registry.deregister(&self.process.node)).await;
    }

    /// Waits until it is time to publish again; false if the process drains.
    async fn next(&self, published: Option<bool>, drain: &CancellationToken) -> bool {
        let due = sleep(PUBLISH_INTERVAL);
        let ability_changed = async {
            match &self.booking {
                None => pending().await,
                Some(booking) => {
                    while Some(booking.is_unable()) == published {
                        sleep(ABILITY_CHECK_INTERVAL).await;
                    }
                }
            }
        };

        tokio::select! {
            () = drain.cancelled() => false,
            () = due => true,
            () = ability_changed => true,
        }
    }

    fn status(&self) -> ProcessStatus {
        ProcessStatus {
            process: self.process.clone(),
            connections: (self.connections)(),
            memory_bytes: resident_memory(),
            live_tasks: tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks() as u64,
            booking: self.booking.as_ref().map(|booking| booking.load()),
            guest_majority: (self.guest_majority)(),
        }
    }
}

async fn log_error(call: impl Future<Output = Result<(), RegistryError>>) {
    let answer = tokio::time::timeout(REGISTRY_TIMEOUT, call).await;
    if let Err(error) = answer.unwrap_or_else(|_| Err(RegistryError("not in time".into()))) {
        tracing::warn!(%error, "failed to publish process status");
    }
}

/// Resident memory in bytes, where the system has `/proc`.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
