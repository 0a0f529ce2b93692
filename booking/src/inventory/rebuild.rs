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
const SETTLING: Duration = Duration::from_secs(2);

/// Pause between two looks at holds, or at another instance's lease.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A rebuild that takes longer may be repeated by another instance.
const LEASE: Duration = Duration::from_secs(10);

/// Longest wait for one step of the engine.
const ENGINE_DEADLINE: Duration = Duration::from_secs(5);

/// A suspicion is not looked into so soon after a rebuild: it may be of before.
const TRUST: Duration = Duration::from_secs(1);

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
    Asked,
    /// The engine has nothing of it.
    Lost,
}

/// See the module's documentation.
pub(crate) struct InventoryRebuilder {
    store: SharedStore,
    engine: SharedEngine,
    clock: Clock,
    /// Who has told positions in a line that is lost.
    pub(crate) gateways: KnownGateways,
    /// When each event's last rebuild of this process began; the lock makes rebuilds take turns.
    last: Mutex<HashMap<EventId, Instant>>,
}

impl InventoryRebuilder {
    /// No event was rebuilt yet.
    pub(crate) fn new(store: SharedStore, engine: SharedEngine, clock: Clock) -> Self {
        Self {
            store,
            engine,
            clock,
            gateways: KnownGateways::default(),
            last: Mutex::default(),
        }
    }

    /// Opens the event in the engine if need be, and replaces its seats by the database's. Requests
    /// that come while it runs share its result.
    ///
    /// # Errors
    /// Engine or database unavailable: the seats are as they were, or the engine refuses holds for
    /// a few seconds.
    pub(crate) async fn sync(&self, event: &Arc<Event>) -> Result<RebuildReport, BookingError> {
        self.in_turn(event, RebuildReason::Asked).await
    }

    /// The same for an event that the engine was seen to lack; nothing is done where another
    /// instance, or whoever creates it, has brought it there meanwhile: a rebuild would hold up
    /// those who reserve by then.
    ///
    /// # Errors
    /// As [`InventoryRebuilder::sync`].
    pub(crate) async fn restore(&self, event: &Arc<Event>) -> Result<RebuildReport, BookingError> {
        self.in_turn(event, RebuildReason::Lost).await
    }

    async fn in_turn(
        &self,
        event: &Arc<Event>,
        reason: RebuildReason,
    ) -> Result<RebuildReport, BookingError> {
        let asked_at = Instant::now();
        let mut last = self.last.lock().await;
        if last
            .get(&event.event_id)
            .is_some_and(|began| *began >= asked_at)
        {
            return Ok(RebuildReport::default());
        }
        let began = Instant::now();
        self.take_lease(event.event_id).await?;
        let synced = match self.is_needed(event.event_id, reason).await {
            Ok(false) => Ok(None),
            Ok(true) => self.rebuild(event).await.map(Some),
            Err(error) => Err(error),
        };
        if let Err(error) = self.store.release_sync(event.event_id).await {
            tracing::warn!(event = %event.event_id, %error, "the lease of a rebuild runs until its end");
        }
        let Some(synced) = synced? else {
            return Ok(RebuildReport::default());
        };
        last.insert(event.event_id, began);
        tracing::info!(event = %event.event_id, zones = synced.zones, holds = synced.holds, corrected = synced.corrected,
            duration_ms = began.elapsed().as_millis() as u64, "seats rebuilt from the database");
        Ok(synced)
    }

    /// How long a suspicion has to wait before it is worth a rebuild.
    pub(crate) async fn trusted_for(&self, event: EventId) -> Duration {
        let last = self.last.lock().await.get(&event).copied();
        last.map_or(Duration::ZERO, |began| {
            TRUST.saturating_sub(began.elapsed())
        })
    }

    async fn take_lease(&self, event: EventId) -> Result<(), BookingError> {
        let give_up = Instant::now() + LEASE;
        while Instant::now() < give_up {
            let now = self.clock.now();
            if self.store.lease_sync(event, now, now.plus(LEASE)).await? {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(BookingError::Unavailable(
            "another instance is counting the seats",
        ))
    }

    /// An event that is open in the engine has its seats a moment later.
    async fn is_needed(&self, event: EventId, reason: RebuildReason) -> Result<bool, BookingError> {
        if reason == RebuildReason::Asked {
            return Ok(true);
        }
        match self.ask(self.engine.status(event)).await {
            Err(EngineError::UnknownEvent) => Ok(true),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(self.ask(self.engine.seats(event)).await?.is_empty()),
        }
    }

    async fn rebuild(&self, event: &Event) -> Result<RebuildReport, BookingError> {
        let id = event.event_id;
        let (checkpoint, handover) = (
            self.store.checkpoint(id).await?,
            self.store.handover(id).await?,
        );
        let (now, mark) = (self.clock.now(), handover.map(|(mark, _)| mark));
        let opening = Opening {
            awaited: self.gateways.up(),
            ..opening(event, checkpoint, mark, now)
        };
        self.ask(self.engine.open(id, &opening, now)).await?;
        if let Some(frozen) = self.ask(self.engine.status(id)).await?.frozen
            && !self.go_on(id, frozen).await?
        {
            return Err(BookingError::Unavailable("the line is being handed over"));
        }
        self.settle_down(id).await?;
        let snapshot = self.store.snapshot(id).await?;
        let before = self.ask(self.engine.seats(id)).await?;
        self.ask(self.engine.load_seats(id, &snapshot, self.clock.now()))
            .await?;
        let after = self.ask(self.engine.seats(id)).await?;
        let corrected = differing(&before, &after);
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
    pub(crate) async fn go_on(&self, event: EventId, frozen: Frozen) -> Result<bool, BookingError> {
        let (handover, now) = (self.store.handover(event).await?, self.clock.now());
        if frozen == Frozen::Here && handover.as_ref().is_some_and(|(_, until)| *until > now) {
            return Ok(false);
        }
        if let Some((mark, _)) = handover {
            // First: once the line goes on, an older copy of it must not be taken for whole.
            self.store.end_handover(event, &mark).await?;
        }
        self.ask(self.engine.thaw(event, now)).await?;
        tracing::info!(%event, ?frozen, "a frozen line goes on");
        Ok(true)
    }

    /// Stops new holds and waits for those under way. What was settled between two looks is in the
    /// database by then.
    async fn settle_down(&self, event: EventId) -> Result<(), BookingError> {
        let until = Instant::now() + SETTLING;
        while self
            .ask(self.engine.begin_sync(event, self.clock.now()))
            .await?
            > 0
            && Instant::now() < until
        {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    async fn ask<T>(
        &self,
        step: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let late =
            || EngineError::Unavailable(format!("no answer in {} ms", ENGINE_DEADLINE.as_millis()));
        tokio::time::timeout(ENGINE_DEADLINE, step)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

fn opening(event: &Event, checkpoint: Reached, mark: Option<String>, now: Timestamp) -> Opening {
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

fn differing(before: &[ZoneSeats], after: &[ZoneSeats]) -> u64 {
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
        assert!(inventory.restore(&event).await.unwrap().zones > 0);
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
            inventory.restore(&event).await.unwrap(),
            RebuildReport::default()
        );
        assert_eq!(free(&engine, id).await, 1, "nothing was done");
        assert!(inventory.sync(&event).await.unwrap().corrected > 0);
        assert_eq!(free(&engine, id).await, whole);

        // One that was opened by whoever died before its seats were there.
        engine.remove(id).await.unwrap();
        let now = clock.now();
        engine
            .open(id, &opening(&event, Reached::default(), None, now), now)
            .await
            .unwrap();
        assert!(inventory.restore(&event).await.unwrap().zones > 0);
        assert_eq!(free(&engine, id).await, whole);
    }
}
