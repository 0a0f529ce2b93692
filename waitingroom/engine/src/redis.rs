//! The engine in Redis: every step of the queue and the seats is one Lua script, atomic in Redis'
//! single thread. The scripts answer what [`super::memory`] answers; one contract suite and one
//! property test hold the two together.
//!
//! All keys of an event carry its id as hash tag, so that an event lives in one Cluster slot;
//! `redis/lib/event.lua` lists them. The set of events is the only key beside them. In a cluster
//! each event is so on one shard, and a step is carried out by that shard's primary alone. Redis
//! must not evict (`maxmemory-policy noeviction`): a lost key is a lost part of the queue, while a
//! lost Redis is rebuilt. One that has started again, or a replica that took over, may lack the
//! last writes and cannot tell: a queue that began on another server is taken for lost by the steps
//! that give something out.

mod decode;
mod encode;
mod health;
mod invoke;
mod protocol;
mod scripts;
mod server_clock;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use redis::AsyncCommands;
use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, Epoch, EventId, NodeId, UserId},
    queue::QueueSettings,
    rate::Throttle,
    seats::{Reserve, ReserveOutcome, SeatSnapshot, Settlement, StaleHold, Tally, ZoneSeats},
};

use self::{
    health::Health,
    invoke::{Invocation, with_timeout},
    protocol::{
        CountedUsersArguments, FreezeArguments, LoadSeatsArguments, NodeArguments, NowArguments,
        ReleaseArguments, RestoredArguments, StageArguments, StaleHoldsArguments,
    },
    scripts::{Script, Scripts},
    server_clock::ServerClocks,
};
use super::{
    Action, ActionResult, Engine, EngineError, MAX_TALLY_USERS, OpenParams, QueueStatus,
    RecoveryPoint, Released, SYNC_WINDOW_MS, TickScope,
};
use crate::redis_connection::{RedisConnection, RedisServers};

/// Rows of a snapshot that one step stages.
const MAX_STAGED_ROWS: usize = 500;
/// Settlements that one step carries out.
const MAX_SETTLEMENTS: usize = 500;
/// Most reservations of one step: bounds its time, and the values that Lua passes at once.
const MAX_RESERVATIONS: usize = 500;

/// See the module's documentation. Clones share one connection.
#[derive(Clone)]
pub struct RedisEngine {
    connection: RedisConnection,
    prefix: Arc<str>,
    scripts: Arc<Scripts>,
    clocks: ServerClocks,
    health: Arc<Health>,
}

impl RedisEngine {
    /// Connects; this process's one command connection. It reconnects by itself. Every key begins
    /// with `prefix`, which must not contain braces.
    ///
    /// # Errors
    /// A Redis that does not answer.
    pub async fn connect(servers: &RedisServers, prefix: &str) -> Result<Self, EngineError> {
        let connection = with_timeout(servers.connect()).await?;
        Ok(Self {
            connection,
            prefix: prefix.into(),
            scripts: Arc::default(),
            clocks: ServerClocks::default(),
            health: Arc::default(),
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
    pub async fn ping(&self) -> Result<(), EngineError> {
        with_timeout(self.connection().ping()).await
    }

    fn invocation<'a>(&'a self, script: &'a Script, event: EventId) -> Invocation<'a> {
        Invocation::new(
            self.connection(),
            &self.clocks,
            script,
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
        opening: &OpenParams,
        now: Timestamp,
    ) -> Result<Epoch, EngineError> {
        let key = self.events_key();
        with_timeout(self.connection().sadd::<_, _, ()>(key, event.to_string())).await?;

        let call = self
            .invocation(&self.scripts.open, event)
            .with(encode::opening(opening, now))
            .with(&opening.settings);
        call.run().await?.value()
    }

    async fn configure(&self, event: EventId, settings: &QueueSettings) -> Result<(), EngineError> {
        self.invocation(&self.scripts.configure, event)
            .with(settings)
            .run()
            .await
            .map(drop)
    }

    async fn events(&self) -> Result<Vec<EventId>, EngineError> {
        let members: Vec<String> =
            with_timeout(self.connection().smembers(self.events_key())).await?;
        decode::events(&members)
    }

    async fn status(&self, event: EventId) -> Result<QueueStatus, EngineError> {
        decode::status(self.invocation(&self.scripts.status, event).run().await?)
    }

    /// Redis takes what this process writes, and the user that it has there may do all that the
    /// steps do.
    async fn ready(&self) -> Result<(), EngineError> {
        self.probe().await.map(drop)
    }

    async fn recovery_point(&self, event: EventId) -> Result<RecoveryPoint, EngineError> {
        decode::recovery_point(
            self.invocation(&self.scripts.recovery_point, event)
                .run()
                .await?,
        )
    }

    async fn freeze(&self, event: EventId, mark: &str) -> Result<(), EngineError> {
        self.invocation(&self.scripts.freeze, event)
            .with(FreezeArguments { mark })
            .run()
            .await
            .map(drop)
    }

    async fn thaw(&self, event: EventId, now: Timestamp) -> Result<(), EngineError> {
        self.invocation(&self.scripts.thaw, event)
            .with(NowArguments { now })
            .run()
            .await
            .map(drop)
    }

    /// Its memories of burned passes and idempotency keys are out of force at once, and expire.
    async fn remove(&self, event: EventId) -> Result<(), EngineError> {
        self.invocation(&self.scripts.remove, event).run().await?;
        with_timeout(self.connection().srem(self.events_key(), event.to_string())).await
    }

    async fn apply(
        &self,
        event: EventId,
        actions: &[Action],
        now: Timestamp,
    ) -> Result<Vec<ActionResult>, EngineError> {
        if actions.is_empty() {
            return Ok(Vec::new());
        }
        decode::action_results(
            self.invocation(&self.scripts.apply, event)
                .with(NowArguments { now })
                .with_all(actions.iter().map(encode::action))
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
        self.invocation(&self.scripts.report_node, event)
            .with(NodeArguments { now, node })
            .run()
            .await?
            .value()
    }

    async fn finish_restore(
        &self,
        event: EventId,
        node: &NodeId,
        epoch: &Epoch,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        self.invocation(&self.scripts.finish_restore, event)
            .with(RestoredArguments { now, node, epoch })
            .run()
            .await
            .map(drop)
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
        let call = self
            .invocation(&self.scripts.release, event)
            .with(ReleaseArguments {
                now,
                batch,
                limit,
                throttle: throttle.factor,
                throttle_decided_at: throttle.decided_at,
                is_full_tick: scope == TickScope::Full,
            });
        decode::released(event, call.run().await?)
    }

    async fn reserve_all(
        &self,
        event: EventId,
        requests: &[Reserve],
        now: Timestamp,
    ) -> Result<Vec<ReserveOutcome>, EngineError> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for some in requests.chunks(MAX_RESERVATIONS) {
            let call = self
                .invocation(&self.scripts.reserve, event)
                .with(NowArguments { now })
                .with_all(some.iter().map(encode::reservation));
            outcomes.extend(decode::reserved(call.run().await?)?);
        }

        Ok(outcomes)
    }

    async fn settle(
        &self,
        event: EventId,
        settlements: &[(BookingId, Settlement)],
        now: Timestamp,
    ) -> Result<(), EngineError> {
        for some in settlements.chunks(MAX_SETTLEMENTS) {
            self.invocation(&self.scripts.settle, event)
                .with(NowArguments { now })
                .with_all(some.iter().map(encode::settlement))
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
            .invocation(&self.scripts.stale_holds, event)
            .with(StaleHoldsArguments {
                now,
                stale_after_ms: patience.as_millis() as u64,
                limit,
            });
        decode::stale_holds(call.run().await?)
    }

    async fn seats(&self, event: EventId) -> Result<Vec<ZoneSeats>, EngineError> {
        decode::seats(self.invocation(&self.scripts.seats, event).run().await?)
    }

    async fn tally(&self, event: EventId, users: &[UserId]) -> Result<Tally, EngineError> {
        let call = self
            .invocation(&self.scripts.tally, event)
            .with_all(users.iter().take(MAX_TALLY_USERS));
        decode::tally(call.run().await?)
    }

    async fn counted_users(
        &self,
        event: EventId,
        cursor: &str,
    ) -> Result<(Vec<UserId>, String), EngineError> {
        let cursor = if cursor.is_empty() { "0" } else { cursor };
        decode::counted_users(
            self.invocation(&self.scripts.counted_users, event)
                .with(CountedUsersArguments { cursor })
                .run()
                .await?,
        )
    }

    async fn begin_sync(&self, event: EventId, now: Timestamp) -> Result<u64, EngineError> {
        self.invocation(&self.scripts.begin_sync, event)
            .with(NowArguments { now })
            .run()
            .await?
            .value()
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

        for (part, rows) in encode::snapshot_rows(snapshot) {
            for some in rows.chunks(MAX_STAGED_ROWS) {
                let arguments = StageArguments {
                    now,
                    load: &load,
                    sync_until: until(),
                    part,
                };
                self.invocation(&self.scripts.stage, event)
                    .with(arguments)
                    .with_all(some.iter().flat_map(|(name, value)| [name, value]))
                    .run()
                    .await?;
            }
        }

        loop {
            let call = self
                .invocation(&self.scripts.load_seats, event)
                .with(LoadSeatsArguments {
                    now,
                    load: &load,
                    sync_until: until(),
                });
            if call.run().await?.value()? {
                return Ok(());
            }
        }
    }
}
