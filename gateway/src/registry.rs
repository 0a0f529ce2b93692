//! Who is connected here: for each event a room, in it each local user with their connections and
//! projected position.
//!
//! The maps are private and every method works on them and returns, so no guard of theirs can be
//! held across an await.

mod conflation;
mod recent_places;
mod room;

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

use self::{recent_places::RecentPlaces, room::Room};
pub(crate) use self::{
    recent_places::RememberedPlace,
    room::{ProgressOutcome, TooManyConnections},
};
use crate::{
    connection::{mailbox::Mailbox, wake_queue::WakeQueue},
    wait_estimator::WaitEstimate,
};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    rooms: DashMap<EventId, Arc<Room>>,
    /// Users with connections on their way to a place, and how many.
    arriving: Mutex<HashMap<(EventId, UserId), u32>>,
    lately: RecentPlaces,
    hears: AtomicBool,
    waking: Arc<WakeQueue>,
}

impl Registry {
    fn room(&self, event: EventId) -> Arc<Room> {
        let new = || Arc::new(Room::new(Arc::clone(&self.waking)));
        Arc::clone(self.rooms.entry(event).or_insert_with(new).value())
    }

    fn known_room(&self, event: EventId) -> Option<Arc<Room>> {
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
        let (room, seen) = (self.room(event), self.remembered(event, user));
        let is_current = room.attach(event, user, place, mailbox)?;
        if let Some(seen) = seen.filter(|seen| seen.number == place.number) {
            room.told_before(event, user, seen.number, seen.told, mailbox);
        }
        Ok(is_current)
    }

    /// What of a place that was read is told: never a worse position than was told here before, and
    /// while the line is being rebuilt, the total that was known last.
    pub(crate) fn shown(&self, event: EventId, user: &UserId, place: Place) -> Place {
        if place.position == 0 {
            return place;
        }
        let room = self.known_room(event);
        let here = room.as_ref().and_then(|room| room.told(user, place.number));
        let lately = self
            .remembered(event, user)
            .filter(|seen| seen.number == place.number)
            .map(|seen| seen.told);
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
    pub(crate) fn note(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        absent_from: Timestamp,
        now: Timestamp,
    ) {
        if place.position == 0 {
            self.lately.forget(event, user);
        } else {
            self.lately.note(event, user, place, absent_from, now);
        }
    }

    /// Someone who is remembered asks for their place.
    pub(crate) fn touch(&self, event: EventId, user: &UserId, absent_from: Timestamp) {
        self.lately.touch(event, user, absent_from);
    }

    /// The place is gone.
    pub(crate) fn forget(&self, event: EventId, user: &UserId) {
        self.lately.forget(event, user);
    }

    /// What is remembered of a user who had a place here lately.
    pub(crate) fn remembered(&self, event: EventId, user: &UserId) -> Option<RememberedPlace> {
        self.lately.find(event, user)
    }

    /// Who is remembered, has no connection here, and whose line was lost and began anew.
    pub(crate) fn remembered_stranded(&self, event: EventId) -> Vec<(UserId, RememberedPlace)> {
        let Some(room) = self.known_room(event) else {
            return Vec::new();
        };
        let Some(epoch) = room.epoch() else {
            return Vec::new();
        };
        let mut stranded = self.lately.stranded(event, &epoch);
        stranded.retain(|(user, _)| !room.holds(user));
        stranded
    }

    /// Everybody in line, when that was known last.
    pub(crate) fn total(&self, event: EventId) -> Option<u64> {
        self.known_room(event)?.view().total
    }

    /// Seats that can be reserved, where that was heard.
    pub(crate) fn seats_left(&self, event: EventId) -> Option<u64> {
        Some(self.known_room(event)?.view().seats_left)
    }

    /// A connection of the user is on its way to a place.
    pub(crate) fn arrives(&self, event: EventId, user: &UserId) {
        *self
            .arriving
            .lock()
            .entry((event, user.clone()))
            .or_default() += 1;
    }

    /// It is attached, or has failed: then `absent` where the user has no connection here.
    pub(crate) fn arrived(&self, event: EventId, user: &UserId, absent: impl FnOnce()) {
        let mut arriving = self.arriving.lock();
        let key = (event, user.clone());
        if let Some(count) = arriving.get_mut(&key).filter(|count| **count > 1) {
            *count -= 1;
            return;
        }
        arriving.remove(&key);
        if !self.known_room(event).is_some_and(|room| room.holds(user)) {
            absent();
        }
    }

    /// Takes a connection away; `absent` where it was the user's last one here and none is on its
    /// way. What `absent` asks for is asked for before whatever a later arrival asks for.
    pub(crate) fn detach(
        &self,
        event: EventId,
        user: &UserId,
        mailbox: &Arc<Mailbox>,
        now: Timestamp,
        absent: impl FnOnce(),
    ) {
        let arriving = self.arriving.lock(); // nobody arrives between the look and `absent`
        let Some(place) = self
            .known_room(event)
            .and_then(|room| room.detach(user, mailbox))
        else {
            return;
        };
        self.note(event, user, &place, now, now);
        if !arriving.contains_key(&(event, user.clone())) {
            absent();
        }
    }

    /// Has the user neither a connection here nor one on its way? Then `absent`, as in
    /// [`Registry::detach`].
    pub(crate) fn unless_here(&self, event: EventId, user: &UserId, absent: impl FnOnce()) {
        let arriving = self.arriving.lock();
        let is_here = self.known_room(event).is_some_and(|room| room.holds(user));
        if !is_here && !arriving.contains_key(&(event, user.clone())) {
            absent();
        }
    }

    /// Replaces what is known of a user's place, after a resync. False where it has to be read once
    /// more.
    pub(crate) fn refresh(&self, event: EventId, user: &UserId, place: &Place) -> bool {
        self.known_room(event)
            .is_none_or(|room| room.refresh(event, user, place))
    }

    /// Line and number of a user who waits here.
    pub(crate) fn ticket(&self, event: EventId, user: &UserId) -> Option<(Epoch, u64)> {
        self.known_room(event)?.ticket(user)
    }

    /// The position of this number that a user with a connection here was told last.
    pub(crate) fn told(&self, event: EventId, user: &UserId, number: u64) -> Option<u64> {
        self.known_room(event)?.told(user, number)
    }

    /// Which incarnation of the event's line is known here.
    pub(crate) fn epoch(&self, event: EventId) -> Option<Epoch> {
        self.known_room(event)?.epoch()
    }

    /// Events whose line is being rebuilt, as far as was heard, and whose users here are all back
    /// in it.
    pub(crate) fn gathered_events(&self) -> Vec<(EventId, Epoch)> {
        let gathered = self.rooms.iter().filter_map(|room| {
            let (event, room) = room.pair();
            let epoch = room.epoch().filter(|_| room.is_counting())?;
            let is_gathered = !room.has_stranded() && !self.lately.has_stranded(*event, &epoch);
            is_gathered.then_some((*event, epoch))
        });
        gathered.collect()
    }

    /// Events whose line was lost and began anew, and whose users here are not all back.
    pub(crate) fn stranded_events(&self) -> Vec<EventId> {
        let is_stranded = |event: &EventId, room: &Room| {
            room.has_stranded()
                || room
                    .epoch()
                    .is_some_and(|epoch| self.lately.has_stranded(*event, &epoch))
        };
        let stranded = self
            .rooms
            .iter()
            .filter(|room| is_stranded(room.key(), room.value()));
        stranded.map(|room| *room.key()).collect()
    }

    /// Hands each pass to every connection of its user here.
    pub(crate) fn deliver(&self, event: EventId, passes: Vec<(UserId, Grant)>) {
        if let Some(room) = self.known_room(event) {
            passes
                .into_iter()
                .for_each(|(user, grant)| room.deliver(event, &user, grant));
        }
    }

    /// Tells every connection of the user here that a pass or place ended.
    pub(crate) fn lapse(&self, event: EventId, user: &UserId, lapse: Lapse) {
        if lapse != Lapse::Unclaimed {
            self.lately.forget(event, user);
        }
        if let Some(room) = self.known_room(event) {
            room.tell(user, |mailbox| mailbox.put_lapse(event, lapse));
        }
    }

    /// The engine knows of no place of this user: tells whoever waits. Who held a pass has used it.
    pub(crate) fn lost(&self, event: EventId, user: &UserId) {
        if self.ticket(event, user).is_some() {
            self.lapse(event, user, Lapse::Absent);
        }
    }

    /// Claims the reading of everybody's place; false where it is under way, and will begin once
    /// more.
    pub(crate) fn begin_resync(&self, event: EventId) -> bool {
        self.room(event).begin_resync()
    }

    /// The reading is done; false where it has to begin once more.
    pub(crate) fn end_resync(&self, event: EventId) -> bool {
        self.room(event).end_resync()
    }

    /// Moves the room on by one progress message.
    pub(crate) fn progress(&self, progress: &Progress, now: Timestamp) -> ProgressOutcome {
        self.room(progress.event_id).progress(progress, now)
    }

    /// Rooms that wait for a lost message for too long: their users' places must be read again.
    pub(crate) fn overdue(&self, now: Timestamp) -> Vec<EventId> {
        self.rooms
            .iter()
            .filter(|room| room.value().is_overdue(now))
            .map(|room| *room.key())
            .collect()
    }

    /// A sale's settings changed.
    pub(crate) fn sale(&self, event: EventId, settings: &QueueSettings) {
        if let Some(room) = self.known_room(event) {
            room.settings(event, settings);
        }
    }

    /// Tells a new connection how the sale stands, unless it stands as usual.
    pub(crate) fn greet(&self, event: EventId, mailbox: &Mailbox) {
        let Some(settings) = self.known_room(event).map(|room| room.view().settings) else {
            return;
        };
        if settings.state != SaleState::Open || settings.message.is_some() {
            mailbox.put_sale(event, Arc::new(settings));
        }
    }

    /// What to tell of the wait from this position.
    pub(crate) fn estimate(&self, event: EventId, position: u64, now: Timestamp) -> WaitEstimate {
        self.known_room(event)
            .map(|room| room.view())
            .unwrap_or_default()
            .estimate(position, now)
    }

    /// Has this event's line been heard of?
    pub(crate) fn knows(&self, event: EventId) -> bool {
        self.known_room(event).is_some_and(|room| room.is_known())
    }

    /// Events with users here.
    pub(crate) fn events(&self) -> Vec<EventId> {
        self.rooms
            .iter()
            .filter(|room| !room.value().is_empty())
            .map(|room| *room.key())
            .collect()
    }

    /// The users of an event here.
    pub(crate) fn users(&self, event: EventId) -> Vec<UserId> {
        self.known_room(event)
            .map(|room| room.users())
            .unwrap_or_default()
    }

    /// Is anybody to be woken by [`Registry::wake_some`]?
    pub(crate) fn wakes(&self) -> bool {
        !self.waking.is_empty()
    }

    /// Wakes the next few whose news could wait.
    pub(crate) fn wake_some(&self) {
        self.waking.wake_some();
    }

    pub(crate) fn set_hears(&self, hears: bool) {
        self.hears.store(hears, Ordering::Relaxed);
    }

    pub(crate) fn hears(&self) -> bool {
        self.hears.load(Ordering::Relaxed)
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
        assert_eq!(registry.shown(event, &ann, place.clone()).total, 6);
        let counting = Place {
            counting: true,
            ..place
        };
        assert_eq!(
            registry.shown(event, &ann, counting).total,
            4,
            "half of a line is no total"
        );
    }
}
