//! The admission throttle: read from booking's load, decided by the rule, agreed
//! with the other workers by compare-and-set in the registry.

use std::time::Duration;

use waitingroom_domain::{
    overload_throttle::{AdmissionThrottle, ThrottleConfig, ThrottleReason, throttle_reason},
    rate::Throttle,
};
use waitingroom_messaging::process_registry::{
    RegistryError, RegistrySnapshot, SharedProcessRegistry,
};

/// How often booking's load is polled while admission runs: as often as it is published.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is polled while admission is paused: the end of an outage is published at once, and
/// queues stand still until the worker knows of it.
const PAUSED_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The time from one poll to the next, under the throttle in force.
pub(crate) fn poll_interval(throttle: Throttle) -> Duration {
    match throttle_reason(throttle.factor) {
        Some(ThrottleReason::Paused) => PAUSED_POLL_INTERVAL,
        _ => POLL_INTERVAL,
    }
}

/// Decides the throttle. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ThrottleService {
    pub(crate) registry: SharedProcessRegistry,
    pub(crate) rules: ThrottleConfig,
}

impl ThrottleService {
    /// The throttle in force now. If another worker decides at the same moment, its decision holds,
    /// and is read the next time.
    ///
    /// # Errors
    /// The registry does not answer: the throttle stays as it was.
    pub(crate) async fn update(&self, before: Throttle) -> Result<Throttle, RegistryError> {
        let snapshot = self.registry.read().await?;
        let stored = snapshot.throttle.as_ref();
        let loads = snapshot.booking_loads();
        let after = AdmissionThrottle::after(stored, &loads, snapshot.at, &self.rules);

        let throttle = if self.registry.set_throttle(stored, &after).await? {
            after.decided()
        } else {
            last_decided(&snapshot)
        };

        metrics::gauge!(crate::metric_definitions::ADMISSION_THROTTLE).set(throttle.factor);

        let reason = throttle_reason(throttle.factor);
        if reason != throttle_reason(before.factor) {
            tracing::info!(
                share = throttle.factor,
                ?reason,
                "admission throttle changed"
            );
        }

        Ok(throttle)
    }
}

fn last_decided(snapshot: &RegistrySnapshot) -> Throttle {
    snapshot
        .throttle
        .as_ref()
        .map(AdmissionThrottle::decided)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_more_often_while_paused() {
        let at = |factor| {
            poll_interval(Throttle {
                factor,
                ..Throttle::default()
            })
        };

        assert_eq!([at(1.0), at(0.5)], [POLL_INTERVAL; 2]);
        assert_eq!(at(0.0), PAUSED_POLL_INTERVAL);
    }
}
