//! The pace that the worker releases at: read from booking's vitals, decided by the rule, agreed
//! with the other workers by comparison on the board.

use std::time::Duration;

use waitingroom::{
    pace::{Pace, slowness},
    rate::Share,
    vitals::{BoardError, Reading},
};

use crate::Worker;

/// How often booking's vitals are looked at: the end of an outage is published at once.
pub(crate) const LOOK: Duration = Duration::from_millis(250);

impl Worker {
    /// Decides the share of the configured rates that is left. Where another worker decided at the
    /// same moment, its decision holds, and is read the next time.
    ///
    /// # Errors
    /// The board does not answer: the share stays as it was.
    pub async fn look(&self, before: Share) -> Result<Share, BoardError> {
        let reading = self.board.read().await?;
        let pace = Pace::after(&reading, &self.config.pace);
        let prevails = self.board.set_pace(reading.pace.as_ref(), &pace).await?;
        let share = if prevails {
            pace.decided()
        } else {
            last_decided(&reading)
        };
        metrics::gauge!("stanchion_pace").set(share.part);
        if slowness(share.part) != slowness(before.part) {
            tracing::info!(share = share.part, pace = ?slowness(share.part), "the lines' pace follows booking");
        }
        Ok(share)
    }
}

fn last_decided(reading: &Reading) -> Share {
    reading.pace.as_ref().map(Pace::decided).unwrap_or_default()
}
