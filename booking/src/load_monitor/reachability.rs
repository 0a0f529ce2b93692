//! Whom the last probe found: the database, and each line in the engine. A probe may fail because
//! everybody else has the connections, so whoever was answered meanwhile counts for more.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use waitingroom::ids::EventId;

/// Who has not been heard of for so long is not believed to be there: this process may have stood
/// still, and not have asked.
const STALE: Duration = Duration::from_secs(3);

/// Can the database be written?
#[derive(Debug)]
pub(super) struct DatabaseReachability(Mutex<DatabaseState>);

#[derive(Debug)]
struct DatabaseState {
    is_away: bool,
    /// When the last probe began, and whether a reservation was stored since.
    asked: Instant,
    has_stored: bool,
    /// When the last probe began that was answered well.
    wrote: Option<Instant>,
    /// When it was last known to be there.
    seen: Instant,
}

impl DatabaseReachability {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(DatabaseState {
            is_away: false,
            asked: now,
            has_stored: false,
            wrote: None,
            seen: now,
        }))
    }

    pub(super) fn ask(&self, now: Instant) {
        let mut known = self.0.lock();
        (known.asked, known.has_stored) = (now, false);
    }

    pub(super) fn answered(&self, answered: bool, now: Instant) {
        let mut known = self.0.lock();
        known.is_away = !answered && !known.has_stored;
        if answered {
            known.wrote = Some(known.asked);
        }
        if !known.is_away {
            known.seen = now;
        }
    }

    pub(super) fn stored(&self) {
        self.0.lock().has_stored = true;
    }

    pub(super) fn is_away(&self, now: Instant) -> bool {
        let known = self.0.lock();
        known.is_away || now.saturating_duration_since(known.seen) > STALE
    }

    pub(super) fn wrote_within(&self, span: Duration, now: Instant) -> bool {
        self.0
            .lock()
            .wrote
            .is_some_and(|wrote| now.saturating_duration_since(wrote) < span)
    }
}

/// Which lines answer? Each by itself: of a Redis Cluster, a part may be away.
#[derive(Debug, Default)]
pub(crate) struct QueueReachability(Mutex<QueueStates>);

#[derive(Debug, Default)]
struct QueueStates {
    silent: HashSet<EventId>,
    /// How many there are.
    all: usize,
    /// When a line last answered a reservation. Bounded by the catalogue.
    latest: HashMap<EventId, Instant>,
}

impl QueueReachability {
    /// Every line, when it was asked, and whether it answered.
    pub(super) fn answered(&self, answers: impl Iterator<Item = (EventId, Instant, bool)>) {
        let mut heard = self.0.lock();
        (heard.all, heard.silent) = (0, HashSet::new());
        for (event, asked, answered) in answers {
            heard.all += 1;
            if !answered
                && heard
                    .latest
                    .get(&event)
                    .is_none_or(|latest| *latest < asked)
            {
                heard.silent.insert(event);
            }
        }
    }

    /// A line has answered a reservation.
    pub(crate) fn heard(&self, event: EventId, now: Instant) {
        self.0.lock().latest.insert(event, now);
    }

    pub(crate) fn is_silent(&self, event: EventId) -> bool {
        self.0.lock().silent.contains(&event)
    }

    /// There are lines, and none answers.
    pub(crate) fn are_all_silent(&self) -> bool {
        let heard = self.0.lock();
        heard.all > 0 && heard.silent.len() == heard.all
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_database_is_away_when_a_probe_failed_and_nobody_was_stored_meanwhile() {
        let start = Instant::now();
        let presence = DatabaseReachability::new(start);
        let is_away = |stored: bool, answered: bool| {
            presence.ask(start);
            if stored {
                presence.stored();
            }
            presence.answered(answered, start);
            presence.is_away(start)
        };
        assert_eq!(
            [(true, false), (false, false), (false, true)].map(|(s, a)| is_away(s, a)),
            [false, true, false]
        );
    }

    #[test]
    fn who_stood_still_knows_nothing_until_it_has_asked() {
        let start = Instant::now();
        let presence = DatabaseReachability::new(start);
        presence.ask(start);
        presence.answered(true, start + 10 * MS);
        assert!(
            presence.wrote_within(2_000 * MS, start + 1_900 * MS)
                && !presence.is_away(start + 1_900 * MS)
        );
        let woken = start + 10_000 * MS;
        assert!(presence.is_away(woken) && !presence.wrote_within(2_000 * MS, woken));
        presence.ask(woken);
        presence.answered(true, woken);
        assert!(!presence.is_away(woken) && presence.wrote_within(2_000 * MS, woken));
        presence.ask(woken);
        presence.stored();
        presence.answered(false, woken);
        assert!(
            !presence.wrote_within(2_000 * MS, woken + 2_000 * MS),
            "who stores has not shown what it knows of outages"
        );
    }

    #[test]
    fn lines_are_silent_each_by_itself_and_a_reservation_that_was_answered_counts_for_more() {
        let ([one, other], start) = (
            [1, 2].map(|id| EventId::from(Uuid::from_u128(id))),
            Instant::now(),
        );
        let lines = QueueReachability::default();
        assert!(!lines.are_all_silent(), "there are none");
        lines.answered([(one, start, false), (other, start, true)].into_iter());
        assert_eq!(
            (
                lines.is_silent(one),
                lines.is_silent(other),
                lines.are_all_silent()
            ),
            (true, false, false)
        );
        lines.answered([(one, start, false), (other, start, false)].into_iter());
        assert!(lines.are_all_silent());
        lines.heard(one, start + MS);
        lines.answered([(one, start, false), (other, start, false)].into_iter());
        assert!(!lines.is_silent(one));
    }
}
