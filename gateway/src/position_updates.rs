//! The connections of this node: for each event a room, in it each local user with their
//! connections and projected position.
//!
//! The maps are private and no method is async, so no guard can be held across an await.

mod conflation;
mod members;
mod progress_buffer;
mod projection;
mod recent_places;
mod resync;
mod room;
mod room_view;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use dashmap::DashMap;
use parking_lot::Mutex;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{Epoch, EventId, UserId},
    queue::{Grant, Place, Progress, QueueSettings, Removal, SaleState},
};

pub(crate) use self::{
    members::TooManyConnections, progress_buffer::ProgressOutcome, recent_places::RememberedPlace,
};
use self::{recent_places::RecentPlaces, room::Room};
use crate::{
    connection::{mailbox::Mailbox, wake_queue::WakeQueue},
    wait_estimator::WaitEstimate,
};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    rooms: DashMap<EventId, Arc<Room>>,
    /// Connections of each user whose place is being read.
    pending_attaches: Mutex<HashMap<(EventId, UserId), u32>>,
    recent_places: RecentPlaces,
    /// The node's subscription to signals is alive.
    subscribed: AtomicBool,
    wake_queue: Arc<WakeQueue>,
}

impl Registry {
    fn get_or_create_room(&self, event: EventId) -> Arc<Room> {
        let new = || Arc::new(Room::new(Arc::clone(&self.wake_queue)));
        Arc::clone(self.rooms.entry(event).or_insert_with(new).value())
    }

    fn find_room(&self, event: EventId) -> Option<Arc<Room>> {
        self.rooms.get(&event).map(|room| Arc::clone(room.value()))
    }

    /// Attaches a connection with a user's place. `Ok(false)` if the room has moved past the
    /// place's revision: the place must be read again.
    pub(crate) fn attach(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        mailbox: &Arc<Mailbox>,
    ) -> Result<bool, TooManyConnections> {
        let room = self.get_or_create_room(event);
        let remembered = self.remembered_place(event, user);
        let is_current = room.attach(event, user, place, mailbox)?;

        if let Some(remembered) = remembered.filter(|known| known.number == place.number) {
            let position = remembered.last_sent_position;
            room.members.lower_last_sent_position(
                event,
                user,
                remembered.number,
                position,
                mailbox,
            );
        }
        Ok(is_current)
    }

    /// The place to show: its position is no worse than the best that the user's clients know, and
    /// while the queue is being rebuilt, the total is the last known one.
    pub(crate) fn clamp_to_last_sent(&self, event: EventId, user: &UserId, place: Place) -> Place {
        if place.position == 0 {
            return place;
        }

        let room = self.find_room(event);
        let sent_here = room
            .as_ref()
            .and_then(|room| room.members.last_sent_position(user, place.number));
        let remembered = self
            .remembered_place(event, user)
            .filter(|remembered| remembered.number == place.number)
            .map(|remembered| remembered.last_sent_position);
        let best = sent_here
            .into_iter()
            .chain(remembered)
            .chain(place.last_sent_position())
            .min()
            .unwrap_or(u64::MAX);
        let position = place.position.min(best);

        let total = match place.counting {
            true => room
                .and_then(|room| room.view().total)
                .unwrap_or(place.total.min(place.position)),
            false => place.total,
        };
        Place {
            position,
            total: total.max(position),
            ..place
        }
    }

    /// Remembers the place of a user without a connection; a pass ends it.
    pub(crate) fn remember(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        present_until: Timestamp,
        now: Timestamp,
    ) {
        if place.position == 0 {
            self.recent_places.forget(event, user);
        } else {
            self.recent_places
                .record(event, user, place, present_until, now);
        }
    }

    /// A remembered user has asked for their place.
    pub(crate) fn extend_presence(&self, event: EventId, user: &UserId, present_until: Timestamp) {
        self.recent_places
            .extend_presence(event, user, present_until);
    }

    /// Forgets a place that is gone.
    pub(crate) fn forget(&self, event: EventId, user: &UserId) {
        self.recent_places.forget(event, user);
    }

    /// The place that a user had here recently.
    pub(crate) fn remembered_place(
        &self,
        event: EventId,
        user: &UserId,
    ) -> Option<RememberedPlace> {
        self.recent_places.get(event, user)
    }

    /// Remembered users without a connection here whose place belongs to an epoch that was lost.
    pub(crate) fn remembered_users_of_previous_epoch(
        &self,
        event: EventId,
    ) -> Vec<(UserId, RememberedPlace)> {
        let Some(room) = self.find_room(event) else {
            return Vec::new();
        };

        let Some(epoch) = room.epoch() else {
            return Vec::new();
        };

        let mut users = self.recent_places.users_of_previous_epoch(event, &epoch);
        users.retain(|(user, _)| !room.members.contains(user));
        users
    }

    /// Users in the queue, as last known.
    pub(crate) fn total(&self, event: EventId) -> Option<u64> {
        self.find_room(event)?.view().total
    }

    /// Seats that can be reserved, as last known.
    pub(crate) fn seats_left(&self, event: EventId) -> Option<u64> {
        Some(self.find_room(event)?.view().seats_left)
    }

    /// A connection of the user begins to read its place.
    pub(crate) fn begin_attach(&self, event: EventId, user: &UserId) {
        *self
            .pending_attaches
            .lock()
            .entry((event, user.clone()))
            .or_default() += 1;
    }

    /// It is attached, or has failed: calls `on_last` if the user has no connection here then.
    pub(crate) fn finish_attach(&self, event: EventId, user: &UserId, on_last: impl FnOnce()) {
        let mut pending_attaches = self.pending_attaches.lock();
        let key = (event, user.clone());
        if let Some(count) = pending_attaches.get_mut(&key).filter(|count| **count > 1) {
            *count -= 1;
            return;
        }

        pending_attaches.remove(&key);
        if !self
            .find_room(event)
            .is_some_and(|room| room.members.contains(user))
        {
            on_last();
        }
    }

    /// Removes a connection. Calls `on_last` if it was the user's last one on this node and none is
    /// about to be attached. The lock keeps the order: what `on_last` requests comes before the
    /// requests of a later connection.
    pub(crate) fn detach(
        &self,
        event: EventId,
        user: &UserId,
        mailbox: &Arc<Mailbox>,
        now: Timestamp,
        on_last: impl FnOnce(),
    ) {
        let pending_attaches = self.pending_attaches.lock();
        let Some(place) = self
            .find_room(event)
            .and_then(|room| room.members.detach(user, mailbox))
        else {
            return;
        };

        self.remember(event, user, &place, now, now);
        if !pending_attaches.contains_key(&(event, user.clone())) {
            on_last();
        }
    }

    /// Calls `on_last` as [`Registry::detach`] does, if the user has no connection here and none is
    /// about to be attached.
    pub(crate) fn detach_if_gone(&self, event: EventId, user: &UserId, on_last: impl FnOnce()) {
        let pending_attaches = self.pending_attaches.lock();
        let is_here = self
            .find_room(event)
            .is_some_and(|room| room.members.contains(user));
        if !is_here && !pending_attaches.contains_key(&(event, user.clone())) {
            on_last();
        }
    }

    /// Replaces a user's place after a resync. False if it must be read once more.
    pub(crate) fn refresh_place(&self, event: EventId, user: &UserId, place: &Place) -> bool {
        self.find_room(event)
            .is_none_or(|room| room.refresh_place(event, user, place))
    }

    /// Epoch and number of a user who waits here.
    pub(crate) fn ticket(&self, event: EventId, user: &UserId) -> Option<(Epoch, u64)> {
        self.find_room(event)?.members.ticket(user)
    }

    /// The best position of this number that a connected user's clients know.
    pub(crate) fn last_sent_position(
        &self,
        event: EventId,
        user: &UserId,
        number: u64,
    ) -> Option<u64> {
        self.find_room(event)?
            .members
            .last_sent_position(user, number)
    }

    /// The epoch of the event's queue, as last known.
    pub(crate) fn epoch(&self, event: EventId) -> Option<Epoch> {
        self.find_room(event)?.epoch()
    }

    /// Events whose queue is being rebuilt, according to the last message, and whose users of this
    /// node are all restored.
    pub(crate) fn recovered_events(&self) -> Vec<(EventId, Epoch)> {
        let recovered = self.rooms.iter().filter_map(|room| {
            let (event, room) = room.pair();
            let epoch = room.epoch().filter(|_| room.is_counting())?;
            let is_recovered = !room.has_users_of_previous_epoch()
                && !self
                    .recent_places
                    .has_users_of_previous_epoch(*event, &epoch);
            is_recovered.then_some((*event, epoch))
        });

        recovered.collect()
    }

    /// Events whose queue was lost, and whose users of this node are not all restored.
    pub(crate) fn events_to_recover(&self) -> Vec<EventId> {
        let must_recover = |event: &EventId, room: &Room| {
            room.has_users_of_previous_epoch()
                || room.epoch().is_some_and(|epoch| {
                    self.recent_places
                        .has_users_of_previous_epoch(*event, &epoch)
                })
        };

        let rooms = self
            .rooms
            .iter()
            .filter(|room| must_recover(room.key(), room.value()));
        rooms.map(|room| *room.key()).collect()
    }

    /// Delivers each pass to every connection of its user here.
    pub(crate) fn deliver(&self, event: EventId, passes: Vec<(UserId, Grant)>) {
        if let Some(room) = self.find_room(event) {
            passes
                .into_iter()
                .for_each(|(user, grant)| room.members.deliver(event, &user, grant));
        }
    }

    /// Notifies every connection of the user here that a pass or place has ended.
    pub(crate) fn remove_user(&self, event: EventId, user: &UserId, lapse: Removal) {
        if lapse != Removal::Unclaimed {
            self.recent_places.forget(event, user);
        }
        if let Some(room) = self.find_room(event) {
            room.members
                .broadcast(user, |mailbox| mailbox.push_removal(event, lapse));
        }
    }

    /// The engine has no place of this user: notifies a waiting user. A user with a pass has used
    /// it.
    pub(crate) fn place_missing(&self, event: EventId, user: &UserId) {
        if self.ticket(event, user).is_some() {
            self.remove_user(event, user, Removal::Absent);
        }
    }

    /// Claims the resync of an event; false if one is running, which then begins once more.
    pub(crate) fn begin_resync(&self, event: EventId) -> bool {
        self.get_or_create_room(event).resync.begin()
    }

    /// Ends the resync; false if it must begin once more.
    pub(crate) fn end_resync(&self, event: EventId) -> bool {
        self.get_or_create_room(event).resync.end()
    }

    /// Moves the room on by one progress message.
    pub(crate) fn apply_progress(&self, progress: &Progress, now: Timestamp) -> ProgressOutcome {
        self.get_or_create_room(progress.event_id)
            .apply_progress(progress, now)
    }

    /// Rooms that have waited too long for a missing message, and give it up: their users' places
    /// must be read again.
    pub(crate) fn stale_rooms(&self, now: Timestamp) -> Vec<EventId> {
        self.rooms
            .iter()
            .filter(|room| room.value().drop_stale_gap(now))
            .map(|room| *room.key())
            .collect()
    }

    /// Takes over a queue's settings.
    pub(crate) fn apply_settings(&self, event: EventId, settings: &QueueSettings) {
        if let Some(room) = self.find_room(event) {
            room.apply_settings(event, settings);
        }
    }

    /// Sends the state of the sale to a new connection, unless the sale is open without a message.
    pub(crate) fn send_sale_state(&self, event: EventId, mailbox: &Mailbox) {
        let Some(settings) = self.find_room(event).map(|room| room.view().settings) else {
            return;
        };
        if settings.state != SaleState::Open || settings.message.is_some() {
            mailbox.push_sale(event, Arc::new(settings));
        }
    }

    /// The wait to show at this position.
    pub(crate) fn estimate(&self, event: EventId, position: u64, now: Timestamp) -> WaitEstimate {
        self.find_room(event)
            .map(|room| room.view())
            .unwrap_or_default()
            .estimate(position, now)
    }

    /// Has a progress message of this event arrived?
    pub(crate) fn is_event_known(&self, event: EventId) -> bool {
        self.find_room(event).is_some_and(|room| room.is_known())
    }

    /// Events with users here.
    pub(crate) fn active_events(&self) -> Vec<EventId> {
        self.rooms
            .iter()
            .filter(|room| !room.value().members.is_empty())
            .map(|room| *room.key())
            .collect()
    }

    /// The users of an event here.
    pub(crate) fn users(&self, event: EventId) -> Vec<UserId> {
        self.find_room(event)
            .map(|room| room.members.users())
            .unwrap_or_default()
    }

    /// Does a connection wait for [`Registry::wake_batch`]?
    pub(crate) fn has_pending_wakes(&self) -> bool {
        !self.wake_queue.is_empty()
    }

    /// Wakes the next batch of connections with updates that are not urgent.
    pub(crate) fn wake_batch(&self) {
        self.wake_queue.wake_batch();
    }

    pub(crate) fn set_subscribed(&self, subscribed: bool) {
        self.subscribed.store(subscribed, Ordering::Relaxed);
    }

    pub(crate) fn is_subscribed(&self) -> bool {
        self.subscribed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use waitingroom_domain::queue::LastPosition;

    use super::*;

    #[test]
    fn limits_total_to_position_while_counting() {
        let (registry, event) = (Registry::default(), EventId::from(uuid::Uuid::nil()));
        let ann: UserId = "ann".parse().unwrap();
        let epoch = "e1".parse().unwrap();
        let place = Place {
            number: 4,
            epoch,
            position: 4,
            total: 6,
            revision: 0,
            grant: None,
            counting: false,
            last_position: LastPosition::NotSent,
        };

        assert_eq!(
            registry
                .clamp_to_last_sent(event, &ann, place.clone())
                .total,
            6
        );

        let counting = Place {
            counting: true,
            ..place
        };
        assert_eq!(
            registry.clamp_to_last_sent(event, &ann, counting).total,
            4,
            "half of a line is no total"
        );
    }
}
