//! The admission throttle: read from booking's load, decided by the rule, agreed
//! with the other workers by compare-and-set in the registry.

use std::time::Duration;

use waitingroom::{
    pace::{Pace, slowness},
    rate::Share,
    vitals::{BoardError, Reading},
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
    pub async fn update_throttle(&self, before: Share) -> Result<Share, BoardError> {
        let reading = self.registry.read().await?;
        let pace = Pace::after(&reading, &self.config.throttle);
        let prevails = self.registry.set_pace(reading.pace.as_ref(), &pace).await?;
        let share = if prevails {
            pace.decided()
        } else {
            last_decided(&reading)
        };
        metrics::gauge!("stanchion_pace").set(share.part);
        if slowness(share.part) != slowness(before.part) {
            tracing::info!(share = share.part, reason = ?slowness(share.part), "admission throttle changed");
        }
        Ok(share)
    }
}

fn last_decided(reading: &Reading) -> Share {
    reading.pace.as_ref().map(Pace::decided).unwrap_or_default()
}
