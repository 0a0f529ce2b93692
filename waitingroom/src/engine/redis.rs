//! The engine in Redis: every step of the line and the seats is one Lua script, atomic in Redis'
//! single thread. The scripts answer what [`super::memory`] answers; one contract suite and one
//! property test hold the two together.
//!
//! All keys of an event carry its id as hash tag, so that an event lives in one Cluster slot;
//! `redis/state/event.lua` lists them. The set of events is the only key beside them. In a cluster
//! each event is so on one shard, and a step is carried out by that shard's primary alone. Redis
//! must not evict (`maxmemory-policy noeviction`): a lost key is a lost part of the line, while a
//! lost Redis is rebuilt. One that has started again, or a replica that took over, may lack the
//! last writes and cannot tell: a line that began on another server is taken for lost by the steps
//! that give something out.

mod arguments;
mod call;
mod reply;
mod servertime;
mod steps;
mod watch;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use redis::AsyncCommands;
use uuid::Uuid;

use self::{
    call::{Call, within_deadline},
    servertime::ServerTime,
    steps::{Step, Steps},
    watch::Watch,
};
use super::{
    Acted, Action, Engine, EngineError, LineStatus, Opening, Reached, Released, SYNC_WINDOW_MS,
    Scope, TALLY_LIMIT,
};
use crate::{
    clock::Timestamp,
    ids::{BookingId, Epoch, EventId, NodeId, UserId},
    line::QueueSettings,
    rate::Share,
    redis_servers::{RedisConnection, RedisServers},
    seats::{Reserve, ReserveOutcome, SeatSnapshot, Settlement, StaleHold, Tally, ZoneSeats},
};

/// Rows of a snapshot that one step stages.
const STAGED_ROWS: usize = 500;
/// Settlements that one step carries out.
const SETTLEMENTS: usize = 500;
/// Most reservations of one step: bounds its time, and the values that Lua passes at once.
const RESERVE_LIMIT: usize = 500;

/// See the module's documentation. Clones share one connection.
#[derive(Clone)]
pub struct RedisEngine {
    connection: RedisConnection,
    prefix: Arc<str>,
    steps: Arc<Steps>,
    time: ServerTime,
    watch: Arc<Watch>,
}

impl RedisEngine {
    /// Connects; this process's one command connection. It reconnects by itself. Every key begins
    /// with `prefix`, which must not contain braces.
    ///
    /// # Errors
    /// A Redis that does not answer.
    pub async fn connect(servers: &RedisServers, prefix: &str) -> Result<Self, EngineError> {
        let connection = within_deadline(servers.connect()).await?;
        Ok(Self {
            connection,
            prefix: prefix.into(),
            steps: Arc::default(),
            time: ServerTime::default(),
            watch: Arc::default(),
        })
    }

    /// The command connection, to be shared by what else talks to this Redis.
    pub fn connection(&self) -> RedisConnection {
        self.connection.clone()
    }

    /// Does Redis answer?
    ///
    /// # Errors
    /// It does not, or not in time.
    pub async fn health(&self) -> Result<(), EngineError> {
        within_deadline(self.connection().ping()).await
    }

    fn call<'a>(&'a self, step: &'a Step, event: EventId) -> Call<'a> {
        Call::new(
            self.connection(),
            &self.time,
            step,
            format!("{}:{{{event}}}", self.prefix),
        )
    }

    /// The set of events: in a slot of its own, so no step can touch it.
    fn events_key(&self) -> String {
        format!("{}:events", self.prefix)
    }
}

#[async_trait]
impl Engine for RedisEngine {
    /// Listed first, opened second: an event that is listed but not open answers
    /// [`EngineError::UnknownEvent`] until the call is repeated; an open one that is not listed
    /// would silently stand still.
    async fn open(
        &self,
        event: EventId,
        opening: &Opening,
        now: Timestamp,
    ) -> Result<Epoch, EngineError> {
        let key = self.events_key();
        within_deadline(self.connection().sadd::<_, _, ()>(key, event.to_string())).await?;
        let call = self.call(&self.steps.open, event).opening(opening, now);
        reply::epoch(call.run().await?)
    }

    async fn configure(&self, event: EventId, settings: &QueueSettings) -> Result<(), EngineError> {
        self.call(&self.steps.configure, event)
            .settings(settings)
            .run()
            .await
            .map(drop)
    }

    async fn events(&self) -> Result<Vec<EventId>, EngineError> {
        let members: Vec<String> =
            within_deadline(self.connection().smembers(self.events_key())).await?;
        reply::events(&members)
    }

    async fn status(&self, event: EventId) -> Result<LineStatus, EngineError> {
        reply::status(self.call(&self.steps.status, event).run().await?)
    }

    /// Redis takes what this process writes, and the user that it has there may do all that the
    /// steps do.
    async fn ready(&self) -> Result<(), EngineError> {
        self.probe().await.map(drop)
    }

    async fn reached(&self, event: EventId) -> Result<Reached, EngineError> {
        reply::reached(self.call(&self.steps.reached, event).run().await?)
    }

    async fn freeze(&self, event: EventId, mark: &str) -> Result<(), EngineError> {
        self.call(&self.steps.freeze, event)
            .arg(mark)
            .run()
            .await
            .map(drop)
    }

    async fn thaw(&self, event: EventId, now: Timestamp) -> Result<(), EngineError> {
        self.call(&self.steps.thaw, event)
            .at(now)
            .run()
            .await
            .map(drop)
    }

    /// Its memories of burned passes and idempotency keys are out of force at once, and expire.
    async fn remove(&self, event: EventId) -> Result<(), EngineError> {
        self.call(&self.steps.remove, event).run().await?;
        within_deadline(self.connection().srem(self.events_key(), event.to_string())).await
    }

    async fn act(
        &self,
        event: EventId,
        actions: &[Action],
        now: Timestamp,
    ) -> Result<Vec<Acted>, EngineError> {
        if actions.is_empty() {
            return Ok(Vec::new());
        }
        reply::acted(
            self.call(&self.steps.act, event)
                .at(now)
                .actions(actions)
                .run()
                .await?,
            actions,
        )
    }

    async fn report_node(
        &self,
        event: EventId,
        node: &NodeId,
        now: Timestamp,
    ) -> Result<bool, EngineError> {
        reply::flag(
            self.call(&self.steps.report_node, event)
                .at(now)
                .arg(node.as_str())
                .run()
                .await?,
        )
    }

    async fn all_back(
        &self,
        event: EventId,
        node: &NodeId,
        epoch: &Epoch,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let call = self.call(&self.steps.all_back, event).at(now);
        call.arg(node.as_str())
            .arg(epoch.as_str())
            .run()
            .await
            .map(drop)
    }

    async fn release(
        &self,
        event: EventId,
        batch: &str,
        limit: u32,
        share: Share,
        scope: Scope,
        now: Timestamp,
    ) -> Result<Released, EngineError> {
        let call = self
            .call(&self.steps.release, event)
            .at(now)
            .arg(batch)
            .arg(limit);
        let call = call
            .arg(share.part)
            .at(share.decided_at)
            .arg(u8::from(scope == Scope::Whole));
        reply::released(event, call.run().await?)
    }

    async fn reserve_all(
        &self,
        event: EventId,
        requests: &[Reserve],
        now: Timestamp,
    ) -> Result<Vec<ReserveOutcome>, EngineError> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for some in requests.chunks(RESERVE_LIMIT) {
            let call = self
                .call(&self.steps.reserve, event)
                .at(now)
                .reservations(some);
            outcomes.extend(reply::reserved(call.run().await?)?);
        }
        Ok(outcomes)
    }

    async fn settle(
        &self,
        event: EventId,
        settlements: &[(BookingId, Settlement)],
        now: Timestamp,
    ) -> Result<(), EngineError> {
        for some in settlements.chunks(SETTLEMENTS) {
            self.call(&self.steps.settle, event)
                .at(now)
                .settlements(some)
                .run()
                .await?;
        }
        Ok(())
    }

    async fn stale_holds(
        &self,
        event: EventId,
        now: Timestamp,
        patience: Duration,
        limit: u32,
    ) -> Result<Vec<StaleHold>, EngineError> {
        let call = self
            .call(&self.steps.stale_holds, event)
            .at(now)
            .arg(patience.as_millis() as u64)
            .arg(limit);
        reply::stale_holds(call.run().await?)
    }

    async fn seats(&self, event: EventId) -> Result<Vec<ZoneSeats>, EngineError> {
        reply::seats(self.call(&self.steps.seats, event).run().await?)
    }

    async fn tally(&self, event: EventId, users: &[UserId]) -> Result<Tally, EngineError> {
        let call = users
            .iter()
            .take(TALLY_LIMIT)
            .fold(self.call(&self.steps.tally, event), |call, user| {
                call.arg(user.as_str())
            });
        reply::tally(call.run().await?)
    }

    async fn counted_users(
        &self,
        event: EventId,
        cursor: &str,
    ) -> Result<(Vec<UserId>, String), EngineError> {
        let cursor = if cursor.is_empty() { "0" } else { cursor };
        reply::counted_users(
            self.call(&self.steps.counted_users, event)
                .arg(cursor)
                .run()
                .await?,
        )
    }

    async fn begin_sync(&self, event: EventId, now: Timestamp) -> Result<u64, EngineError> {
        reply::count(
            self.call(&self.steps.begin_sync, event)
                .at(now)
                .run()
                .await?,
        )
    }

    /// In parts, each a short step: however many users an event has, nobody else waits for more
    /// than a few milliseconds. Until the last step nothing is in force; a load that does not get
    /// there leaves nothing for long.
    async fn load_seats(
        &self,
        event: EventId,
        snapshot: &SeatSnapshot,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let (load, began) = (Uuid::new_v4().simple().to_string(), Instant::now());
        let until = || Timestamp::from_millis(now.millis() + SYNC_WINDOW_MS).plus(began.elapsed());
        for (kind, rows) in arguments::rows(snapshot) {
            for part in rows.chunks(STAGED_ROWS) {
                let call = self
                    .call(&self.steps.stage, event)
                    .at(now)
                    .arg(&load)
                    .at(until());
                call.part(kind, part).run().await?;
            }
        }
        loop {
            let call = self
                .call(&self.steps.load_seats, event)
                .at(now)
                .arg(&load)
                .at(until());
            if reply::flag(call.run().await?)? {
                return Ok(());
            }
        }
    }
}
