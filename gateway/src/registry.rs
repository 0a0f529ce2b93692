//! Who is connected here: for each event a room, in it each local user with their connections and
//! projected position.
//!
//! The maps are private and every method works on them and returns, so no guard of theirs can be
//! held across an await.

mod conflation;
mod local_user;
mod progress_buffer;
mod recent_places;
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
use waitingroom::{
    clock::Timestamp,
    ids::{Epoch, EventId, UserId},
    line::{Grant, Lapse, Place, Progress, QueueSettings, SaleState},
};

pub(crate) use self::{
    progress_buffer::ProgressOutcome, recent_places::RememberedPlace, room::TooManyConnections,
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
    /// Users with connections on their way to a place, and how many.
    pending_attaches: Mutex<HashMap<(EventId, UserId), u32>>,
    recent_places: RecentPlaces,
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

    /// Registers a connection for a user's place. `Ok(false)` where the room has moved past the
    /// place's revision: the place must be read again.
    pub(crate) fn attach(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        mailbox: &Arc<Mailbox>,
    ) -> Result<bool, TooManyConnections> {
        let (room, seen) = (
            self.get_or_create_room(event),
            self.remembered_place(event, user),
        );
        let is_current = room.attach(event, user, place, mailbox)?;
        if let Some(seen) = seen.filter(|seen| seen.number == place.number) {
            room.lower_last_sent_position(
                event,
                user,
                seen.number,
                seen.last_sent_position,
                mailbox,
            );
        }
        Ok(is_current)
    }

    /// What of a place that was read is told: never a worse position than was told here before, and
    /// while the line is being rebuilt, the total that was known last.
    pub(crate) fn clamp_to_last_sent(&self, event: EventId, user: &UserId, place: Place) -> Place {
        if place.position == 0 {
            return place;
        }
        let room = self.find_room(event);
        let here = room
            .as_ref()
            .and_then(|room| room.last_sent_position(user, place.number));
        let lately = self
            .remembered_place(event, user)
            .filter(|seen| seen.number == place.number)
            .map(|seen| seen.last_sent_position);
        let told = here
            .into_iter()
            .chain(lately)
            .chain(place.told_before())
            .min()
            .unwrap_or(u64::MAX);
        let position = place.position.min(told);
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

    /// Remembers a place that was told without a connection; a pass ends it.
    pub(crate) fn remember(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        absent_from: Timestamp,
        now: Timestamp,
    ) {
        if place.position == 0 {
            self.recent_places.forget(event, user);
        } else {
            self.recent_places
                .record(event, user, place, absent_from, now);
        }
    }

    /// Someone who is remembered asks for their place.
    pub(crate) fn extend_presence(&self, event: EventId, user: &UserId, absent_from: Timestamp) {
        self.recent_places.extend_presence(event, user, absent_from);
    }

    /// The place is gone.
    pub(crate) fn forget(&self, event: EventId, user: &UserId) {
        self.recent_places.forget(event, user);
    }

    /// What is remembered of a user who had a place here lately.
    pub(crate) fn remembered_place(
        &self,
        event: EventId,
        user: &UserId,
    ) -> Option<RememberedPlace> {
        self.recent_places.get(event, user)
    }

    /// Who is remembered, has no connection here, and whose line was lost and began anew.
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
        let mut stranded = self.recent_places.users_of_previous_epoch(event, &epoch);
        stranded.retain(|(user, _)| !room.contains(user));
        stranded
    }

    /// Everybody in line, when that was known last.
    pub(crate) fn total(&self, event: EventId) -> Option<u64> {
        self.find_room(event)?.view().total
    }

    /// Seats that can be reserved, where that was heard.
    pub(crate) fn seats_left(&self, event: EventId) -> Option<u64> {
        Some(self.find_room(event)?.view().seats_left)
    }

    /// A connection of the user is on its way to a place.
    pub(crate) fn begin_attach(&self, event: EventId, user: &UserId) {
        *self
            .pending_attaches
            .lock()
            .entry((event, user.clone()))
            .or_default() += 1;
    }

    /// It is attached, or has failed: then `on_last` where the user has no connection here.
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
            .is_some_and(|room| room.contains(user))
        {
            on_last();
        }
    }

    /// Takes a connection away; `on_last` where it was the user's last one here and none is on its
    /// way. What `on_last` asks for is asked for before whatever a later arrival asks for.
    pub(crate) fn detach(
        &self,
        event: EventId,
        user: &UserId,
        mailbox: &Arc<Mailbox>,
        now: Timestamp,
        on_last: impl FnOnce(),
    ) {
        let pending_attaches = self.pending_attaches.lock(); // nobody arrives between the look and `on_last`
        let Some(place) = self
            .find_room(event)
            .and_then(|room| room.detach(user, mailbox))
        else {
            return;
        };
        self.remember(event, user, &place, now, now);
        if !pending_attaches.contains_key(&(event, user.clone())) {
            on_last();
        }
    }

    /// Has the user neither a connection here nor one on its way? Then `on_last`, as in
    /// [`Registry::detach`].
    pub(crate) fn detach_if_gone(&self, event: EventId, user: &UserId, on_last: impl FnOnce()) {
        let pending_attaches = self.pending_attaches.lock();
        let is_here = self
            .find_room(event)
            .is_some_and(|room| room.contains(user));
        if !is_here && !pending_attaches.contains_key(&(event, user.clone())) {
            on_last();
        }
    }

    /// Replaces what is known of a user's place, after a resync. False where it has to be read once
    /// more.
    pub(crate) fn refresh_place(&self, event: EventId, user: &UserId, place: &Place) -> bool {
        self.find_room(event)
            .is_none_or(|room| room.refresh_place(event, user, place))
    }

    /// Line and number of a user who waits here.
    pub(crate) fn ticket(&self, event: EventId, user: &UserId) -> Option<(Epoch, u64)> {
        self.find_room(event)?.ticket(user)
    }

    /// The position of this number that a user with a connection here was told last.
    pub(crate) fn last_sent_position(
        &self,
        event: EventId,
        user: &UserId,
        number: u64,
    ) -> Option<u64> {
        self.find_room(event)?.last_sent_position(user, number)
    }

    /// Which incarnation of the event's line is known here.
    pub(crate) fn epoch(&self, event: EventId) -> Option<Epoch> {
        self.find_room(event)?.epoch()
    }

    /// Events whose line is being rebuilt, as far as was heard, and whose users here are all back
    /// in it.
    pub(crate) fn recovered_events(&self) -> Vec<(EventId, Epoch)> {
        let gathered = self.rooms.iter().filter_map(|room| {
            let (event, room) = room.pair();
            let epoch = room.epoch().filter(|_| room.is_counting())?;
            let is_gathered = !room.has_users_of_previous_epoch()
                && !self
                    .recent_places
                    .has_users_of_previous_epoch(*event, &epoch);
            is_gathered.then_some((*event, epoch))
        });
        gathered.collect()
    }

    /// Events whose line was lost and began anew, and whose users here are not all back.
    pub(crate) fn events_to_recover(&self) -> Vec<EventId> {
        let is_stranded = |event: &EventId, room: &Room| {
            room.has_users_of_previous_epoch()
                || room.epoch().is_some_and(|epoch| {
                    self.recent_places
                        .has_users_of_previous_epoch(*event, &epoch)
                })
        };
        let stranded = self
            .rooms
            .iter()
            .filter(|room| is_stranded(room.key(), room.value()));
        stranded.map(|room| *room.key()).collect()
    }

    /// Hands each pass to every connection of its user here.
    pub(crate) fn deliver(&self, event: EventId, passes: Vec<(UserId, Grant)>) {
        if let Some(room) = self.find_room(event) {
            passes
                .into_iter()
                .for_each(|(user, grant)| room.deliver(event, &user, grant));
        }
    }

    /// Tells every connection of the user here that a pass or place ended.
    pub(crate) fn remove_user(&self, event: EventId, user: &UserId, lapse: Lapse) {
        if lapse != Lapse::Unclaimed {
            self.recent_places.forget(event, user);
        }
        if let Some(room) = self.find_room(event) {
            room.broadcast(user, |mailbox| mailbox.push_removal(event, lapse));
        }
    }

    /// The engine knows of no place of this user: tells whoever waits. Who held a pass has used it.
    pub(crate) fn place_missing(&self, event: EventId, user: &UserId) {
        if self.ticket(event, user).is_some() {
            self.remove_user(event, user, Lapse::Absent);
        }
    }

    /// Claims the reading of everybody's place; false where it is under way, and will begin once
    /// more.
    pub(crate) fn begin_resync(&self, event: EventId) -> bool {
        self.get_or_create_room(event).begin_resync()
    }

    /// The reading is done; false where it has to begin once more.
    pub(crate) fn end_resync(&self, event: EventId) -> bool {
        self.get_or_create_room(event).end_resync()
    }

    /// Moves the room on by one progress message.
    pub(crate) fn apply_progress(&self, progress: &Progress, now: Timestamp) -> ProgressOutcome {
        self.get_or_create_room(progress.event_id)
            .apply_progress(progress, now)
    }

    /// Rooms that wait for a lost message for too long: their users' places must be read again.
    pub(crate) fn stale_rooms(&self, now: Timestamp) -> Vec<EventId> {
        self.rooms
            .iter()
            .filter(|room| room.value().drop_stale_gap(now))
            .map(|room| *room.key())
            .collect()
    }

    /// A sale's settings changed.
    pub(crate) fn apply_settings(&self, event: EventId, settings: &QueueSettings) {
        if let Some(room) = self.find_room(event) {
            room.apply_settings(event, settings);
        }
    }

    /// Tells a new connection how the sale stands, unless it stands as usual.
    pub(crate) fn send_sale_state(&self, event: EventId, mailbox: &Mailbox) {
        let Some(settings) = self.find_room(event).map(|room| room.view().settings) else {
            return;
        };
        if settings.state != SaleState::Open || settings.message.is_some() {
            mailbox.push_sale(event, Arc::new(settings));
        }
    }

    /// What to tell of the wait from this position.
    pub(crate) fn estimate(&self, event: EventId, position: u64, now: Timestamp) -> WaitEstimate {
        self.find_room(event)
            .map(|room| room.view())
            .unwrap_or_default()
            .estimate(position, now)
    }

    /// Has this event's line been heard of?
    pub(crate) fn is_event_known(&self, event: EventId) -> bool {
        self.find_room(event).is_some_and(|room| room.is_known())
    }

    /// Events with users here.
    pub(crate) fn active_events(&self) -> Vec<EventId> {
        self.rooms
            .iter()
            .filter(|room| !room.value().is_empty())
            .map(|room| *room.key())
            .collect()
    }

    /// The users of an event here.
    pub(crate) fn users(&self, event: EventId) -> Vec<UserId> {
        self.find_room(event)
            .map(|room| room.users())
            .unwrap_or_default()
    }

    /// Is anybody to be woken by [`Registry::wake_some`]?
    pub(crate) fn has_pending_wakes(&self) -> bool {
        !self.wake_queue.is_empty()
    }

    /// Wakes the next few whose news could wait.
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
    use waitingroom::line::Told;

    use super::*;

    #[test]
    fn those_behind_are_counted_unless_the_line_is_being_counted() {
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
            told: Told::Nothing,
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
