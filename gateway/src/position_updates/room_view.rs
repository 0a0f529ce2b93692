//! An event's queue as a whole, as far as this node knows from progress messages.

use waitingroom_domain::{
    clock::Timestamp,
    queue::{Progress, QueueSettings},
};

use crate::wait_estimator::{WaitEstimate, WaitEstimator};

/// See the module's documentation.
#[derive(Debug, Clone, Default)]
pub(crate) struct RoomView {
    pub(crate) settings: QueueSettings,
    pub(crate) seats_left: u64,
    /// Users in the queue, as last known.
    pub(crate) total: Option<u64>,
    /// A progress message has arrived.
    pub(super) known: bool,
    /// A progress message with the number of seats has arrived.
    pub(super) seats_known: bool,
    pub(super) estimator: WaitEstimator,
}

impl RoomView {
    /// The wait to show at this position.
    pub(crate) fn estimate(&self, position: u64, now: Timestamp) -> WaitEstimate {
        let seats_left = if self.known && self.seats_known {
            self.seats_left
        } else {
            u64::MAX
        };
        self.estimator
            .estimate(position, &self.settings, seats_left, now)
    }

    /// Takes over the numbers of a message; those that are unknown while the queue is being rebuilt
    /// stay as they are.
    pub(super) fn apply(&mut self, progress: &Progress) {
        if progress.seats_known {
            (self.seats_left, self.seats_known) = (progress.seats_left, true);
        }
        if !progress.counting {
            self.total = Some(progress.total);
        }
    }
}
