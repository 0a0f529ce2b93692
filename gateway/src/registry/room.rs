//! One event's local users: their connections, and the projection of their positions by progress
//! messages.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use dashmap::DashMap;
use parking_lot::Mutex;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{Epoch, EventId, UserId},
    queue::{Grant, Place, Progress, QueueSettings},
};

use super::{
    local_user::LocalUser,
    progress_buffer::{ProgressBuffer, ProgressOutcome},
    room_view::RoomView,
};
use crate::connection::{mailbox::Mailbox, wake_queue::WakeQueue};

/// Max connections of one user on one node: a browser with many tabs.
const MAX_CONNECTIONS_PER_USER: usize = 8;

/// The user has more connections here than allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooManyConnections;

/// State of the task that reads all places of the room again.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Resync {
    #[default]
    Idle,
    Running,
    /// Running, and asked for again since it began.
    RunningAndRequested,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Room {
    buffer: Mutex<ProgressBuffer>,
    users: DashMap<UserId, LocalUser>,
    /// Users without a pass may be here. If all have passes, a progress message moves no position.
    has_waiting_users: AtomicBool,
    resync: Mutex<Resync>,
    wake_queue: Arc<WakeQueue>,
}

impl Room {
    /// A room without users. Updates wake connections in batches through `wake_queue`.
    pub(super) fn new(wake_queue: Arc<WakeQueue>) -> Self {
        Self {
            wake_queue,
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
        let place = &Place {
            epoch: self.same_epoch(&place.epoch),
            ..place.clone()
        };
        let estimate = {
            let buffer = self.buffer.lock();
            buffer.view.estimate(place.position, buffer.last_checked_at)
        };

        let mut local = self
            .users
            .entry(user.clone())
            .or_insert_with(|| LocalUser::new(place));
        let number = local.number;
        self.apply_snapshot(&mut local, place);
        if local.number != number {
            let tabs = local
                .mailboxes
                .iter()
                .filter(|known| !Arc::ptr_eq(known, mailbox));
            tabs.for_each(|tab| tab.push_place(event, place.clone()));
        }

        let is_attached = local
            .mailboxes
            .iter()
            .any(|known| Arc::ptr_eq(known, mailbox));
        if !is_attached {
            if local.mailboxes.len() >= MAX_CONNECTIONS_PER_USER {
                return Err(TooManyConnections);
            }
            local.mailboxes.push(Arc::clone(mailbox));
        }

        // The client is sent this place next, also if a later read is known: a user may have come
        // back in front meanwhile.
        let shown = place.position.min(local.position);
        if shown > 0 {
            local.last_sent_position = local.last_sent_position.min(shown);
        }
        if local.mailboxes.len() == 1 {
            local.record_sent(estimate);
        }

        // An attempt with an older read may have left a worse position in the mailbox.
        mailbox.discard_stale_position(event, shown);
        drop(local);
        self.has_waiting_users.store(true, Ordering::Release);
        Ok(self.is_current(place))
    }

    /// The room's own copy of this epoch, if it has one: each read brings a copy of its own.
    fn same_epoch(&self, epoch: &Epoch) -> Epoch {
        let buffer = self.buffer.lock();
        buffer
            .epoch
            .clone()
            .filter(|known| known == epoch)
            .unwrap_or_else(|| epoch.clone())
    }

    /// Does the place count every removal that was applied here, and was the queue not rebuilt
    /// since?
    fn is_current(&self, place: &Place) -> bool {
        let buffer = self.buffer.lock();
        !buffer.view.known
            || buffer.epoch.as_ref() != Some(&place.epoch)
            || (buffer.revision <= place.revision && (buffer.counting || !place.counting))
    }

    /// Takes over a place that was read again. False if it was read too early: it has to be read
    /// once more.
    pub(super) fn refresh_place(&self, event: EventId, user: &UserId, place: &Place) -> bool {
        let place = &Place {
            epoch: self.same_epoch(&place.epoch),
            ..place.clone()
        };
        // A statement of its own: the lock is held to its end.
        let last_checked_at = self.buffer.lock().last_checked_at;
        let view = self.view();
        let is_current = self.is_current(place);

        let mut must_be_current = true;
        if let Some(mut local) = self.users.get_mut(user) {
            let number = local.number;
            let was_counting = local.counting;
            must_be_current = was_counting || place.counting;
            self.apply_snapshot(&mut local, place);

            if local.number != number && local.position > 0 {
                local
                    .mailboxes
                    .iter()
                    .for_each(|mailbox| mailbox.push_place(event, place.clone()));
                local.last_sent_position = local.position;
            } else if was_counting && !local.counting && local.position > 0 {
                let update = local.exact_update(place.total, &view, last_checked_at);
                let to_wake = local
                    .mailboxes
                    .iter()
                    .filter(|mailbox| mailbox.set_position_quietly(event, update.clone()));
                to_wake.for_each(|mailbox| self.wake_queue.push(mailbox));
            }
        }

        self.has_waiting_users.store(true, Ordering::Release);
        is_current || !must_be_current
    }

    /// The client of this connection knows this position of this number already: no worse one
    /// follows.
    pub(super) fn lower_last_sent_position(
        &self,
        event: EventId,
        user: &UserId,
        number: u64,
        position: u64,
        mailbox: &Mailbox,
    ) {
        if let Some(mut local) = self
            .users
            .get_mut(user)
            .filter(|local| local.number == number)
        {
            local.last_sent_position = local.last_sent_position.min(position);
            mailbox.discard_stale_position(event, position);
        }
    }

    /// The best position of this number that the user's clients know.
    pub(super) fn last_sent_position(&self, user: &UserId, number: u64) -> Option<u64> {
        let local = self.users.get(user)?;
        (local.number == number && local.last_sent_position < u64::MAX)
            .then_some(local.last_sent_position)
    }

    /// Takes over a place that was read. Messages do not move users with a pass on; the messages
    /// that were applied meanwhile count for them too, so that an older read does not lead them
    /// back into the queue.
    fn apply_snapshot(&self, local: &mut LocalUser, place: &Place) {
        if local.position == 0 {
            let buffer = self.buffer.lock();
            if buffer.epoch.as_ref() == Some(&local.epoch) {
                local.revision = local.revision.max(buffer.revision);
            }
        }
        local.apply_snapshot(place);
    }

    /// Removes a connection. If it was the user's last one here, returns the place as the client
    /// knows it.
    pub(super) fn detach(&self, user: &UserId, mailbox: &Arc<Mailbox>) -> Option<Place> {
        if let Some(mut local) = self.users.get_mut(user) {
            local.mailboxes.retain(|known| !Arc::ptr_eq(known, mailbox));
        }
        self.users
            .remove_if(user, |_, local| local.mailboxes.is_empty())
            .map(|(_, local)| local.into_last_sent_place())
    }

    /// Does the user have a connection here?
    pub(super) fn contains(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    /// Does something with each mailbox of the user.
    pub(super) fn broadcast(&self, user: &UserId, send: impl Fn(&Mailbox)) {
        if let Some(local) = self.users.get(user) {
            local.mailboxes.iter().for_each(|mailbox| send(mailbox));
        }
    }

    /// Hands a pass to every connection of its user: no position any more.
    pub(super) fn deliver(&self, event: EventId, user: &UserId, grant: Grant) {
        if let Some(mut local) = self.users.get_mut(user) {
            local.position = 0;
            let grant = Arc::new(grant);
            local
                .mailboxes
                .iter()
                .for_each(|mailbox| mailbox.push_pass(event, Arc::clone(&grant)));
        }
    }

    /// Epoch and number of a user who waits here.
    pub(super) fn ticket(&self, user: &UserId) -> Option<(Epoch, u64)> {
        let local = self.users.get(user)?;
        (local.position > 0).then(|| (local.epoch.clone(), local.number))
    }

    /// Claims the resync; false if one is running, which then begins once more.
    pub(super) fn begin_resync(&self) -> bool {
        let mut resync = self.resync.lock();
        let begins = *resync == Resync::Idle;
        *resync = if begins {
            Resync::Running
        } else {
            Resync::RunningAndRequested
        };
        begins
    }

    /// Ends the resync; false if it has to begin once more.
    pub(super) fn end_resync(&self) -> bool {
        let mut resync = self.resync.lock();
        let ends = *resync != Resync::RunningAndRequested;
        *resync = if ends { Resync::Idle } else { Resync::Running };
        ends
    }

    /// The queue's epoch, as last known.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.buffer.lock().epoch.clone()
    }

    /// Is the queue being rebuilt, according to the last message?
    pub(super) fn is_counting(&self) -> bool {
        self.buffer.lock().counting
    }

    /// Does a user wait here whose place belongs to an epoch that was lost?
    pub(super) fn has_users_of_previous_epoch(&self) -> bool {
        let Some(current) = self.buffer.lock().epoch.clone() else {
            return false;
        };
        self.users
            .iter()
            .any(|local| local.position > 0 && local.epoch != current)
    }

    /// Takes over the queue's settings, and sends a changed state to all connections.
    pub(super) fn apply_settings(&self, event: EventId, settings: &QueueSettings) {
        let is_changed = {
            let mut buffer = self.buffer.lock();
            let before = std::mem::replace(&mut buffer.view.settings, settings.clone());
            before.state != settings.state
                || before.message != settings.message
                || !buffer.view.known
        };

        if is_changed {
            let settings = Arc::new(settings.clone());
            for local in &self.users {
                local
                    .mailboxes
                    .iter()
                    .filter(|mailbox| mailbox.set_sale_quietly(event, Arc::clone(&settings)))
                    .for_each(|mailbox| self.wake_queue.push(mailbox));
            }
        }
    }

    /// Moves the room on by one progress message.
    pub(super) fn apply_progress(&self, progress: &Progress, now: Timestamp) -> ProgressOutcome {
        let (is_first, is_recounted, ready) = {
            let mut buffer = self.buffer.lock();
            let is_first = !buffer.view.known;
            let was_counting = buffer.counting;
            match buffer.ingest(progress, now) {
                Ok(ready) => (is_first, was_counting && !buffer.counting, ready),
                Err(outcome) => return outcome,
            }
        };

        // The first message that arrives here may not be the first that was sent.
        let has_gap = |local: &LocalUser| {
            local.revision < progress.from || (local.counting && !progress.counting)
        };
        let must_reload =
            is_recounted || (is_first && self.users.iter().any(|local| has_gap(&local)));

        self.apply_settings(progress.event_id, &progress.settings);
        for progress in ready {
            self.project(&progress, now);
        }
        if must_reload {
            ProgressOutcome::GapDetected
        } else {
            ProgressOutcome::Applied
        }
    }

    /// Moves every waiting user's position, and leaves the updates that are due in their mailboxes.
    fn project(&self, progress: &Progress, now: Timestamp) {
        let view = self.view();
        let last = self.buffer.lock().mark_checked(now);
        if !self.has_waiting_users.swap(false, Ordering::AcqRel) {
            return;
        }

        let mut removed = progress.removed.clone();
        removed.sort_unstable();

        // A connection that is attached meanwhile sets `has_waiting_users` itself.
        let mut has_waiting_users = false;
        for mut local in self.users.iter_mut().filter(|local| local.position > 0) {
            has_waiting_users = true;
            if local.counting || local.epoch != progress.epoch {
                continue; // the rank is about to be read
            }
            local.apply_removals(progress, &removed);
            if let Some(update) = local.next_update(progress.total, &view, last, now) {
                let to_wake = local.mailboxes.iter().filter(|mailbox| {
                    mailbox.set_position_quietly(progress.event_id, update.clone())
                });
                to_wake.for_each(|mailbox| self.wake_queue.push(mailbox));
            }
        }
        self.has_waiting_users
            .fetch_or(has_waiting_users, Ordering::AcqRel);
    }

    /// Gives up a message that is missing for too long; true if there was one: the places must be
    /// read again.
    pub(super) fn drop_stale_gap(&self, now: Timestamp) -> bool {
        self.buffer.lock().drop_stale_gap(now)
    }

    pub(super) fn view(&self) -> RoomView {
        self.buffer.lock().view.clone()
    }

    pub(super) fn is_known(&self) -> bool {
        self.buffer.lock().view.known
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(super) fn users(&self) -> Vec<UserId> {
        self.users.iter().map(|local| local.key().clone()).collect()
    }
}

#[cfg(test)]
mod tests;
