//! Puts an event's progress messages into order: which can be applied now, which wait for an
//! earlier one, and when a missing one is given up. Pure: no locks, no I/O.

use std::{collections::BTreeMap, time::Duration};

use waitingroom_domain::{clock::Timestamp, ids::Epoch, queue::Progress};

use super::room_view::RoomView;

/// Max messages that wait for a missing one.
const MAX_BUFFERED: usize = 64;
/// How late a missing message may be before the places are read again.
pub(super) const REORDER_TIMEOUT: Duration = Duration::from_millis(500);

/// Result of a progress message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProgressOutcome {
    /// Positions were moved, or there was nothing to move.
    Applied,
    /// A message before this one is missing; it may still come.
    Buffered,
    /// The queue has another epoch, or too much is missing: the places must be read again.
    GapDetected,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct ProgressBuffer {
    /// Epoch of the newest message.
    pub(super) epoch: Option<Epoch>,
    /// Removals that were applied here.
    pub(super) revision: u64,
    /// Messages after a missing one, by the revision that they begin at.
    buffered: BTreeMap<u64, Progress>,
    /// Since when a message is missing.
    gap_since: Option<Timestamp>,
    /// When positions were last compared with what clients know.
    pub(super) last_checked_at: Timestamp,
    /// The queue is being rebuilt, according to the last message.
    pub(super) counting: bool,
    /// The queue as a whole, according to the messages applied so far.
    pub(super) view: RoomView,
}

impl ProgressBuffer {
    /// Records that positions are checked now; returns when they last were.
    pub(super) fn mark_checked(&mut self, now: Timestamp) -> Timestamp {
        let last = self.last_checked_at;
        self.last_checked_at = last.max(now);
        last
    }

    /// Takes a message; returns those that can be applied now, in order.
    pub(super) fn ingest(
        &mut self,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<Vec<Progress>, ProgressOutcome> {
        if self.epoch.as_ref() != Some(&progress.epoch) {
            let first = !self.view.known;
            self.reset_to(progress);
            return if first {
                Ok(vec![progress.clone()])
            } else {
                Err(ProgressOutcome::GapDetected)
            };
        }

        let is_duplicate = progress.to < self.revision
            || (progress.to == self.revision && progress.from < progress.to);
        if is_duplicate {
            return Ok(Vec::new());
        }

        self.buffered.insert(progress.from, progress.clone());
        if self.buffered.len() > MAX_BUFFERED {
            self.drop_gap();
            return Err(ProgressOutcome::GapDetected);
        }

        let ready = self.pop_contiguous(now);
        if ready.is_empty() {
            Err(ProgressOutcome::Buffered)
        } else {
            Ok(ready)
        }
    }

    fn reset_to(&mut self, progress: &Progress) {
        self.view.known = true;
        self.epoch = Some(progress.epoch.clone());
        self.revision = progress.to;
        self.buffered.clear();
        self.gap_since = None;
        self.counting = progress.counting;
        self.view.apply(progress);
    }

    fn pop_contiguous(&mut self, now: Timestamp) -> Vec<Progress> {
        let mut ready = Vec::new();
        while let Some(next) = self.buffered.remove(&self.revision) {
            self.view.estimator.observe(&next, now);
            self.view.apply(&next);
            self.counting = next.counting;
            self.revision = next.to;

            // A message without removals ends at the revision that it begins at.
            let is_empty = next.from == next.to;
            ready.push(next);
            if is_empty {
                break;
            }
        }

        self.gap_since = (!self.buffered.is_empty()).then(|| self.gap_since.unwrap_or(now));
        ready
    }

    /// Gives up a gap that is older than [`REORDER_TIMEOUT`]; true if there was one.
    pub(super) fn drop_stale_gap(&mut self, now: Timestamp) -> bool {
        let is_stale = self
            .gap_since
            .is_some_and(|since| since.plus(REORDER_TIMEOUT) <= now);
        if is_stale {
            self.drop_gap();
        }
        is_stale
    }

    /// Gives up the missing messages: continues after the newest one.
    fn drop_gap(&mut self) {
        if let Some(newest) = self.buffered.values().map(|progress| progress.to).max() {
            self.revision = self.revision.max(newest);
        }
        self.buffered.clear();
        self.gap_since = None;
    }
}
