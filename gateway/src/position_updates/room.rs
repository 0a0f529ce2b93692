//! One event on this node: its members, the order of its progress messages, and its resync. Each
//! operation here needs more than one of them.

use std::sync::Arc;

use parking_lot::Mutex;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{Epoch, EventId, UserId},
    queue::{Place, Progress, QueueSettings},
};

use super::{
    members::{Members, TooManyConnections},
    progress_buffer::{ProgressBuffer, ProgressOutcome},
    resync::Resync,
    room_view::RoomView,
};
use crate::connection::{mailbox::Mailbox, wake_queue::WakeQueue};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) members: Members,
    pub(super) resync: Resync,
    /// Locked for a moment within steps of `members`, never around them.
    progress: Mutex<ProgressBuffer>,
}

impl Room {
    /// A room without users. Updates wake connections in batches through `wake_queue`.
    pub(super) fn new(wake_queue: Arc<WakeQueue>) -> Self {
        Self {
            members: Members::new(wake_queue),
            ..Self::default()
        }
    }

    /// Registers a connection. `Ok(false)` if the place is older than the messages applied here: it
    /// must be read again.
    pub(super) fn attach(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        mailbox: &Arc<Mailbox>,
    ) -> Result<bool, TooManyConnections> {
        let (place, estimate) = {
            let progress = self.progress.lock();
            let view = progress.view();
            (
                with_epoch(place, progress.same_epoch(&place.epoch)),
                view.estimate(place.position, progress.last_checked_at()),
            )
        };

        self.members.attach(
            event,
            user,
            &place,
            estimate,
            |epoch| self.progress.lock().revision_of(epoch),
            mailbox,
        )?;
        Ok(self.progress.lock().is_current(&place))
    }

    /// Takes over a place that was read again. False if it was read too early: it has to be read
    /// once more.
    pub(super) fn refresh_place(&self, event: EventId, user: &UserId, place: &Place) -> bool {
        // In a block of its own: the lock ends before the members change.
        let (place, is_current, view, last_checked_at) = {
            let progress = self.progress.lock();
            let place = with_epoch(place, progress.same_epoch(&place.epoch));
            let is_current = progress.is_current(&place);
            let last_checked_at = progress.last_checked_at();
            (place, is_current, progress.view().clone(), last_checked_at)
        };

        let must_be_current =
            self.members
                .refresh_place(event, user, &place, (&view, last_checked_at), |epoch| {
                    self.progress.lock().revision_of(epoch)
                });
        is_current || !must_be_current
    }

    /// Takes over the queue's settings, and sends a changed state to all connections.
    pub(super) fn apply_settings(&self, event: EventId, settings: &QueueSettings) {
        let is_changed = self.progress.lock().replace_settings(settings);
        if is_changed {
            self.members.send_sale(event, settings);
        }
    }

    /// Moves the room on by one progress message.
    pub(super) fn apply_progress(&self, progress: &Progress, now: Timestamp) -> ProgressOutcome {
        let ingested = self.progress.lock().ingest(progress, now);
        let ingested = match ingested {
            Ok(ingested) => ingested,
            Err(outcome) => return outcome,
        };

        // The first message that arrives here may not be the first that was sent.
        let must_reload =
            ingested.is_recounted || (ingested.is_first && self.members.have_gap_before(progress));

        self.apply_settings(progress.event_id, &progress.settings);
        for progress in ingested.ready {
            self.project(&progress, now);
        }
        if must_reload {
            ProgressOutcome::GapDetected
        } else {
            ProgressOutcome::Applied
        }
    }

    fn project(&self, progress: &Progress, now: Timestamp) {
        let (view, last) = {
            let mut buffer = self.progress.lock();
            (buffer.view().clone(), buffer.mark_checked(now))
        };
        self.members.project(progress, &view, last, now);
    }

    /// Gives up a message that is missing for too long; true if there was one: the places must be
    /// read again.
    pub(super) fn drop_stale_gap(&self, now: Timestamp) -> bool {
        self.progress.lock().drop_stale_gap(now)
    }

    /// The queue's epoch, as last known.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.progress.lock().epoch().cloned()
    }

    /// Is the queue being rebuilt, according to the last message?
    pub(super) fn is_counting(&self) -> bool {
        self.progress.lock().is_counting()
    }

    /// Does a user wait here whose place belongs to an epoch that was lost?
    pub(super) fn has_users_of_previous_epoch(&self) -> bool {
        self.epoch()
            .is_some_and(|current| self.members.has_users_of_previous_epoch(&current))
    }

    pub(super) fn view(&self) -> RoomView {
        self.progress.lock().view().clone()
    }

    pub(super) fn is_known(&self) -> bool {
        self.progress.lock().view().known
    }
}

fn with_epoch(place: &Place, epoch: Epoch) -> Place {
    Place {
        epoch,
        ..place.clone()
    }
}

#[cfg(test)]
mod tests;
