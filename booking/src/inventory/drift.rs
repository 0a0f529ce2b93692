//! Drift detection: compares the engine with the database, available seats in each zone and seats
//! of users, and requests a rebuild of an event that differs.
//!
//! The two are never read at the same moment, and holds whose commit is in flight are in one and
//! not yet in the other. So a comparison reads the database before and after the engine, allows for
//! those holds, and only a difference that several comparisons find counts. A false one costs a
//! rebuild, and nothing else.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use waitingroom_domain::{
    ids::{EventId, UserId, ZoneId},
    seats::{Tally, ZoneTally},
};
use waitingroom_engine::{EngineError, MAX_TALLY_USERS, SharedEngine};

use crate::{
    catalogue::Catalogue,
    engine_timeout::with_engine_timeout,
    error::BookingError,
    load_monitor::LoadMonitor,
    settlements::{dispatcher::SettlementDispatcher, rebuild_queue::RebuildQueue},
    store::{SharedStore, ZoneCount},
};

/// How often an event is compared; less often if there are more than ten times
/// [`MAX_EVENTS_PER_BATCH`].
const COMPARISON_INTERVAL: Duration = Duration::from_secs(10);

/// Batches in that time.
const BATCHES_PER_ROUND: usize = 10;

const MAX_EVENTS_PER_BATCH: usize = 50;

const COMPARISON_CONCURRENCY: usize = 8;

/// A difference counts if this many comparisons find it.
const CONFIRMING_COMPARISONS: u32 = 4;

const CONFIRMATION_INTERVAL: Duration = Duration::from_millis(700);

/// Users of one comparison; the next one compares the next users.
const USER_PAGE_SIZE: u32 = 500;

/// Which events are compared next.
#[derive(Debug, Default)]
struct ComparisonSchedule {
    /// The events of the present round that are left.
    remaining: VecDeque<EventId>,
    batch_len: usize,
    round_began: Option<Instant>,
    cursors: HashMap<EventId, Cursor>,
}

/// Where the next comparison of an event begins.
#[derive(Debug, Clone, Default)]
struct Cursor {
    /// After this user in the database's order.
    user: Option<UserId>,
    /// The engine's cursor among the users whom it counts.
    counted: String,
}

impl ComparisonSchedule {
    /// The next batch. `all` are the events of a new round, which begins when the last one is done
    /// and [`COMPARISON_INTERVAL`] old.
    fn next_batch(&mut self, now: Instant, all: impl FnOnce() -> Vec<EventId>) -> Vec<EventId> {
        let is_due = |began: Instant| now >= began + COMPARISON_INTERVAL;
        if self.remaining.is_empty() && self.round_began.is_none_or(is_due) {
            self.remaining = all().into();
            self.cursors
                .retain(|event, _| self.remaining.contains(event));
            let even = self.remaining.len().div_ceil(BATCHES_PER_ROUND);
            self.batch_len = even.min(MAX_EVENTS_PER_BATCH);
            self.round_began = Some(now);
        }

        let batch_len = self.batch_len.min(self.remaining.len());
        self.remaining.drain(..batch_len).collect()
    }
}

/// Seats that the engine has more than the database; negative if it has less.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Drift {
    zones: HashMap<ZoneId, i64>,
    users: HashMap<UserId, i64>,
}

impl Drift {
    /// The difference that two comparisons have in common.
    fn persisting(self, other: &Self) -> Self {
        Self {
            zones: persisting(self.zones, &other.zones),
            users: persisting(self.users, &other.users),
        }
    }

    fn is_empty(&self) -> bool {
        self.zones.is_empty() && self.users.is_empty()
    }

    /// The drift in seats. Most bookings that one of the two lacks are missing in a zone and at a
    /// user, so these are not added.
    fn seats(&self) -> u64 {
        let zones: u64 = self.zones.values().map(|seats| seats.unsigned_abs()).sum();
        zones.max(self.users.values().map(|seats| seats.unsigned_abs()).sum())
    }
}

/// The smaller of two differences, if both have the same sign.
fn persisting<K: Eq + std::hash::Hash>(
    one: HashMap<K, i64>,
    other: &HashMap<K, i64>,
) -> HashMap<K, i64> {
    let both = one.into_iter().filter_map(|(key, seats)| {
        let again = *other.get(&key)?;
        let same = seats.signum() == again.signum();
        same.then(|| (key, seats.signum() * seats.abs().min(again.abs())))
    });

    both.collect()
}

/// The difference that commits in flight do not explain. The engine's available seats are those
/// left after holds of every kind. So they are too many if they exceed the database's at both
/// moments, and too few if, even with the pending holds, they fall short of the database's at both.
fn zone_drift(engine: &ZoneTally, database: [u32; 2]) -> i64 {
    let [least, most] = [database[0].min(database[1]), database[0].max(database[1])].map(i64::from);
    let (available, pending) = (i64::from(engine.available), i64::from(engine.pending));
    match (available - most, available + pending - least) {
        (more @ 1.., _) => more,
        (_, less @ ..0) => less,
        _ => 0,
    }
}

/// Pending holds may be in the database or not.
fn user_drift(counted: u32, pending: u32, database: u32) -> i64 {
    let (counted, pending, database) =
        (i64::from(counted), i64::from(pending), i64::from(database));
    (counted - pending - database).max(0) + (counted - database).min(0)
}

fn compute_drift(tally: &Tally, zones: [&[ZoneCount]; 2], users: &[(UserId, u32)]) -> Drift {
    let free = zones.map(|zones| {
        zones
            .iter()
            .map(|zone| (zone.zone_id, zone.available()))
            .collect::<HashMap<_, _>>()
    });

    let mut found = Drift::default();
    for zone in &tally.zones {
        let [before, after] = [0, 1].map(|at| free[at].get(&zone.zone_id).copied());
        let (Some(before), Some(after)) = (before, after) else {
            continue;
        }; // a zone that is new
        found
            .zones
            .insert(zone.zone_id, zone_drift(zone, [before, after]));
    }

    for ((user, seats), (counted, pending)) in
        users.iter().zip(tally.users.iter().zip(&tally.pending))
    {
        found
            .users
            .insert(user.clone(), user_drift(*counted, *pending, *seats));
    }

    found.zones.retain(|_, seats| *seats != 0);
    found.users.retain(|_, seats| *seats != 0);
    found
}

/// See the module's documentation.
pub(crate) struct DriftDetector {
    catalogue: Arc<Catalogue>,
    engine: SharedEngine,
    store: SharedStore,
    /// Knows when one of the two does not answer: there is nothing to compare then.
    load: Arc<LoadMonitor>,
    /// An event with settlements that are to be sent is known to differ.
    settlements: SettlementDispatcher,
    rebuild_queue: Arc<RebuildQueue>,
    schedule: Mutex<ComparisonSchedule>,
}

impl DriftDetector {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        engine: SharedEngine,
        store: SharedStore,
        load: Arc<LoadMonitor>,
        settlements: SettlementDispatcher,
        rebuild_queue: Arc<RebuildQueue>,
    ) -> Self {
        Self {
            catalogue,
            engine,
            store,
            load,
            settlements,
            rebuild_queue,
            schedule: Mutex::default(),
        }
    }

    /// Compares the next batch of events.
    pub(crate) async fn compare_due(&self) -> Result<(), BookingError> {
        let all = || {
            let events = self.catalogue.events();
            events.iter().map(|event| event.event_id).collect()
        };
        let events = self.schedule.lock().next_batch(Instant::now(), all);

        let compared = events.into_iter().map(|event| self.compare(event));
        let results: Vec<_> = stream::iter(compared)
            .buffer_unordered(COMPARISON_CONCURRENCY)
            .collect()
            .await;
        results.into_iter().collect()
    }

    async fn compare(&self, event: EventId) -> Result<(), BookingError> {
        // Known to differ, or not known at all.
        if self.load.require_database().is_err()
            || self.load.require_queue(event).is_err()
            || self.settlements.has_pending(event)
        {
            return Ok(());
        }

        let drift = match self.confirmed_drift(event).await {
            Err(BookingError::Engine(EngineError::UnknownEvent)) => return Ok(()), // about to be rebuilt
            drift => drift?,
        };

        let label = event.to_string();
        metrics::gauge!(crate::metric_definitions::INVENTORY_DRIFT, "event" => label.clone())
            .set(drift.seats() as f64);
        if !drift.is_empty() {
            metrics::counter!(crate::metric_definitions::INVENTORY_CORRECTIONS, "event" => label)
                .increment(1);
            tracing::warn!(%event, seats = drift.seats(), zones = ?drift.zones, users = drift.users.len(),
                "engine and database differ; scheduling inventory rebuild");
            self.rebuild_queue.request(event);
        }
        Ok(())
    }

    async fn confirmed_drift(&self, event: EventId) -> Result<Drift, BookingError> {
        let known = self.schedule.lock().cursors.get(&event).cloned();
        let from = known.unwrap_or_default();

        let (mut drift, next) = self.measure_drift(event, &from).await?;
        for _ in 1..CONFIRMING_COMPARISONS {
            if drift.is_empty() {
                break;
            }

            tokio::time::sleep(CONFIRMATION_INTERVAL).await;
            let (again, _) = self.measure_drift(event, &from).await?;
            drift = drift.persisting(&again);
        }

        self.schedule.lock().cursors.insert(event, next);
        Ok(drift)
    }

    /// One comparison, and the cursor of the next: after these users of the database, and after
    /// these users whom the engine counts.
    async fn measure_drift(
        &self,
        event: EventId,
        from: &Cursor,
    ) -> Result<(Drift, Cursor), BookingError> {
        // 1. A page of the database's users, and those whom the engine counts beside them: seats
        //    that the database does not know of belong to these.
        let mut users = self
            .store
            .user_seats(event, from.user.as_ref(), USER_PAGE_SIZE)
            .await?;
        let last_user = users.last().map(|(user, _)| user.clone());
        let counted = self.engine.counted_users(event, &from.counted);
        let (mut counted, next_counted) = with_engine_timeout(counted).await?;
        counted.retain(|name| !users.iter().any(|(user, _)| user == name));
        let counted_seats = self.store.seats_of_users(event, &counted).await?;
        let counted_seats: HashMap<UserId, u32> = counted_seats.into_iter().collect();
        users.extend(counted.into_iter().map(|user| {
            let seats = counted_seats.get(&user).copied().unwrap_or(0);
            (user, seats)
        }));
        users.truncate(MAX_TALLY_USERS);

        // 2. The database, the engine, and the database again.
        let names: Vec<UserId> = users.iter().map(|(user, _)| user.clone()).collect();
        let before = self.store.zone_counts(Some(event)).await?;
        let tally = with_engine_timeout(self.engine.tally(event, &names)).await?;
        let after = self.store.zone_counts(Some(event)).await?;

        let next = Cursor {
            user: last_user,
            counted: next_counted,
        };
        Ok((compute_drift(&tally, [&before, &after], &users), next))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn zone(available: u32, pending: u32) -> ZoneTally {
        ZoneTally {
            zone_id: Uuid::nil().into(),
            available,
            pending,
        }
    }

    #[test]
    fn commits_in_flight_are_no_drift() {
        for (engine, database) in [
            (zone(10, 0), [10, 10]),
            (zone(8, 2), [10, 10]), // held, and not committed yet
            (zone(8, 2), [8, 8]),   // committed, and not reported yet
            (zone(10, 0), [10, 8]), // held and committed after the look at the engine
            (zone(8, 0), [10, 8]),  // or before
            (zone(10, 0), [8, 10]), // given back in between
        ] {
            assert_eq!(zone_drift(&engine, database), 0, "{engine:?} {database:?}");
        }

        assert_eq!(
            zone_drift(&zone(15, 2), [10, 12]),
            3,
            "too many, whatever is under way"
        );
        assert_eq!(zone_drift(&zone(5, 2), [10, 12]), -3, "too few");

        for (counted, pending, database) in [(3, 0, 3), (3, 3, 0), (5, 2, 3), (5, 2, 5)] {
            assert_eq!(
                user_drift(counted, pending, database),
                0,
                "{counted} {pending} {database}"
            );
        }

        assert_eq!((user_drift(5, 2, 1), user_drift(3, 2, 5)), (2, -2));
    }

    #[test]
    fn drift_persists_across_comparisons() {
        let user = |name: &str| name.parse::<UserId>().unwrap();
        let found = |seats: &[(&str, i64)]| Drift {
            users: seats
                .iter()
                .map(|(name, seats)| (user(name), *seats))
                .collect(),
            ..Drift::default()
        };

        let both = found(&[("ann", 3), ("bob", -2), ("cy", 1)])
            .persisting(&found(&[("ann", 5), ("bob", 2)]));
        assert_eq!((both.seats(), both), (3, found(&[("ann", 3)])));
    }

    #[test]
    fn each_event_is_due_once_a_round() {
        let (mut schedule, start) = (ComparisonSchedule::default(), Instant::now());
        let events = |many: u128| {
            move || {
                (0..many)
                    .map(|id| EventId::from(Uuid::from_u128(id)))
                    .collect::<Vec<_>>()
            }
        };

        let steps = |schedule: &mut ComparisonSchedule, many, from| -> Vec<usize> {
            let at = |step: u32| start + Duration::from_secs(from) + step * Duration::from_secs(1);
            (0..10)
                .map(|step| schedule.next_batch(at(step), events(many)).len())
                .collect()
        };
        assert_eq!(steps(&mut schedule, 3, 0), [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(steps(&mut schedule, 25, 10).iter().sum::<usize>(), 25);
        assert_eq!(steps(&mut schedule, 10_000, 20), [MAX_EVENTS_PER_BATCH; 10]);
    }
}
