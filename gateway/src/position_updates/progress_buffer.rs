//! Puts an event's progress messages into order: which can be applied now, which wait for an
//! earlier one, and when a missing one is given up. Pure: no lock, no I/O.

use std::{collections::BTreeMap, time::Duration};

use waitingroom_domain::{
    clock::Timestamp,
    ids::Epoch,
    queue::{Place, Progress, QueueSettings},
};

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

/// Messages to apply, and the moment in the queue's life that they mark.
#[derive(Debug, Default)]
pub(super) struct Ingested {
    /// Messages that can be applied now, in order.
    pub(super) ready: Vec<Progress>,
    /// No message was applied before.
    pub(super) is_first: bool,
    /// The queue was being rebuilt until now: positions are exact again.
    pub(super) is_recounted: bool,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct ProgressBuffer {
    /// Epoch of the newest message.
    epoch: Option<Epoch>,
    /// Removals that were applied here.
    revision: u64,
    /// Messages after a missing one, by the revision that they begin at.
    buffered: BTreeMap<u64, Progress>,
    /// Since when a message is missing.
    gap_since: Option<Timestamp>,
    /// When positions were last compared with what clients know.
    last_checked_at: Timestamp,
    /// The queue is being rebuilt, according to the last message.
    counting: bool,
    /// The queue as a whole, according to the messages applied so far.
    view: RoomView,
}

impl ProgressBuffer {
    pub(super) fn epoch(&self) -> Option<&Epoch> {
        self.epoch.as_ref()
    }

    /// The buffer's own copy of this epoch, if it has one: each read brings a copy of its own.
    pub(super) fn same_epoch(&self, epoch: &Epoch) -> Epoch {
        self.epoch
            .as_ref()
            .filter(|known| *known == epoch)
            .unwrap_or(epoch)
            .clone()
    }

    /// The removals of this epoch that were applied here.
    pub(super) fn revision_of(&self, epoch: &Epoch) -> Option<u64> {
        (self.epoch.as_ref() == Some(epoch)).then_some(self.revision)
    }

    /// Is the queue being rebuilt, according to the last message?
    pub(super) fn is_counting(&self) -> bool {
        self.counting
    }

    /// The queue as a whole, according to the messages applied so far.
    pub(super) fn view(&self) -> &RoomView {
        &self.view
    }

    /// When positions were last compared with what clients know.
    pub(super) fn last_checked_at(&self) -> Timestamp {
        self.last_checked_at
    }

    /// Does the place count every removal that was applied here, and was the queue not rebuilt
    /// since?
    pub(super) fn is_current(&self, place: &Place) -> bool {
        !self.view.known
            || self.epoch.as_ref() != Some(&place.epoch)
            || (self.revision <= place.revision && (self.counting || !place.counting))
    }

    /// Takes over the queue's settings; true if clients must be sent the state of the sale.
    pub(super) fn replace_settings(&mut self, settings: &QueueSettings) -> bool {
        let before = std::mem::replace(&mut self.view.settings, settings.clone());
        before.state != settings.state || before.message != settings.message || !self.view.known
    }

    /// Records that positions are checked now; returns when they last were.
    pub(super) fn mark_checked(&mut self, now: Timestamp) -> Timestamp {
        let last = self.last_checked_at;
        self.last_checked_at = last.max(now);
        last
    }

    /// Takes a message; returns those that can be applied now.
    pub(super) fn ingest(
        &mut self,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<Ingested, ProgressOutcome> {
        if self.epoch.as_ref() != Some(&progress.epoch) {
            let is_first = !self.view.known;
            self.reset_to(progress);
            return if is_first {
                Ok(Ingested {
                    ready: vec![progress.clone()],
                    is_first,
                    is_recounted: false,
                })
            } else {
                Err(ProgressOutcome::GapDetected)
            };
        }

        let is_duplicate = progress.to < self.revision
            || (progress.to == self.revision && progress.from < progress.to);
        if is_duplicate {
            return Ok(Ingested::default());
        }

        self.buffered.insert(progress.from, progress.clone());
        if self.buffered.len() > MAX_BUFFERED {
            self.drop_gap();
            return Err(ProgressOutcome::GapDetected);
        }

        let was_counting = self.counting;
        let ready = self.pop_contiguous(now);
        if ready.is_empty() {
            return Err(ProgressOutcome::Buffered);
        }
        Ok(Ingested {
            ready,
            is_first: false,
            is_recounted: was_counting && !self.counting,
        })
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

#[cfg(test)]
mod tests;
