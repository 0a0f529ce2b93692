//! The admission throttle: read from booking's load, decided by the rule, agreed
//! with the other workers by compare-and-set in the registry.

use std::time::Duration;

use waitingroom::{
    process_registry::{RegistryError, RegistrySnapshot},
    rate::Throttle,
    throttle::{AdmissionThrottle, throttle_reason},
};

use crate::Worker;

/// How often booking's load is polled. The end of an outage is published at once.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(250);

impl Worker {
    /// Decides the throttle. If another worker decided at the
    /// same moment, its decision holds, and is read the next time.
    ///
    /// # Errors
    /// The registry does not answer: the throttle stays as it was.
    pub async fn update_throttle(&self, before: Throttle) -> Result<Throttle, RegistryError> {
        let snapshot = self.registry.read().await?;
        let pace = AdmissionThrottle::after(&snapshot, &self.config.throttle);
        let prevails = self
            .registry
            .set_throttle(snapshot.throttle.as_ref(), &pace)
            .await?;
        let share = if prevails {
            pace.decided()
        } else {
            last_decided(&snapshot)
        };

        metrics::gauge!(crate::metric_definitions::ADMISSION_THROTTLE).set(share.factor);

        if throttle_reason(share.factor) != throttle_reason(before.factor) {
            tracing::info!(share = share.factor, reason = ?throttle_reason(share.factor), "admission throttle changed");
        }

        Ok(share)
    }
}

fn last_decided(snapshot: &RegistrySnapshot) -> Throttle {
    snapshot
        .throttle
        .as_ref()
        .map(AdmissionThrottle::decided)
        .unwrap_or_default()
}
