//! Engine and database, compared by themselves: seats that are free in each zone, and seats of
//! users. What differs is rebuilt.
//!
//! The two are never read at the same moment, and holds whose commit is under way are in one and
//! not yet in the other. So each look asks the database before and after the engine, allows for
//! those holds, and only a difference that several looks find counts. A false one costs a rebuild,
//! and nothing else.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use waitingroom::{
    engine::{EngineError, TALLY_LIMIT},
    ids::{EventId, UserId, ZoneId},
    seats::{Tally, ZoneTally},
};

use crate::{error::BookingError, state::AppState, store::ZoneCount};

/// How often an event is looked at; less often where there are more than ten times [`MAX_EVENTS_PER_STEP`].
const COMPARISON_INTERVAL: Duration = Duration::from_secs(10);
/// Steps in that time.
const STEPS_PER_ROUND: usize = 10;
/// Most events of one step.
const MAX_EVENTS_PER_STEP: usize = 50;
/// Events that are looked at at the same time.
const COMPARISON_CONCURRENCY: usize = 8;
/// A difference counts if so many looks find it.
const CONFIRMING_COMPARISONS: u32 = 4;
/// Pause between two of them.
const CONFIRMATION_INTERVAL: Duration = Duration::from_millis(700);
/// Users of one look: the next ones are another's.
const USER_PAGE_SIZE: u32 = 500;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct ComparisonSchedule {
    waiting: VecDeque<EventId>,
    batch_len: usize,
    round_began: Option<Instant>,
    cursors: Mutex<HashMap<EventId, Cursor>>,
}

/// Where the next look at an event begins.
#[derive(Debug, Clone, Default)]
struct Cursor {
    /// Behind this user of the database.
    user: Option<UserId>,
    /// Among those whom the engine counts.
    counted: String,
}

impl ComparisonSchedule {
    /// The events of one step; `all` are those of a new round, which begins when the last is done
    /// and old enough.
    fn due(&mut self, now: Instant, all: impl FnOnce() -> Vec<EventId>) -> Vec<EventId> {
        if self.waiting.is_empty()
            && self
                .round_began
                .is_none_or(|round_began| now >= round_began + COMPARISON_INTERVAL)
        {
            self.waiting = all().into();
            self.cursors
                .lock()
                .retain(|event, _| self.waiting.contains(event));
            self.batch_len = self
                .waiting
                .len()
                .div_ceil(STEPS_PER_ROUND)
                .min(MAX_EVENTS_PER_STEP);
            self.round_began = Some(now);
        }
        self.waiting
            .drain(..self.batch_len.min(self.waiting.len()))
            .collect()
    }
}

/// By how much the engine has more than the database, or less.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Drift {
    zones: HashMap<ZoneId, i64>,
    users: HashMap<UserId, i64>,
}

impl Drift {
    /// What two looks have found alike.
    fn persisting(self, other: &Self) -> Self {
        Self {
            zones: persisting(self.zones, &other.zones),
            users: persisting(self.users, &other.users),
        }
    }

    fn is_empty(&self) -> bool {
        self.zones.is_empty() && self.users.is_empty()
    }

    /// In seats. Most bookings that one of the two lacks are missed in a zone and at a user.
    fn seats(&self) -> u64 {
        let zones: u64 = self.zones.values().map(|seats| seats.unsigned_abs()).sum();
        zones.max(self.users.values().map(|seats| seats.unsigned_abs()).sum())
    }
}

/// Of each the smaller, where both are of one kind.
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

/// What cannot be explained by what is under way. Free seats in the engine are what is left of all
/// after holds of every kind, so they are too many if they are more than the database had at either
/// moment; and too few if even with those whose commit was not reported they are less than it had
/// at either.
fn zone_drift(engine: &ZoneTally, database: [u32; 2]) -> i64 {
    let [least, most] = [database[0].min(database[1]), database[0].max(database[1])].map(i64::from);
    let (available, pending) = (i64::from(engine.available), i64::from(engine.pending));
    match (available - most, available + pending - least) {
        (more @ 1.., _) => more,
        (_, less @ ..0) => less,
        _ => 0,
    }
}

/// Those whose commit was not reported may be in the database or not.
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

impl AppState {
    /// One step of the comparison.
    pub(crate) async fn compare_due(
        &self,
        schedule: &mut ComparisonSchedule,
    ) -> Result<(), BookingError> {
        let all = || {
            self.catalogue
                .events()
                .iter()
                .map(|event| event.event_id)
                .collect()
        };
        let events = schedule.due(Instant::now(), all);
        let cursors = &schedule.cursors;
        let compared =
            stream::iter(events).map(|event| async move { self.compare(event, cursors).await });
        let failed = compared
            .buffer_unordered(COMPARISON_CONCURRENCY)
            .filter_map(async |compared| compared.err());
        let failed: Vec<BookingError> = failed.collect().await;
        failed.into_iter().next().map_or(Ok(()), Err)
    }

    async fn compare(
        &self,
        event: EventId,
        cursors: &Mutex<HashMap<EventId, Cursor>>,
    ) -> Result<(), BookingError> {
        if self.require_database().is_err()
            || self.require_queue(event).is_err()
            || self.settlements.has_pending(event)
        {
            return Ok(()); // known to differ, or not to be known
        }
        let from = cursors.lock().get(&event).cloned().unwrap_or_default();
        let found = match self.confirmed_drift(event, &from, cursors).await {
            Err(BookingError::Engine(EngineError::UnknownEvent)) => return Ok(()), // about to be rebuilt
            found => found?,
        };
        metrics::gauge!("stanchion_inventory_drift_seats", "event" => event.to_string())
            .set(found.seats() as f64);
        if !found.is_empty() {
            metrics::counter!("stanchion_inventory_corrections_total", "event" => event.to_string()).increment(1);
            tracing::warn!(%event, seats = found.seats(), zones = ?found.zones, users = found.users.len(),
                "engine and database differ: the seats are going to be rebuilt");
            self.rebuild_queue.request(event);
        }
        Ok(())
    }

    async fn confirmed_drift(
        &self,
        event: EventId,
        from: &Cursor,
        cursors: &Mutex<HashMap<EventId, Cursor>>,
    ) -> Result<Drift, BookingError> {
        let (mut found, next) = self.measure_drift(event, from).await?;
        for _ in 1..CONFIRMING_COMPARISONS {
            if found.is_empty() {
                break;
            }
            tokio::time::sleep(CONFIRMATION_INTERVAL).await;
            found = found.persisting(&self.measure_drift(event, from).await?.0);
        }
        cursors.lock().insert(event, next);
        Ok(found)
    }

    /// One look, and where the next one begins: at the next users of the database, and the next
    /// whom the engine counts.
    async fn measure_drift(
        &self,
        event: EventId,
        from: &Cursor,
    ) -> Result<(Drift, Cursor), BookingError> {
        let mut users = self
            .store()
            .user_seats(event, from.user.as_ref(), USER_PAGE_SIZE)
            .await?;
        let user = users.last().map(|(user, _)| user.clone());
        let (mut counted, next) = self
            .with_timeout(self.engine().counted_users(event, &from.counted))
            .await?;
        counted.retain(|name| !users.iter().any(|(user, _)| user == name));
        let seats: HashMap<UserId, u32> = self
            .store()
            .seats_of_users(event, &counted)
            .await?
            .into_iter()
            .collect();
        users.extend(counted.into_iter().map(|user| {
            let seats = seats.get(&user).copied().unwrap_or(0);
            (user, seats)
        }));
        users.truncate(TALLY_LIMIT);
        let names: Vec<UserId> = users.iter().map(|(user, _)| user.clone()).collect();
        let before = self.store().zone_counts(Some(event)).await?;
        let tally = self
            .with_timeout(self.engine().tally(event, &names))
            .await?;
        let now = self.store().zone_counts(Some(event)).await?;
        Ok((
            compute_drift(&tally, [&before, &now], &users),
            Cursor {
                user,
                counted: next,
            },
        ))
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
    fn what_is_under_way_is_no_drift() {
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
    fn a_difference_lasts_if_every_look_finds_it() {
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
    fn every_event_has_its_turn_within_a_round_and_no_step_has_many() {
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
                .map(|step| schedule.due(at(step), events(many)).len())
                .collect()
        };
        assert_eq!(steps(&mut schedule, 3, 0), [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(steps(&mut schedule, 25, 10).iter().sum::<usize>(), 25);
        assert_eq!(steps(&mut schedule, 10_000, 20), [MAX_EVENTS_PER_STEP; 10]);
    }
}
