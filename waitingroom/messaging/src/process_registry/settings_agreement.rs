//! Finds settings in which this process differs from others although they have to be the same, as
//! the secret of passes at a gateway and at booking. Each process publishes them in its record; every
//! one compares, so the log of any of them names the fault.

use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use waitingroom_domain::ids::NodeId;

use super::{Process, REGISTRY_TIMEOUT, RegistrySnapshot, SharedProcessRegistry};

/// Time between two comparisons.
pub const COMPARE_INTERVAL: Duration = Duration::from_secs(5);

/// A setting that has another value at another process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// Its name.
    pub setting: String,
    /// Its value here; of a secret, the fingerprint.
    pub here: String,
    /// Its value there.
    pub there: String,
    /// The first process that has it.
    pub node: NodeId,
}

/// The settings of `own` that are others at a process of the registry, each once. A process that does
/// not publish a setting does not use it.
pub fn disagreements(own: &Process, snapshot: &RegistrySnapshot) -> Vec<Disagreement> {
    let others = || snapshot.processes.iter().map(|live| &live.status.process);
    let differs = |(setting, here): (&String, &String)| {
        let other = others().find_map(|other| {
            let there = other.settings.get(setting)?;
            (there != here).then(|| (there.clone(), other.node.clone()))
        });
        other.map(|(there, node)| Disagreement {
            setting: setting.clone(),
            here: here.clone(),
            there,
            node,
        })
    };
    own.settings.iter().filter_map(differs).collect()
}

/// Compares the settings of this process with those of others while it runs.
pub struct SettingsAgreement {
    process: Process,
    registry: SharedProcessRegistry,
    found: Mutex<Vec<Disagreement>>,
}

impl SettingsAgreement {
    /// Nothing is compared yet.
    pub fn new(process: Process, registry: SharedProcessRegistry) -> Self {
        Self {
            process,
            registry,
            found: Mutex::default(),
        }
    }

    /// What differs, without values: for readiness, which is public.
    pub fn warnings(&self) -> Vec<String> {
        let found = self.found.lock();
        let warning = |one: &Disagreement| {
            format!(
                "the setting {} differs from that of another process; the log names both",
                one.setting
            )
        };
        found.iter().map(warning).collect()
    }

    /// Compares until `drain` is cancelled.
    pub async fn run(&self, drain: CancellationToken) {
        loop {
            self.compare().await;
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(COMPARE_INTERVAL) => {}
            }
        }
    }

    /// Compares once, and logs what has changed. A registry that does not answer changes nothing.
    pub async fn compare(&self) {
        let reading = tokio::time::timeout(REGISTRY_TIMEOUT, self.registry.read()).await;
        let Ok(Ok(snapshot)) = reading else {
            return; // the reporter of this process logs that
        };
        let found = disagreements(&self.process, &snapshot);
        let before = std::mem::replace(&mut *self.found.lock(), found.clone());

        let is_in =
            |list: &[Disagreement], setting: &str| list.iter().any(|one| one.setting == setting);
        for one in found.iter().filter(|one| !is_in(&before, &one.setting)) {
            tracing::error!(
                setting = one.setting,
                here = one.here,
                there = one.there,
                node = %one.node,
                "a setting differs from that of another process: visitors will be refused until they agree"
            );
        }
        for one in before.iter().filter(|one| !is_in(&found, &one.setting)) {
            tracing::info!(
                setting = one.setting,
                "a setting agrees with other processes again"
            );
        }
    }
}
