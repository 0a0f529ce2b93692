//! A bounded number of connections. Where all places are taken, a connection that says nothing
//! gives way to a newcomer.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A connection that has asked is left alone for this long after its answer, the end of which may
/// still be on its way.
const AT_REST: Duration = Duration::from_secs(2);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Room {
    max: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    open: usize,
    next: u64,
    /// Connections that may give way, in the order in which they do.
    quiet: BTreeMap<Key, Arc<Notify>>,
}

/// Who has never asked gives way before who has, the longest silence first.
type Key = (Quiet, Instant, u64);

/// In which way a connection says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Quiet {
    /// It has never asked for anything.
    Silent,
    /// It stands between two requests.
    Idle,
}

impl Quiet {
    fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Idle => "idle",
        }
    }
}

/// One connection's place in the room; free again when it is dropped, or when the connection gives
/// way.
#[derive(Debug)]
pub(super) struct Seat {
    room: Arc<Room>,
    number: u64,
    leave: Arc<Notify>,
    standing: Mutex<Standing>,
}

#[derive(Debug)]
enum Standing {
    /// It stands in `quiet` under this key, unless it has given way.
    Quiet(Key),
    /// It is being answered, or is a socket or a stream: it never gives way.
    Busy,
    Gone,
}

impl Room {
    /// A room for so many connections.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            inside: Mutex::default(),
        })
    }

    /// A place for a connection that has said nothing yet. Nothing where every place is taken by
    /// one that does not give way.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Seat> {
        let now = Instant::now();
        let leave = Arc::new(Notify::new());
        let mut inside = self.inside.lock();
        if inside.open >= self.max {
            inside.dismiss(now)?;
        }
        inside.open += 1;
        inside.next += 1;
        let number = inside.next;
        let key = (Quiet::Silent, now, number);
        inside.quiet.insert(key, Arc::clone(&leave));
        drop(inside);
        Some(Seat {
            room: Arc::clone(self),
            number,
            leave,
            standing: Mutex::new(Standing::Quiet(key)),
        })
    }

    /// Makes the connection leave that gives way first, if there is one: its descriptor is needed.
    pub(super) fn dismiss_one(&self) -> bool {
        self.inside.lock().dismiss(Instant::now()).is_some()
    }

    /// Are nine of ten places taken?
    pub(super) fn is_crowded(&self) -> bool {
        self.open() >= self.max - self.max / 10
    }

    /// How many places are taken.
    pub(super) fn open(&self) -> usize {
        self.inside.lock().open
    }
}

impl Inside {
    fn dismiss(&mut self, now: Instant) -> Option<()> {
        let first = self.quiet.first_entry()?;
        let (quiet, since, _) = *first.key();
        if quiet == Quiet::Idle && now.saturating_duration_since(since) < AT_REST {
            return None;
        }
        first.remove().notify_one();
        self.open -= 1;
        metrics::counter!("stanchion_connections_evicted_total", "reason" => quiet.as_str())
            .increment(1);
        Some(())
    }
}

impl Seat {
    /// The connection asks for something. False where it has just given way.
    pub(super) fn asks(&self) -> bool {
        let mut standing = self.standing.lock();
        if let Standing::Quiet(key) = *standing {
            let stayed = self.room.inside.lock().quiet.remove(&key).is_some();
            *standing = if stayed {
                Standing::Busy
            } else {
                Standing::Gone
            };
        }
        !matches!(*standing, Standing::Gone)
    }

    /// The connection has been answered.
    pub(super) fn rests(&self) {
        let mut standing = self.standing.lock();
        if matches!(*standing, Standing::Busy) {
            let key = (Quiet::Idle, Instant::now(), self.number);
            self.room
                .inside
                .lock()
                .quiet
                .insert(key, Arc::clone(&self.leave));
            *standing = Standing::Quiet(key);
        }
    }

    /// Returns when the connection has to give way.
    pub(super) async fn given_up(&self) {
        self.leave.notified().await;
    }

    /// Is there little room left?
    pub(super) fn is_crowded(&self) -> bool {
        self.room.is_crowded()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inside = self.room.inside.lock();
        let stayed = match *self.standing.get_mut() {
            Standing::Quiet(key) => inside.quiet.remove(&key).is_some(),
            Standing::Busy => true,
            Standing::Gone => false,
        };
        if stayed {
            inside.open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_longest_silence_gives_way_and_who_is_answered_never_does() {
        let room = Room::new(3);
        let (first, second, busy) = (
            room.enter().unwrap(),
            room.enter().unwrap(),
            room.enter().unwrap(),
        );
        assert!(busy.asks() && room.is_crowded());
        let third = room.enter().unwrap();
        assert!(
            first.given_up().now_or_never().is_some() && second.given_up().now_or_never().is_none()
        );
        assert!(!first.asks(), "its place is another's");
        assert!(second.asks() && third.asks());
        assert!(room.enter().is_none(), "all are busy");
        assert_eq!(room.open(), 3);
        drop(first);
        assert_eq!(room.open(), 3, "what gave way is not counted twice");
        drop((second, third, busy));
        assert_eq!(room.open(), 0);
    }

    #[test]
    fn who_was_just_answered_is_left_alone_for_a_while() {
        let room = Room::new(1);
        let seat = room.enter().unwrap();
        assert!(seat.asks());
        seat.rests();
        assert!(room.enter().is_none());
        let later = Instant::now() + AT_REST;
        assert!(room.inside.lock().dismiss(later).is_some());
        assert!(!seat.asks() && room.open() == 0);
    }

    #[test]
    fn silence_gives_way_before_rest() {
        let room = Room::new(2);
        let (asked, silent) = (room.enter().unwrap(), room.enter().unwrap());
        assert!(asked.asks());
        asked.rests();
        assert!(
            room.inside
                .lock()
                .dismiss(Instant::now() + AT_REST)
                .is_some()
        );
        assert!(asked.asks() && !silent.asks());
    }
}
