//! One user's position as this node projects it (rank when attached, minus the removals below
//! since), and which updates the user is sent. Pure: no map, no lock, no I/O.

use waitingroom_domain::{
    clock::Timestamp,
    ids::Epoch,
    queue::{LastPosition, Place, Progress},
};
use waitingroom_server::protocol::WaitReason;

use super::{conflation, room_view::RoomView};
use crate::{connection::mailbox::PositionUpdate, wait_estimator::WaitEstimate};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Projection {
    /// The user's number in the queue of `epoch`.
    number: u64,
    epoch: Epoch,
    /// The projected position; zero for a user with a pass.
    position: u64,
    /// Removals that `position` counts.
    revision: u64,
    /// Best position that the client knows; `u64::MAX` if it knows none.
    last_sent_position: u64,
    /// Seconds of the wait that the client knows; `u32::MAX` if it knows none.
    last_sent_wait: u32,
    /// Length of the queue that the client knows.
    last_sent_total: u64,
    last_sent_reason: Option<WaitReason>,
    /// The last update was left out, see [`Projection::should_skip`].
    skipped_once: bool,
    /// The position is a bound: it was read while the queue was being rebuilt.
    counting: bool,
}

impl Projection {
    pub(super) fn new(place: &Place) -> Self {
        Self {
            number: place.number,
            epoch: place.epoch.clone(),
            position: place.position,
            revision: place.revision,
            last_sent_position: place.last_sent_position().unwrap_or(u64::MAX),
            last_sent_wait: u32::MAX,
            last_sent_total: place.total,
            last_sent_reason: None,
            skipped_once: false,
            counting: place.counting,
        }
    }

    /// Does the user wait, rather than have a pass?
    pub(super) fn is_waiting(&self) -> bool {
        self.position > 0
    }

    pub(super) fn is_counting(&self) -> bool {
        self.counting
    }

    /// Does the user wait in another epoch than this?
    pub(super) fn is_waiting_in_other_epoch(&self, epoch: &Epoch) -> bool {
        self.is_waiting() && self.epoch != *epoch
    }

    /// Can messages like this one move the position? If not, it is about to be read.
    pub(super) fn follows(&self, progress: &Progress) -> bool {
        !self.counting && self.epoch == progress.epoch
    }

    /// Does the place lack removals before this message, or is it a bound while ranks are known?
    pub(super) fn has_gap_before(&self, progress: &Progress) -> bool {
        self.revision < progress.from || (self.counting && !progress.counting)
    }

    /// Epoch and number of a user who waits.
    pub(super) fn ticket(&self) -> Option<(Epoch, u64)> {
        self.is_waiting().then(|| (self.epoch.clone(), self.number))
    }

    /// The best position of this number that the client knows.
    pub(super) fn last_sent_position(&self, number: u64) -> Option<u64> {
        (self.number == number && self.last_sent_position < u64::MAX)
            .then_some(self.last_sent_position)
    }

    /// Takes over a place that was read; true if its number is another one. Messages do not move
    /// users with a pass on; the messages that were applied meanwhile count for them too, so that
    /// an older read does not lead them back into the queue. `applied_revision` is the revision of
    /// the messages of this epoch that were applied.
    pub(super) fn apply_place(
        &mut self,
        place: &Place,
        applied_revision: impl FnOnce(&Epoch) -> Option<u64>,
    ) -> bool {
        let number = self.number;
        if !self.is_waiting()
            && let Some(applied) = applied_revision(&self.epoch)
        {
            self.revision = self.revision.max(applied);
        }

        self.apply_snapshot(place);
        self.number != number
    }

    /// Takes over a place that was read, unless a later one was: reads of several connections may
    /// overtake each other.
    fn apply_snapshot(&mut self, place: &Place) {
        let same = self.number == place.number && self.epoch == place.epoch;
        if self.number != place.number {
            // Another place: the client knows nothing of it yet.
            (self.last_sent_position, self.last_sent_wait) = (u64::MAX, u32::MAX);
        }
        self.last_sent_position = self
            .last_sent_position
            .min(place.last_sent_position().unwrap_or(u64::MAX));

        if same && (place.revision < self.revision || (place.counting && !self.counting)) {
            return;
        }

        self.number = place.number;
        self.epoch = place.epoch.clone();
        self.position = place.position;
        self.revision = place.revision;
        self.counting = place.counting;
    }

    /// Records that the client is shown this place next, also if a later read is known: a user may
    /// have come back in front meanwhile. Returns the position that it is shown.
    pub(super) fn record_shown(&mut self, place: &Place) -> u64 {
        let shown = place.position.min(self.position);
        if shown > 0 {
            self.last_sent_position = self.last_sent_position.min(shown);
            self.last_sent_total = place.total.max(shown);
        }
        shown
    }

    /// Records that the client is sent the whole place.
    pub(super) fn record_place_sent(&mut self) {
        self.last_sent_position = self.position;
    }

    /// The client knows this position of this number already. False if the number is another one.
    pub(super) fn lower_last_sent(&mut self, number: u64, position: u64) -> bool {
        if self.number != number {
            return false;
        }
        self.last_sent_position = self.last_sent_position.min(position);
        true
    }

    /// The user has a pass: no position any more.
    pub(super) fn end_with_pass(&mut self) {
        self.position = 0;
    }

    /// The place, with the best position that the client knows.
    pub(super) fn into_last_sent_place(self) -> Place {
        Place {
            number: self.number,
            epoch: self.epoch,
            position: self.position.min(self.last_sent_position),
            total: 0,
            revision: self.revision,
            grant: None,
            counting: self.counting,
            last_position: LastPosition::NotSent,
        }
    }

    /// The update once the queue is rebuilt and positions are exact: also if the position is the
    /// same.
    pub(super) fn exact_update(
        &mut self,
        total: u64,
        view: &RoomView,
        now: Timestamp,
    ) -> PositionUpdate {
        let position = self.position.min(self.last_sent_position);
        let estimate = view.estimate(position, now);
        self.last_sent_position = position;
        self.last_sent_total = total.max(position);
        self.record_sent(estimate);

        PositionUpdate {
            position,
            total: total.max(position),
            seats_left: view.seats_left,
            estimate,
        }
    }

    /// Moves a waiting user on by one message. `removed` are its removals sorted by number: a
    /// binary search for each of thousands of users instead of a count.
    pub(super) fn apply_removals(&mut self, progress: &Progress, removed: &[u64]) {
        if self.revision >= progress.to {
            return;
        }

        let below = match self.revision.saturating_sub(progress.from) as usize {
            0 => removed.partition_point(|number| *number < self.number),
            counted => progress
                .removed
                .iter()
                .skip(counted)
                .filter(|number| **number < self.number)
                .count(),
        } as u64;

        // A user without a pass is at least next.
        self.position = self.position.saturating_sub(below).max(1);
        self.revision = progress.to;
    }

    /// An update for the user, if one is due: for a better position, for a wait that became longer,
    /// or, less often, for another length of the queue. A position that a client knows never grows.
    pub(super) fn next_update(
        &mut self,
        total: u64,
        view: &RoomView,
        last: Timestamp,
        now: Timestamp,
    ) -> Option<PositionUpdate> {
        let position = self.position.min(self.last_sent_position);
        if position == 0 || !conflation::is_due(position, self.number, last, now) {
            return None;
        }

        let mut estimate = view.estimate(self.position, now);
        estimate.reason = estimate.reason.or_else(|| self.delay_reason(estimate));
        let is_delayed = estimate.reason.is_some()
            && (estimate.reason != self.last_sent_reason
                || estimate.is_worse_than(self.last_sent_wait));
        let total = total.max(position);
        let is_total_news = total != self.last_sent_total
            && conflation::is_total_due(position, self.number, last, now);
        let is_moved = position != self.last_sent_position;
        if !is_moved && !is_delayed && !is_total_news {
            return None;
        }
        if is_moved && !is_delayed && self.should_skip(position, estimate) {
            return None;
        }

        self.last_sent_position = position;
        self.last_sent_total = total;
        self.record_sent(estimate);
        Some(PositionUpdate {
            position,
            total,
            seats_left: view.seats_left,
            estimate,
        })
    }

    /// Leaves a position out if the pass is likely to arrive before the next update would. Once
    /// only: the queue may stop after all.
    fn should_skip(&mut self, position: u64, estimate: WaitEstimate) -> bool {
        let soon = estimate.range.is_some()
            && conflation::admitted_before_next_update(position, estimate.wait_seconds);
        self.skipped_once = soon && !self.skipped_once;
        self.skipped_once
    }

    /// Records the wait that the client is sent.
    pub(super) fn record_sent(&mut self, estimate: WaitEstimate) {
        (self.last_sent_wait, self.last_sent_reason) = (estimate.wait_seconds, estimate.reason);
    }

    /// Why a moving queue takes longer than the client knows, if it does.
    fn delay_reason(&self, estimate: WaitEstimate) -> Option<WaitReason> {
        let reason = if self.position > self.last_sent_position {
            WaitReason::Returned
        } else {
            WaitReason::Slowed
        };
        estimate
            .is_worse_than(self.last_sent_wait)
            .then_some(reason)
    }
}

#[cfg(test)]
impl Projection {
    pub(super) fn position(&self) -> u64 {
        self.position
    }
}

#[cfg(test)]
mod tests;
