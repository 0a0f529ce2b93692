//! Rebuilding the engine's line and seats from the database, while everything runs.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;
use uuid::Uuid;
use waitingroom::{
    clock::{Clock, Timestamp},
    engine::{EngineError, Frozen, Opening, RECOVERY, Reached, SEQUENCE_RESERVE, SharedEngine},
    ids::{Epoch, EventId, ZoneId},
    seats::ZoneSeats,
};

use crate::{
    error::BookingError, inventory::known_gateways::KnownGateways, model::event::Event,
    store::SharedStore,
};

/// How long holds are given to find their commit before the snapshot is taken.
const QUIESCE_TIMEOUT: Duration = Duration::from_secs(2);

/// Pause between two looks at holds, or at another instance's lease.
const REBUILD_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A rebuild that takes longer may be repeated by another instance.
const REBUILD_LEASE: Duration = Duration::from_secs(10);

/// Longest wait for one step of the engine.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(5);

/// A suspicion is not looked into so soon after a rebuild: it may be of before.
const REBUILD_COOLDOWN: Duration = Duration::from_secs(1);

/// What a rebuild found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RebuildReport {
    /// Zones of the event.
    pub(crate) zones: u64,
    /// Live holds.
    pub(crate) holds: u64,
    /// Zones whose seats in the engine were not what the database says.
    pub(crate) corrected: u64,
}

/// Why an event is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RebuildReason {
    /// Somebody wants it, whatever the engine has.
    Requested,
    /// The engine has nothing of it.
    EventMissing,
}

/// See the module's documentation.
pub(crate) struct InventoryRebuilder {
    store: SharedStore,
    engine: SharedEngine,
    clock: Clock,
    /// Who has told positions in a line that is lost.
    pub(crate) known_gateways: KnownGateways,
    /// When each event's last rebuild of this process began; the lock makes rebuilds take turns.
    last_rebuilds: Mutex<HashMap<EventId, Instant>>,
}

impl InventoryRebuilder {
    /// No event was rebuilt yet.
    pub(crate) fn new(store: SharedStore, engine: SharedEngine, clock: Clock) -> Self {
        Self {
            store,
            engine,
            clock,
            known_gateways: KnownGateways::default(),
            last_rebuilds: Mutex::default(),
        }
    }

    /// Opens the event in the engine if need be, and replaces its seats by the database's. Requests
    /// that come while it runs share its result.
    ///
    /// # Errors
    /// Engine or database unavailable: the seats are as they were, or the engine refuses holds for
    /// a few seconds.
    pub(crate) async fn rebuild(&self, event: &Arc<Event>) -> Result<RebuildReport, BookingError> {
        self.rebuild_serialized(event, RebuildReason::Requested)
            .await
    }

    /// The same for an event that the engine was seen to lack; nothing is done where another
    /// instance, or whoever creates it, has brought it there meanwhile: a rebuild would hold up
    /// those who reserve by then.
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

    async fn rebuild_serialized(
        &self,
        event: &Arc<Event>,
        reason: RebuildReason,
    ) -> Result<RebuildReport, BookingError> {
        let requested_at = Instant::now();
        let mut last = self.last_rebuilds.lock().await;
        if last
            .get(&event.event_id)
            .is_some_and(|began| *began >= requested_at)
        {
            return Ok(RebuildReport::default());
        }
        let began = Instant::now();
        self.acquire_lease(event.event_id).await?;
        let report = match self.is_needed(event.event_id, reason).await {
            Ok(false) => Ok(None),
            Ok(true) => self.rebuild_from_database(event).await.map(Some),
            Err(error) => Err(error),
        };
        if let Err(error) = self.store.release_sync(event.event_id).await {
            tracing::warn!(event = %event.event_id, %error, "the lease of a rebuild runs until its end");
        }
        let Some(report) = report? else {
            return Ok(RebuildReport::default());
        };
        last.insert(event.event_id, began);
        tracing::info!(event = %event.event_id, zones = report.zones, holds = report.holds, corrected = report.corrected,
            duration_ms = began.elapsed().as_millis() as u64, "seats rebuilt from the database");
        Ok(report)
    }

    /// How long a suspicion has to wait before it is worth a rebuild.
    pub(crate) async fn cooldown_left(&self, event: EventId) -> Duration {
        let last = self.last_rebuilds.lock().await.get(&event).copied();
        last.map_or(Duration::ZERO, |began| {
            REBUILD_COOLDOWN.saturating_sub(began.elapsed())
        })
    }

    async fn acquire_lease(&self, event: EventId) -> Result<(), BookingError> {
        let give_up_at = Instant::now() + REBUILD_LEASE;
        while Instant::now() < give_up_at {
            let now = self.clock.now();
            if self
                .store
                .lease_sync(event, now, now.plus(REBUILD_LEASE))
                .await?
            {
                return Ok(());
            }
            tokio::time::sleep(REBUILD_POLL_INTERVAL).await;
        }
        Err(BookingError::Unavailable(
            "another instance is counting the seats",
        ))
    }

    /// An event that is open in the engine has its seats a moment later.
    async fn is_needed(&self, event: EventId, reason: RebuildReason) -> Result<bool, BookingError> {
        if reason == RebuildReason::Requested {
            return Ok(true);
        }
        match self.with_engine_timeout(self.engine.status(event)).await {
            Err(EngineError::UnknownEvent) => Ok(true),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(self
                .with_engine_timeout(self.engine.seats(event))
                .await?
                .is_empty()),
        }
    }

    async fn rebuild_from_database(&self, event: &Event) -> Result<RebuildReport, BookingError> {
        let id = event.event_id;
        let (checkpoint, handover) = (
            self.store.checkpoint(id).await?,
            self.store.handover(id).await?,
        );
        let (now, mark) = (self.clock.now(), handover.map(|(mark, _)| mark));
        let open_params = Opening {
            awaited: self.known_gateways.up(),
            ..open_params(event, checkpoint, mark, now)
        };
        self.with_engine_timeout(self.engine.open(id, &open_params, now))
            .await?;
        if let Some(frozen) = self
            .with_engine_timeout(self.engine.status(id))
            .await?
            .frozen
            && !self.thaw(id, frozen).await?
        {
            return Err(BookingError::Unavailable("the line is being handed over"));
        }
        self.quiesce(id).await?;
        let snapshot = self.store.snapshot(id).await?;
        let before = self.with_engine_timeout(self.engine.seats(id)).await?;
        self.with_engine_timeout(self.engine.load_seats(id, &snapshot, self.clock.now()))
            .await?;
        let after = self.with_engine_timeout(self.engine.seats(id)).await?;
        let corrected = count_corrected(&before, &after);
        Ok(RebuildReport {
            zones: snapshot.zones.len() as u64,
            holds: snapshot.holds.len() as u64,
            corrected,
        })
    }

    /// Lets a frozen line go on where it has been handed over, or has stood still for as long as it
    /// was to. False where it is frozen still.
    ///
    /// # Errors
    /// Engine or database unavailable: the line is frozen.
    pub(crate) async fn thaw(&self, event: EventId, frozen: Frozen) -> Result<bool, BookingError> {
        let (handover, now) = (self.store.handover(event).await?, self.clock.now());
        if frozen == Frozen::Here && handover.as_ref().is_some_and(|(_, until)| *until > now) {
            return Ok(false);
        }
        if let Some((mark, _)) = handover {
            // First: once the line goes on, an older copy of it must not be taken for whole.
            self.store.end_handover(event, &mark).await?;
        }
        self.with_engine_timeout(self.engine.thaw(event, now))
            .await?;
        tracing::info!(%event, ?frozen, "a frozen line goes on");
        Ok(true)
    }

    /// Stops new holds and waits for those under way. What was settled between two looks is in the
    /// database by then.
    async fn quiesce(&self, event: EventId) -> Result<(), BookingError> {
        let until = Instant::now() + QUIESCE_TIMEOUT;
        while self
            .with_engine_timeout(self.engine.begin_sync(event, self.clock.now()))
            .await?
            > 0
            && Instant::now() < until
        {
            tokio::time::sleep(REBUILD_POLL_INTERVAL).await;
        }
        Ok(())
    }

    async fn with_engine_timeout<T>(
        &self,
        step: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let late =
            || EngineError::Unavailable(format!("no answer in {} ms", ENGINE_TIMEOUT.as_millis()));
        tokio::time::timeout(ENGINE_TIMEOUT, step)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

fn open_params(
    event: &Event,
    checkpoint: Reached,
    mark: Option<String>,
    now: Timestamp,
) -> Opening {
    let had_line = checkpoint.sequence > 0;
    let epoch = Uuid::new_v4().simple().to_string();
    Opening {
        settings: event.queue.clone(),
        epoch: epoch
            .parse::<Epoch>()
            .expect("hexadecimal digits are an epoch"),
        sequence: if had_line {
            checkpoint.sequence + SEQUENCE_RESERVE
        } else {
            0
        },
        head: checkpoint.head,
        unserved: checkpoint.unserved,
        mark,
        release_from: if had_line { now.plus(RECOVERY) } else { now },
        awaited: Vec::new(),
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
    use waitingroom::{engine::memory::MemoryEngine, seats::SeatSnapshot};

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
    async fn what_was_lost_is_restored_once() {
        let (store, engine): (SharedStore, SharedEngine) = (
            Arc::new(SqliteStore::in_memory().await.unwrap()),
            Arc::new(MemoryEngine::new()),
        );
        let clock = Clock::System;
        seed_demo(&store, clock.now()).await.unwrap();
        let event = Arc::new(store.catalogue().await.unwrap().remove(0));
        let inventory = InventoryRebuilder::new(store, engine.clone(), clock.clone());
        let id = event.event_id;
        assert!(inventory.rebuild_if_missing(&event).await.unwrap().zones > 0);
        let whole = free(&engine, id).await;

        // Whoever saw the loss as well comes later, when seats are held by reservations that the
        // database does not know yet.
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

        // One that was opened by whoever died before its seats were there.
        engine.remove(id).await.unwrap();
        let now = clock.now();
        engine
            .open(id, &open_params(&event, Reached::default(), None, now), now)
            .await
            .unwrap();
        assert!(inventory.rebuild_if_missing(&event).await.unwrap().zones > 0);
        assert_eq!(free(&engine, id).await, whole);
    }
}
