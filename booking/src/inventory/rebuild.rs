//! Rebuilds an event's queue and seats in the engine from the database, while everything runs.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;
use uuid::Uuid;
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    ids::{Epoch, EventId, ZoneId},
    queue::SEQUENCE_RESERVE,
    seats::ZoneSeats,
};
use waitingroom_engine::{
    EngineError, Frozen, OpenParams, RECOVERY_WINDOW, RecoveryPoint, SharedEngine,
};

use crate::{
    engine_timeout::with_timeout, error::BookingError, inventory::known_gateways::KnownGateways,
    model::event::Event, settlements::rebuild_queue::RebuildQueue, store::SharedStore,
};

/// Longest wait for the commits of pending holds, before the snapshot is taken.
const QUIESCE_TIMEOUT: Duration = Duration::from_secs(2);

/// Of pending holds, and of another instance's lease.
const REBUILD_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A rebuild that takes longer may be repeated by another instance.
const REBUILD_LEASE: Duration = Duration::from_secs(10);

/// Longest wait for one call of the engine, which may have to replace many seats.
const REBUILD_CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A requested rebuild waits for this long after the last one: the request may be older.
const REBUILD_COOLDOWN: Duration = Duration::from_secs(1);

/// The result of a rebuild.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RebuildReport {
    /// Zones of the event.
    pub(crate) zones: u64,
    /// Live holds.
    pub(crate) holds: u64,
    /// Zones whose seats in the engine differed from the database's.
    pub(crate) corrected: u64,
    /// The engine had no seats of the event before: nothing was wrong.
    is_first_load: bool,
}

impl RebuildReport {
    fn log(&self, event: EventId, duration: Duration) {
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let Self { zones, holds, .. } = self;
        if self.is_first_load {
            tracing::info!(%event, zones, holds, duration_ms, "seats loaded from the database");
        } else {
            tracing::info!(
                %event,
                zones,
                holds,
                corrected = self.corrected,
                duration_ms,
                "seats rebuilt from the database"
            );
        }
    }
}

/// Why an event is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RebuildReason {
    /// A rebuild was requested, whatever the engine has.
    Requested,
    /// The engine does not have the event.
    EventMissing,
}

/// See the module's documentation.
pub(crate) struct InventoryRebuilder {
    store: SharedStore,
    engine: SharedEngine,
    clock: Clock,
    /// Gateways that bring their users back to a queue that was lost.
    pub(crate) known_gateways: Arc<KnownGateways>,
    /// Requests for rebuilds that no caller waits for.
    pub(crate) rebuild_queue: Arc<RebuildQueue>,
    /// When each event's last rebuild of this process began; the lock makes rebuilds take turns.
    last_rebuilds: Mutex<HashMap<EventId, Instant>>,
}

impl InventoryRebuilder {
    pub(crate) fn new(store: SharedStore, engine: SharedEngine, clock: Clock) -> Self {
        Self {
            store,
            engine,
            clock,
            known_gateways: Arc::default(),
            rebuild_queue: Arc::default(),
            last_rebuilds: Mutex::default(),
        }
    }

    /// Opens the event in the engine if necessary, and replaces its seats by the database's.
    /// Requests that come while it runs share its result.
    ///
    /// # Errors
    /// Engine or database unavailable: the seats are as they were, or the engine refuses holds for
    /// a few seconds.
    #[tracing::instrument(level = "debug", skip_all, fields(event = %event.event_id))]
    pub(crate) async fn rebuild(&self, event: &Arc<Event>) -> Result<RebuildReport, BookingError> {
        self.rebuild_serialized(event, RebuildReason::Requested)
            .await
    }

    /// The same for an event that was missing in the engine. Does nothing if another instance, or
    /// the request that creates it, has brought it there meanwhile: a rebuild would delay
    /// reservations.
    ///
    /// # Errors
    /// As [`InventoryRebuilder::rebuild`].
    pub(crate) async fn rebuild_if_missing(
        &self,
        event: &Arc<Event>,
    ) -> Result<RebuildReport, BookingError> {
        self.rebuild_serialized(event, RebuildReason::EventMissing)
            .await
    }

    /// Rebuilds these events, one after the other, and adds the reports up.
    ///
    /// # Errors
    /// As [`InventoryRebuilder::rebuild`]; the events behind the one that failed are left alone.
    pub(crate) async fn rebuild_all(
        &self,
        events: &[Arc<Event>],
    ) -> Result<RebuildReport, BookingError> {
        let mut total = RebuildReport::default();
        for event in events {
            let report = self.rebuild(event).await?;
            total.zones += report.zones;
            total.holds += report.holds;
            total.corrected += report.corrected;
        }

        Ok(total)
    }

    async fn rebuild_serialized(
        &self,
        event: &Arc<Event>,
        reason: RebuildReason,
    ) -> Result<RebuildReport, BookingError> {
        let id = event.event_id;
        let requested_at = Instant::now();

        // A rebuild that began after this request has the result that it wants.
        let mut last_rebuilds = self.last_rebuilds.lock().await;
        let last = last_rebuilds.get(&id);
        if last.is_some_and(|started| *started >= requested_at) {
            return Ok(RebuildReport::default());
        }

        let started = Instant::now();
        self.acquire_lease(id).await?;
        let rebuilt = match self.is_needed(id, reason).await {
            Ok(false) => Ok(None),
            Ok(true) => self.rebuild_from_database(event).await.map(Some),
            Err(error) => Err(error),
        };
        if let Err(error) = self.store.release_sync(id).await {
            tracing::warn!(event = %id, %error, "failed to release rebuild lease; it expires on its own");
        }

        let Some(report) = rebuilt? else {
            return Ok(RebuildReport::default());
        };
        last_rebuilds.insert(id, started);
        report.log(id, started.elapsed());
        Ok(report)
    }

    /// How long a requested rebuild has to wait.
    pub(crate) async fn cooldown_left(&self, event: EventId) -> Duration {
        let last = self.last_rebuilds.lock().await.get(&event).copied();
        last.map_or(Duration::ZERO, |started| {
            REBUILD_COOLDOWN.saturating_sub(started.elapsed())
        })
    }

    async fn acquire_lease(&self, event: EventId) -> Result<(), BookingError> {
        let give_up_at = Instant::now() + REBUILD_LEASE;
        while Instant::now() < give_up_at {
            let now = self.clock.now();
            let until = now.plus(REBUILD_LEASE);
            if self.store.lease_sync(event, now, until).await? {
                return Ok(());
            }

            tokio::time::sleep(REBUILD_POLL_INTERVAL).await;
        }
        Err(BookingError::Unavailable(
            "another instance is counting the seats",
        ))
    }

    /// An event that is open in the engine gets its seats a moment later.
    async fn is_needed(&self, event: EventId, reason: RebuildReason) -> Result<bool, BookingError> {
        if reason == RebuildReason::Requested {
            return Ok(true);
        }

        match with_timeout(REBUILD_CALL_TIMEOUT, self.engine.status(event)).await {
            Err(EngineError::UnknownEvent) => Ok(true),
            Err(error) => Err(error.into()),
            Ok(_) => {
                let seats = with_timeout(REBUILD_CALL_TIMEOUT, self.engine.seats(event)).await?;
                Ok(seats.is_empty())
            }
        }
    }

    async fn rebuild_from_database(&self, event: &Event) -> Result<RebuildReport, BookingError> {
        // 1. Open the queue, unless it is open; it continues where its checkpoint was.
        let id = event.event_id;
        let checkpoint = self.checkpoint_before_open(id).await?;
        let handover = self.store.handover(id).await?;
        let now = self.clock.now();
        let mark = handover.map(|(mark, _)| mark);
        let params = OpenParams {
            awaited_nodes: self.known_gateways.up(),
            ..open_params(event, checkpoint, mark, now)
        };
        with_timeout(REBUILD_CALL_TIMEOUT, self.engine.open(id, &params, now)).await?;
        let status = with_timeout(REBUILD_CALL_TIMEOUT, self.engine.status(id)).await?;
        if let Some(frozen) = status.frozen
            && !self.thaw(id, frozen).await?
        {
            return Err(BookingError::Unavailable("the queue is being moved"));
        }

        // 2. No new holds, and the pending ones find their commits: a snapshot lacks neither.
        self.quiesce(id).await?;

        // 3. Replace the seats.
        let snapshot = self.store.snapshot(id).await?;
        let before = with_timeout(REBUILD_CALL_TIMEOUT, self.engine.seats(id)).await?;
        let load = self.engine.load_seats(id, &snapshot, self.clock.now());
        with_timeout(REBUILD_CALL_TIMEOUT, load).await?;
        let after = with_timeout(REBUILD_CALL_TIMEOUT, self.engine.seats(id)).await?;
        Ok(RebuildReport {
            zones: snapshot.zones.len() as u64,
            holds: snapshot.holds.len() as u64,
            corrected: count_corrected(&before, &after),
            is_first_load: before.is_empty(),
        })
    }

    /// Lets a frozen queue continue if it has been handed over, or its handover has timed out.
    /// False if it stays frozen.
    ///
    /// # Errors
    /// Engine or database unavailable: the queue is frozen.
    pub(crate) async fn thaw(&self, event: EventId, frozen: Frozen) -> Result<bool, BookingError> {
        let handover = self.store.handover(event).await?;
        let now = self.clock.now();
        let lasts = handover.as_ref().is_some_and(|(_, until)| *until > now);
        if frozen == Frozen::Here && lasts {
            return Ok(false);
        }

        // First: once the queue continues, an older copy of it must not pass for the complete one.
        if let Some((mark, _)) = handover {
            self.store.end_handover(event, &mark).await?;
        }
        with_timeout(REBUILD_CALL_TIMEOUT, self.engine.thaw(event, now)).await?;
        tracing::info!(%event, ?frozen, "frozen queue continues");
        Ok(true)
    }

    /// Where the queue continues; `None` if it is opened for the first time. That is written down
    /// before: a queue that is lost before its first checkpoint has given out numbers as well.
    async fn checkpoint_before_open(
        &self,
        event: EventId,
    ) -> Result<Option<RecoveryPoint>, BookingError> {
        let checkpoint = self.store.checkpoint(event).await?;
        if checkpoint.is_none() {
            let opened = RecoveryPoint::default();
            self.store.save_checkpoint(event, &opened).await?;
        }

        Ok(checkpoint)
    }

    /// Stops new holds and waits for the pending ones. Those that are settled between two polls are
    /// in the database by then.
    async fn quiesce(&self, event: EventId) -> Result<(), BookingError> {
        let until = Instant::now() + QUIESCE_TIMEOUT;
        loop {
            let begin = self.engine.begin_sync(event, self.clock.now());
            let pending = with_timeout(REBUILD_CALL_TIMEOUT, begin).await?;
            if pending == 0 || Instant::now() >= until {
                return Ok(());
            }

            tokio::time::sleep(REBUILD_POLL_INTERVAL).await;
        }
    }
}

fn open_params(
    event: &Event,
    checkpoint: Option<RecoveryPoint>,
    mark: Option<String>,
    now: Timestamp,
) -> OpenParams {
    let continues = checkpoint.is_some();
    let checkpoint = checkpoint.unwrap_or_default();
    let epoch = Uuid::new_v4().simple().to_string();

    OpenParams {
        settings: event.queue.clone(),
        epoch: epoch
            .parse::<Epoch>()
            .expect("hexadecimal digits are an epoch"),
        sequence: if continues {
            checkpoint.sequence + SEQUENCE_RESERVE
        } else {
            0
        },
        head: checkpoint.head,
        unserved: checkpoint.unserved,
        mark,
        release_from: if continues {
            now.plus(RECOVERY_WINDOW)
        } else {
            now
        },
        awaited_nodes: Vec::new(),
    }
}

fn count_corrected(before: &[ZoneSeats], after: &[ZoneSeats]) -> u64 {
    let before: HashMap<ZoneId, u32> = before
        .iter()
        .map(|zone| (zone.zone_id, zone.available))
        .collect();
    after
        .iter()
        .filter(|zone| before.get(&zone.zone_id) != Some(&zone.available))
        .count() as u64
}

#[cfg(test)]
mod tests {
    use waitingroom_domain::seats::SeatSnapshot;
    use waitingroom_engine::memory::InMemoryEngine;

    use super::*;
    use crate::{seed::seed_demo, store::sqlite::SqliteStore};

    async fn free(engine: &SharedEngine, event: EventId) -> u32 {
        engine
            .seats(event)
            .await
            .unwrap()
            .iter()
            .map(|zone| zone.available)
            .sum()
    }

    #[tokio::test]
    async fn rebuilds_missing_event_once() {
        let (store, engine): (SharedStore, SharedEngine) = (
            Arc::new(SqliteStore::in_memory().await.unwrap()),
            Arc::new(InMemoryEngine::new()),
        );
        let clock = Clock::System;
        seed_demo(&store, clock.now()).await.unwrap();
        let event = Arc::new(store.catalogue().await.unwrap().remove(0));
        let inventory = InventoryRebuilder::new(store, engine.clone(), clock.clone());
        let id = event.event_id;
        assert!(inventory.rebuild_if_missing(&event).await.unwrap().zones > 0);
        let whole = free(&engine, id).await;

        // Another instance that saw the loss as well comes later, when seats are held by
        // reservations that the database does not know yet.
        let taken = ZoneSeats {
            available: 1,
            ..engine.seats(id).await.unwrap()[0]
        };
        let fewer = SeatSnapshot {
            zones: vec![taken],
            ..SeatSnapshot::default()
        };
        engine.load_seats(id, &fewer, clock.now()).await.unwrap();
        assert_eq!(
            inventory.rebuild_if_missing(&event).await.unwrap(),
            RebuildReport::default()
        );
        assert_eq!(free(&engine, id).await, 1, "nothing was done");
        assert!(inventory.rebuild(&event).await.unwrap().corrected > 0);
        assert_eq!(free(&engine, id).await, whole);

        // An event that was opened by an instance that died before it loaded the seats.
        engine.remove(id).await.unwrap();
        let now = clock.now();
        engine
            .open(id, &open_params(&event, None, None, now), now)
            .await
            .unwrap();
        assert!(inventory.rebuild_if_missing(&event).await.unwrap().zones > 0);
        assert_eq!(free(&engine, id).await, whole);
    }
}
