//! Who is connected here: for each event a room, in it each local user with their connections and projected position.
//!
//! The maps are private and every method works on them and returns, so no guard of theirs can be held across an await.

mod conflation;
pub(crate) mod pace;
mod room;
mod slot;
mod waking;

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
    pace::Estimate,
    room::{Applied, TooManyConnections},
    slot::{Due, News, PositionNews, Slot, Unacknowledged},
};
use self::{room::Room, waking::Waking};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    rooms: DashMap<EventId, Arc<Room>>,
    /// Users with connections on their way to a place, and how many.
    arriving: Mutex<HashMap<(EventId, UserId), u32>>,
    hears: AtomicBool,
    waking: Arc<Waking>,
}

impl Registry {
    fn room(&self, event: EventId) -> Arc<Room> {
        let new = || Arc::new(Room::new(Arc::clone(&self.waking)));
        Arc::clone(self.rooms.entry(event).or_insert_with(new).value())
    }

    fn known_room(&self, event: EventId) -> Option<Arc<Room>> {
        self.rooms.get(&event).map(|room| Arc::clone(room.value()))
    }

    /// Registers a connection for a user's place. `Ok(false)` where the room has moved past the place's revision: the place
    /// must be read again.
    pub(crate) fn attach(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        slot: &Arc<Slot>,
    ) -> Result<bool, TooManyConnections> {
        self.room(event).attach(event, user, place, slot)
    }

    /// A connection of the user is on its way to a place.
    pub(crate) fn arrives(&self, event: EventId, user: &UserId) {
        *self.arriving.lock().entry((event, user.clone())).or_default() += 1;
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

    /// Takes a connection away; `absent` where it was the user's last one here and none is on its way. What `absent` asks for
    /// is asked for before whatever a later arrival asks for.
    pub(crate) fn detach(&self, event: EventId, user: &UserId, slot: &Arc<Slot>, absent: impl FnOnce()) {
        let arriving = self.arriving.lock(); // nobody arrives between the look and `absent`
        let last = self.known_room(event).is_some_and(|room| room.detach(user, slot));
        if last && !arriving.contains_key(&(event, user.clone())) {
            absent();
        }
    }

    /// Replaces what is known of a user's place, after a resync.
    pub(crate) fn refresh(&self, event: EventId, user: &UserId, place: &Place) {
        if let Some(room) = self.known_room(event) {
            room.refresh(user, place);
        }
    }

    /// Line and number of a user whose line was lost and began anew.
    pub(crate) fn stranded(&self, event: EventId, user: &UserId) -> Option<(Epoch, u64)> {
        self.known_room(event)?.stranded(user)
    }

    /// Line and number of a user who waits here.
    pub(crate) fn ticket(&self, event: EventId, user: &UserId) -> Option<(Epoch, u64)> {
        self.known_room(event)?.ticket(user)
    }

    /// Events whose line was lost and began anew, and whose users here are not all back.
    pub(crate) fn stranded_events(&self) -> Vec<EventId> {
        self.rooms.iter().filter(|room| room.value().has_stranded()).map(|room| *room.key()).collect()
    }

    /// Hands each pass to every connection of its user here.
    pub(crate) fn deliver(&self, event: EventId, passes: Vec<(UserId, Grant)>) {
        if let Some(room) = self.known_room(event) {
            passes.into_iter().for_each(|(user, grant)| room.deliver(event, &user, grant));
        }
    }

    /// Tells every connection of the user here that a pass or place ended.
    pub(crate) fn lapse(&self, event: EventId, user: &UserId, lapse: Lapse) {
        if let Some(room) = self.known_room(event) {
            room.tell(user, |slot| slot.put_lapse(event, lapse));
        }
    }

    /// The engine knows of no place of this user: tells whoever waits. Who held a pass has used it.
    pub(crate) fn lost(&self, event: EventId, user: &UserId) {
        if self.ticket(event, user).is_some() {
            self.lapse(event, user, Lapse::Absent);
        }
    }

    /// Claims the reading of everybody's place; false where it is under way, and will begin once more.
    pub(crate) fn begin_resync(&self, event: EventId) -> bool {
        self.room(event).begin_resync()
    }

    /// The reading is done; false where it has to begin once more.
    pub(crate) fn end_resync(&self, event: EventId) -> bool {
        self.room(event).end_resync()
    }

    /// Moves the room on by one progress message.
    pub(crate) fn progress(&self, progress: &Progress, now: Timestamp) -> Applied {
        self.room(progress.event_id).progress(progress, now)
    }

    /// Rooms that wait for a lost message for too long: their users' places must be read again.
    pub(crate) fn overdue(&self, now: Timestamp) -> Vec<EventId> {
        self.rooms.iter().filter(|room| room.value().is_overdue(now)).map(|room| *room.key()).collect()
    }

    /// A sale's settings changed.
    pub(crate) fn sale(&self, event: EventId, settings: &QueueSettings) {
        if let Some(room) = self.known_room(event) {
            room.settings(event, settings);
        }
    }

    /// Tells a new connection how the sale stands, unless it stands as usual.
    pub(crate) fn greet(&self, event: EventId, slot: &Slot) {
        let Some(settings) = self.known_room(event).map(|room| room.view().settings) else { return };
        if settings.state != SaleState::Open || settings.message.is_some() {
            slot.put_sale(event, Arc::new(settings));
        }
    }

    /// What to tell of the wait from this position.
    pub(crate) fn estimate(&self, event: EventId, position: u64, now: Timestamp) -> Estimate {
        self.known_room(event).map(|room| room.view()).unwrap_or_default().estimate(position, now)
    }

    /// Has this event's line been heard of?
    pub(crate) fn knows(&self, event: EventId) -> bool {
        self.known_room(event).is_some_and(|room| room.is_known())
    }

    /// Events with users here.
    pub(crate) fn events(&self) -> Vec<EventId> {
        self.rooms.iter().filter(|room| !room.value().is_empty()).map(|room| *room.key()).collect()
    }

    /// The users of an event here.
    pub(crate) fn users(&self, event: EventId) -> Vec<UserId> {
        self.known_room(event).map(|room| room.users()).unwrap_or_default()
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
