//! The engine in this process's memory: the embedded default, and the executable specification that
//! the Redis scripts are held against.

mod deadline_set;
mod earlier_numbers;
mod queue;
mod rank_index;
mod seats;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, Epoch, EventId, NodeId, UserId},
    queue::QueueSettings,
    rate::Throttle,
    seats::{Reserve, ReserveOutcome, SeatSnapshot, Settlement, StaleHold, Tally, ZoneSeats},
};

use self::{queue::Queue, seats::Seats};
use super::{
    Action, ActionKind, ActionResult, Engine, EngineError, Frozen, OpenParams, QueueStatus,
    RecoveryPoint, Released, TickScope,
};

/// Line and seats of one event.
#[derive(Debug)]
struct Sale {
    queue: Queue,
    seats: Seats,
    is_frozen: bool,
}

impl Sale {
    fn apply(&mut self, action: &Action, now: Timestamp) -> ActionResult {
        match (self.queue.apply(action, now), &action.kind) {
            (ActionResult::Done(false), ActionKind::Acknowledge(pass)) => {
                ActionResult::Done(self.seats.was_redeemed(pass, self.queue.clock()))
            }
            (acted, _) => acted,
        }
    }
}

/// See the module's documentation. Each event has a lock of its own, held for one step.
#[derive(Debug, Default)]
pub struct InMemoryEngine {
    sales: RwLock<HashMap<EventId, Arc<Mutex<Sale>>>>,
}

impl InMemoryEngine {
    /// An engine that holds no event.
    pub fn new() -> Self {
        Self::default()
    }

    fn read<T>(
        &self,
        event: EventId,
        operation: impl FnOnce(&mut Sale) -> T,
    ) -> Result<T, EngineError> {
        let sale = self
            .sales
            .read()
            .get(&event)
            .cloned()
            .ok_or(EngineError::UnknownEvent)?;
        let mut sale = sale.lock();
        Ok(operation(&mut sale))
    }

    /// An operation that changes something; a frozen queue rejects it.
    fn write<T>(
        &self,
        event: EventId,
        operation: impl FnOnce(&mut Sale) -> T,
    ) -> Result<T, EngineError> {
        let frozen = || EngineError::Unavailable("the line is frozen".to_owned());
        self.read(event, |sale| {
            if sale.is_frozen {
                Err(frozen())
            } else {
                Ok(operation(sale))
            }
        })?
    }
}

#[async_trait]
impl Engine for InMemoryEngine {
    async fn open(
        &self,
        event: EventId,
        opening: &OpenParams,
        now: Timestamp,
    ) -> Result<Epoch, EngineError> {
        let mut sales = self.sales.write();
        let sale = sales.entry(event).or_insert_with(|| {
            Arc::new(Mutex::new(Sale {
                queue: Queue::open(event, opening, now),
                seats: Seats::default(),
                is_frozen: false,
            }))
        });
        Ok(sale.lock().queue.epoch.clone())
    }

    async fn configure(&self, event: EventId, settings: &QueueSettings) -> Result<(), EngineError> {
        self.write(event, |sale| sale.queue.settings = settings.clone())
    }

    async fn events(&self) -> Result<Vec<EventId>, EngineError> {
        Ok(self.sales.read().keys().copied().collect())
    }

    async fn status(&self, event: EventId) -> Result<QueueStatus, EngineError> {
        self.read(event, |sale| QueueStatus {
            frozen: sale.is_frozen.then_some(Frozen::Here),
            ..sale.queue.status(sale.seats.totals())
        })
    }

    async fn recovery_point(&self, event: EventId) -> Result<RecoveryPoint, EngineError> {
        self.read(event, |sale| sale.queue.recovery_point())
    }

    /// What this process loses is lost: no mark outlives it.
    async fn freeze(&self, event: EventId, _mark: &str) -> Result<(), EngineError> {
        self.read(event, |sale| sale.is_frozen = true)
    }

    async fn thaw(&self, event: EventId, now: Timestamp) -> Result<(), EngineError> {
        self.read(event, |sale| {
            if std::mem::take(&mut sale.is_frozen) {
                sale.queue.delay_release(now);
            }
        })
    }

    async fn remove(&self, event: EventId) -> Result<(), EngineError> {
        self.sales.write().remove(&event);
        Ok(())
    }

    async fn apply(
        &self,
        event: EventId,
        actions: &[Action],
        now: Timestamp,
    ) -> Result<Vec<ActionResult>, EngineError> {
        self.write(event, |sale| {
            actions
                .iter()
                .map(|action| sale.apply(action, now))
                .collect()
        })
    }

    async fn report_node(
        &self,
        event: EventId,
        node: &NodeId,
        now: Timestamp,
    ) -> Result<bool, EngineError> {
        self.write(event, |sale| sale.queue.report_node(node, now))
    }

    async fn finish_restore(
        &self,
        event: EventId,
        node: &NodeId,
        epoch: &Epoch,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        self.write(event, |sale| sale.queue.finish_restore(node, epoch, now))
    }

    async fn release(
        &self,
        event: EventId,
        batch: &str,
        limit: u32,
        throttle: Throttle,
        scope: TickScope,
        now: Timestamp,
    ) -> Result<Released, EngineError> {
        self.write(event, |sale| {
            sale.queue
                .release(batch, limit, throttle, scope, sale.seats.totals(), now)
        })
    }

    async fn reserve_all(
        &self,
        event: EventId,
        requests: &[Reserve],
        now: Timestamp,
    ) -> Result<Vec<ReserveOutcome>, EngineError> {
        self.write(event, |sale| {
            let reserve = |request| {
                let now = sale.queue.advance(now);
                sale.seats.reserve(&mut sale.queue, request, now)
            };
            requests.iter().map(reserve).collect()
        })
    }

    async fn settle(
        &self,
        event: EventId,
        settlements: &[(BookingId, Settlement)],
        now: Timestamp,
    ) -> Result<(), EngineError> {
        self.write(event, |sale| {
            for (booking, settlement) in settlements {
                let now = sale.queue.advance(now);
                sale.seats
                    .settle(&mut sale.queue, *booking, *settlement, now);
            }
        })
    }

    async fn stale_holds(
        &self,
        event: EventId,
        now: Timestamp,
        patience: Duration,
        limit: u32,
    ) -> Result<Vec<StaleHold>, EngineError> {
        self.read(event, |sale| {
            sale.seats.stale_holds(now.minus(patience), limit)
        })
    }

    async fn seats(&self, event: EventId) -> Result<Vec<ZoneSeats>, EngineError> {
        self.read(event, |sale| sale.seats.zones())
    }

    async fn tally(&self, event: EventId, users: &[UserId]) -> Result<Tally, EngineError> {
        self.read(event, |sale| sale.seats.tally(users))
    }

    async fn counted_users(
        &self,
        event: EventId,
        cursor: &str,
    ) -> Result<(Vec<UserId>, String), EngineError> {
        self.read(event, |sale| sale.seats.counted_users(cursor))
    }

    async fn begin_sync(&self, event: EventId, now: Timestamp) -> Result<u64, EngineError> {
        self.write(event, |sale| {
            let now = sale.queue.advance(now);
            sale.seats.begin_sync(now)
        })
    }

    async fn load_seats(
        &self,
        event: EventId,
        snapshot: &SeatSnapshot,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        self.write(event, |sale| {
            sale.queue.advance(now);
            sale.seats.load(&mut sale.queue, snapshot);
        })
    }
}
