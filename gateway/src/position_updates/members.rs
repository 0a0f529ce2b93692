//! One event's local users: the connections of each, and the projection of their position. Leaves
//! updates in the connections' mailboxes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use dashmap::DashMap;
use smallvec::SmallVec;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{Epoch, EventId, UserId},
    queue::{Grant, Place, Progress, QueueSettings},
};

use super::{projection::Projection, room_view::RoomView};
use crate::{
    connection::{mailbox::Mailbox, wake_queue::WakeQueue},
    wait_estimator::WaitEstimate,
};

/// Max connections of one user on one node: a browser with many tabs.
const MAX_CONNECTIONS_PER_USER: usize = 8;

/// The user has more connections here than allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooManyConnections;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Members {
    users: DashMap<UserId, Member>,
    /// Users without a pass may be here. If all have passes, a progress message moves no position.
    has_waiting: AtomicBool,
    wake_queue: Arc<WakeQueue>,
}

#[derive(Debug)]
struct Member {
    projection: Projection,
    /// The user's connections. Two fit without an allocation; more tabs are rare.
    mailboxes: SmallVec<[Arc<Mailbox>; 2]>,
}

impl Members {
    /// No users. Updates wake connections in batches through `wake_queue`.
    pub(super) fn new(wake_queue: Arc<WakeQueue>) -> Self {
        Self {
            wake_queue,
            ..Self::default()
        }
    }

    /// Registers a connection with a place, of which the client is shown this estimate.
    /// `applied_revision` is the revision of the messages of this epoch that were applied here.
    pub(super) fn attach(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        estimate: WaitEstimate,
        applied_revision: impl FnOnce(&Epoch) -> Option<u64>,
        mailbox: &Arc<Mailbox>,
    ) -> Result<(), TooManyConnections> {
        let mut member = self
            .users
            .entry(user.clone())
            .or_insert_with(|| Member::new(place));
        let Member {
            projection,
            mailboxes,
        } = &mut *member;

        if projection.apply_place(place, applied_revision) {
            let tabs = mailboxes
                .iter()
                .filter(|known| !Arc::ptr_eq(known, mailbox));
            tabs.for_each(|tab| tab.push_place(event, place.clone()));
        }

        if !mailboxes.iter().any(|known| Arc::ptr_eq(known, mailbox)) {
            if mailboxes.len() >= MAX_CONNECTIONS_PER_USER {
                return Err(TooManyConnections);
            }
            mailboxes.push(Arc::clone(mailbox));
        }

        let shown = projection.record_shown(place);
        if mailboxes.len() == 1 {
            projection.record_sent(estimate);
        }

        // An attempt with an older read may have left a worse position in the mailbox.
        mailbox.discard_stale_position(event, shown);
        drop(member);
        self.has_waiting.store(true, Ordering::Release);
        Ok(())
    }

    /// Takes over a place that was read again. True if the user waits for just this: then it must
    /// not be older than the messages applied here.
    pub(super) fn refresh_place(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        (view, last_checked_at): (&RoomView, Timestamp),
        applied_revision: impl FnOnce(&Epoch) -> Option<u64>,
    ) -> bool {
        let mut must_be_current = true;
        if let Some(mut member) = self.users.get_mut(user) {
            let projection = &mut member.projection;
            let was_counting = projection.is_counting();
            must_be_current = was_counting || place.counting;
            let is_other_place = projection.apply_place(place, applied_revision);

            if is_other_place && projection.is_waiting() {
                projection.record_place_sent();
                member
                    .mailboxes
                    .iter()
                    .for_each(|mailbox| mailbox.push_place(event, place.clone()));
            } else if was_counting && !projection.is_counting() && projection.is_waiting() {
                let update = projection.exact_update(place.total, view, last_checked_at);
                let to_wake = member
                    .mailboxes
                    .iter()
                    .filter(|mailbox| mailbox.set_position_quietly(event, update.clone()));
                to_wake.for_each(|mailbox| self.wake_queue.push(mailbox));
            }
        }

        self.has_waiting.store(true, Ordering::Release);
        must_be_current
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
        if let Some(mut member) = self.users.get_mut(user)
            && member.projection.lower_last_sent(number, position)
        {
            mailbox.discard_stale_position(event, position);
        }
    }

    /// The best position of this number that the user's clients know.
    pub(super) fn last_sent_position(&self, user: &UserId, number: u64) -> Option<u64> {
        self.users.get(user)?.projection.last_sent_position(number)
    }

    /// Removes a connection. If it was the user's last one here, returns the place as the client
    /// knows it.
    pub(super) fn detach(&self, user: &UserId, mailbox: &Arc<Mailbox>) -> Option<Place> {
        if let Some(mut member) = self.users.get_mut(user) {
            member
                .mailboxes
                .retain(|known| !Arc::ptr_eq(known, mailbox));
        }
        self.users
            .remove_if(user, |_, member| member.mailboxes.is_empty())
            .map(|(_, member)| member.projection.into_last_sent_place())
    }

    /// Does the user have a connection here?
    pub(super) fn contains(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(super) fn users(&self) -> Vec<UserId> {
        self.users
            .iter()
            .map(|member| member.key().clone())
            .collect()
    }

    /// Epoch and number of a user who waits here.
    pub(super) fn ticket(&self, user: &UserId) -> Option<(Epoch, u64)> {
        self.users.get(user)?.projection.ticket()
    }

    /// Does a user wait here whose place belongs to another epoch than this?
    pub(super) fn has_users_of_previous_epoch(&self, epoch: &Epoch) -> bool {
        self.users
            .iter()
            .any(|member| member.projection.is_waiting_in_other_epoch(epoch))
    }

    /// Does a user's place lack what came before this message?
    pub(super) fn have_gap_before(&self, progress: &Progress) -> bool {
        self.users
            .iter()
            .any(|member| member.projection.has_gap_before(progress))
    }

    /// Does something with each mailbox of the user.
    pub(super) fn broadcast(&self, user: &UserId, send: impl Fn(&Mailbox)) {
        if let Some(member) = self.users.get(user) {
            member.mailboxes.iter().for_each(|mailbox| send(mailbox));
        }
    }

    /// Hands a pass to every connection of its user: no position any more.
    pub(super) fn deliver(&self, event: EventId, user: &UserId, grant: Grant) {
        if let Some(mut member) = self.users.get_mut(user) {
            member.projection.end_with_pass();
            let grant = Arc::new(grant);
            member
                .mailboxes
                .iter()
                .for_each(|mailbox| mailbox.push_pass(event, Arc::clone(&grant)));
        }
    }

    /// Sends the state of the sale to all connections.
    pub(super) fn send_sale(&self, event: EventId, settings: &QueueSettings) {
        let settings = Arc::new(settings.clone());
        for member in &self.users {
            member
                .mailboxes
                .iter()
                .filter(|mailbox| mailbox.set_sale_quietly(event, Arc::clone(&settings)))
                .for_each(|mailbox| self.wake_queue.push(mailbox));
        }
    }

    /// Moves every waiting user's position by one message, and leaves the updates that are due in
    /// their mailboxes. Positions were `last` compared with what clients know.
    pub(super) fn project(
        &self,
        progress: &Progress,
        view: &RoomView,
        last: Timestamp,
        now: Timestamp,
    ) {
        if !self.has_waiting.swap(false, Ordering::AcqRel) {
            return;
        }

        let mut removed = progress.removed.clone();
        removed.sort_unstable();

        // A connection that is attached meanwhile sets `has_waiting` itself.
        let mut has_waiting = false;
        for mut member in self.users.iter_mut() {
            let Member {
                projection,
                mailboxes,
            } = &mut *member;
            if !projection.is_waiting() {
                continue;
            }
            has_waiting = true;
            if !projection.follows(progress) {
                continue; // the rank is about to be read
            }

            projection.apply_removals(progress, &removed);
            if let Some(update) = projection.next_update(progress.total, view, last, now) {
                let to_wake = mailboxes.iter().filter(|mailbox| {
                    mailbox.set_position_quietly(progress.event_id, update.clone())
                });
                to_wake.for_each(|mailbox| self.wake_queue.push(mailbox));
            }
        }
        self.has_waiting.fetch_or(has_waiting, Ordering::AcqRel);
    }

    /// May a user without a pass be here?
    #[cfg(test)]
    pub(super) fn may_have_waiting(&self) -> bool {
        self.has_waiting.load(Ordering::Relaxed)
    }

    /// The projected position of a user here.
    #[cfg(test)]
    pub(super) fn position(&self, user: &UserId) -> Option<u64> {
        Some(self.users.get(user)?.projection.position())
    }
}

impl Member {
    fn new(place: &Place) -> Self {
        Self {
            projection: Projection::new(place),
            mailboxes: SmallVec::new(),
        }
    }
}
