//! Which backends the last probe reached: the database, and each queue in the engine. A probe may
//! fail because requests have taken all connections, so a request that was answered since then
//! counts for more.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use waitingroom_domain::ids::EventId;

/// A database that was not reached for this long counts as down: this process may have stood still
/// and not have probed it.
const PROBE_STALE_AFTER: Duration = Duration::from_secs(3);

/// Whether the database can be written.
#[derive(Debug)]
pub(super) struct DatabaseReachability(Mutex<DatabaseState>);

#[derive(Debug)]
struct DatabaseState {
    is_down: bool,
    /// When the last probe began.
    probed_at: Instant,
    /// A reservation was stored since then.
    has_stored: bool,
    /// When the last successful probe began.
    wrote_at: Option<Instant>,
    /// When the database was last known to be up.
    seen_at: Instant,
}

impl DatabaseReachability {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(DatabaseState {
            is_down: false,
            probed_at: now,
            has_stored: false,
            wrote_at: None,
            seen_at: now,
        }))
    }

    pub(super) fn probe_started(&self, now: Instant) {
        let mut state = self.0.lock();
        state.probed_at = now;
        state.has_stored = false;
    }

    pub(super) fn probe_finished(&self, answered: bool, now: Instant) {
        let mut state = self.0.lock();
        state.is_down = !answered && !state.has_stored;
        if answered {
            state.wrote_at = Some(state.probed_at);
        }
        if !state.is_down {
            state.seen_at = now;
        }
    }

    pub(super) fn write_succeeded(&self) {
        self.0.lock().has_stored = true;
    }

    pub(super) fn is_down(&self, now: Instant) -> bool {
        let state = self.0.lock();
        state.is_down || now.saturating_duration_since(state.seen_at) > PROBE_STALE_AFTER
    }

    pub(super) fn wrote_within(&self, span: Duration, now: Instant) -> bool {
        self.0
            .lock()
            .wrote_at
            .is_some_and(|wrote_at| now.saturating_duration_since(wrote_at) < span)
    }
}

/// Which queues answer. Each counts by itself: a part of a Redis Cluster may be down.
#[derive(Debug, Default)]
pub(super) struct QueueReachability(Mutex<QueueStates>);

#[derive(Debug, Default)]
struct QueueStates {
    unreachable: HashSet<EventId>,
    /// The number of queues.
    count: usize,
    /// When each queue last answered a reservation. Bounded by the catalogue.
    last_answer: HashMap<EventId, Instant>,
}

impl QueueReachability {
    /// Every queue, when its check began, and whether it answered.
    pub(super) fn checked(&self, answers: impl Iterator<Item = (EventId, Instant, bool)>) {
        let mut states = self.0.lock();
        states.count = 0;
        states.unreachable.clear();

        for (event, checked_at, answered) in answers {
            states.count += 1;
            let last_answer = states.last_answer.get(&event);
            let answered_since = last_answer.is_some_and(|at| *at >= checked_at);
            if !answered && !answered_since {
                states.unreachable.insert(event);
            }
        }
    }

    /// A queue has answered a reservation.
    pub(super) fn reserve_answered(&self, event: EventId, now: Instant) {
        self.0.lock().last_answer.insert(event, now);
    }

    pub(super) fn is_unreachable(&self, event: EventId) -> bool {
        self.0.lock().unreachable.contains(&event)
    }

    /// True if there are queues, and none answers.
    pub(super) fn are_all_unreachable(&self) -> bool {
        let states = self.0.lock();
        states.count > 0 && states.unreachable.len() == states.count
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn down_when_probe_failed_and_nothing_stored() {
        let start = Instant::now();
        let database = DatabaseReachability::new(start);
        let is_down = |stored: bool, answered: bool| {
            database.probe_started(start);
            if stored {
                database.write_succeeded();
            }
            database.probe_finished(answered, start);
            database.is_down(start)
        };

        assert_eq!(
            [(true, false), (false, false), (false, true)].map(|(s, a)| is_down(s, a)),
            [false, true, false]
        );
    }

    #[test]
    fn down_after_standstill_until_probed() {
        let start = Instant::now();
        let database = DatabaseReachability::new(start);

        database.probe_started(start);
        database.probe_finished(true, start + 10 * MS);
        assert!(
            database.wrote_within(2_000 * MS, start + 1_900 * MS)
                && !database.is_down(start + 1_900 * MS)
        );

        let woken = start + 10_000 * MS;
        assert!(database.is_down(woken) && !database.wrote_within(2_000 * MS, woken));
        database.probe_started(woken);
        database.probe_finished(true, woken);
        assert!(!database.is_down(woken) && database.wrote_within(2_000 * MS, woken));
        database.probe_started(woken);
        database.write_succeeded();
        database.probe_finished(false, woken);

        assert!(
            !database.wrote_within(2_000 * MS, woken + 2_000 * MS),
            "who stores has not shown what it knows of outages"
        );
    }

    #[test]
    fn answered_reservation_outweighs_check() {
        let ([one, other], start) = (
            [1, 2].map(|id| EventId::from(Uuid::from_u128(id))),
            Instant::now(),
        );
        let queues = QueueReachability::default();

        assert!(!queues.are_all_unreachable(), "there are none");
        queues.checked([(one, start, false), (other, start, true)].into_iter());
        assert_eq!(
            (
                queues.is_unreachable(one),
                queues.is_unreachable(other),
                queues.are_all_unreachable()
            ),
            (true, false, false)
        );
        queues.checked([(one, start, false), (other, start, false)].into_iter());
        assert!(queues.are_all_unreachable());
        queues.reserve_answered(one, start + MS);
        queues.checked([(one, start, false), (other, start, false)].into_iter());

        assert!(!queues.is_unreachable(one));
    }
}
