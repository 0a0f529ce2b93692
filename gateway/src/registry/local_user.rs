//! One user's position as this node projects it (rank when attached, minus the removals below
//! since), and which updates the user is sent. Pure: no locks, no I/O.

use std::sync::Arc;

use smallvec::SmallVec;
use waitingroom_domain::{
    clock::Timestamp,
    ids::Epoch,
    queue::{LastPosition, Place, Progress},
};
use waitingroom_server::protocol::WaitReason;

use super::{conflation, room_view::RoomView};
use crate::{
    connection::mailbox::{Mailbox, PositionUpdate},
    wait_estimator::WaitEstimate,
};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct LocalUser {
    /// The user's number in the queue of `epoch`.
    pub(super) number: u64,
    pub(super) epoch: Epoch,
    /// The projected position; zero for a user with a pass.
    pub(super) position: u64,
    /// Removals that `position` counts.
    pub(super) revision: u64,
    /// Best position that the client knows; `u64::MAX` if it knows none.
    pub(super) last_sent_position: u64,
    /// Seconds of the wait that the client knows; `u32::MAX` if it knows none.
    last_sent_wait: u32,
    last_sent_reason: Option<WaitReason>,
    /// The last update was left out, see [`LocalUser::should_skip`].
    skipped_once: bool,
    /// The position is a bound: it was read while the queue was being rebuilt.
    pub(super) counting: bool,
    /// The user's connections. Two fit without an allocation; more tabs are rare.
    pub(super) mailboxes: SmallVec<[Arc<Mailbox>; 2]>,
}

impl LocalUser {
    pub(super) fn new(place: &Place) -> Self {
        Self {
            number: place.number,
            epoch: place.epoch.clone(),
            position: place.position,
            revision: place.revision,
            last_sent_position: place.last_sent_position().unwrap_or(u64::MAX),
            last_sent_wait: u32::MAX,
            last_sent_reason: None,
            skipped_once: false,
            counting: place.counting,
            mailboxes: SmallVec::new(),
        }
    }

    /// Takes over a place that was read, unless a later one was: reads of several connections may
    /// overtake each other.
    pub(super) fn apply_snapshot(&mut self, place: &Place) {
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

    /// An update for the user, if one is due: for a better position, or for a wait that became
    /// longer. A position that a client knows never grows.
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
        if position == self.last_sent_position && !is_delayed {
            return None;
        }
        if !is_delayed && self.should_skip(position, estimate) {
            return None;
        }

        self.last_sent_position = position;
        self.record_sent(estimate);
        Some(PositionUpdate {
            position,
            total: total.max(position),
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
