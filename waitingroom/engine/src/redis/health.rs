//! Looking at Redis itself: does it take what is written, may this process's user do all that the
//! steps do, is there memory left, and what time is it there?

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::select_ok;
use redis::{Cmd, FromRedisValue, RedisResult, cmd};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use waitingroom_domain::clock::{Clock, Timestamp};

use super::{RedisEngine, invoke::with_timeout, server_clock::ClockSample};
use crate::{EngineError, clock_sync};

/// Keys that a cluster is probed with.
const CLUSTER_PROBES: usize = 8;
/// How often Redis is looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Writes without leaving anything, and answers 1 where what takes memory is refused. A server that
/// may not write refuses this. KEYS: a key that does not exist.
const PROBE: &str = "local full = redis.pcall('SETRANGE', KEYS[1], 0, '') \
    redis.call('DEL', KEYS[1]) \
    return type(full) == 'table' and full.err and string.find(full.err, 'OOM', 1, true) and 1 or 0";

/// Tries every command of the steps on a key that does not exist, and answers the names of those
/// that the user may not use.
pub(super) const PERMISSIONS: &str = include_str!("permissions.lua");

/// What was found at the last look.
#[derive(Debug, Default)]
pub(super) struct Health {
    has_permissions: AtomicBool,
    is_full: AtomicBool,
}

impl RedisEngine {
    /// Does Redis take what is written? Also where it is full, since what frees memory is taken
    /// then.
    pub(super) async fn probe(&self) -> Result<(), EngineError> {
        if !self.health.has_permissions.load(Ordering::Relaxed) {
            self.check_permissions().await?;
        }

        let is_full: bool = self.eval_on_any(PROBE).await?;
        metrics::gauge!(crate::metric_definitions::REDIS_FULL).set(if is_full { 1.0 } else { 0.0 });

        if self.health.is_full.swap(is_full, Ordering::Relaxed) != is_full {
            if is_full {
                tracing::error!(
                    "Redis is full (maxmemory): nobody new can join a line, whoever has a place goes on"
                );
            } else {
                tracing::info!("Redis has memory again");
            }
        }

        Ok(())
    }

    /// Whatever the steps do, the user that this process has in Redis may do.
    ///
    /// # Errors
    /// Names what is missing.
    pub async fn check_permissions(&self) -> Result<(), EngineError> {
        let missing: Vec<String> = self.eval_on_any(PERMISSIONS).await?;
        if missing.is_empty() {
            self.health.has_permissions.store(true, Ordering::Relaxed);
            return Ok(());
        }

        let missing = missing.join(" ");
        Err(EngineError::Unavailable(format!(
            "the user of Redis may not use these, see README: {missing}"
        )))
    }

    /// Of a cluster, one shard has to answer: the events of the others stand still by themselves.
    async fn eval_on_any<T: FromRedisValue>(&self, script: &str) -> Result<T, EngineError> {
        let calls = self.probe_keys().map(|key| {
            Box::pin(async move {
                let (mut command, mut connection): (Cmd, _) = (cmd("EVAL"), self.connection());
                command
                    .arg(script)
                    .arg(1)
                    .arg(key)
                    .query_async(&mut connection)
                    .await
            })
        });
        with_timeout(select_ok(calls))
            .await
            .map(|(answer, _)| answer)
    }

    /// Keys that are never there for longer than a script; in a cluster enough of them that several
    /// shards have some.
    fn probe_keys(&self) -> impl Iterator<Item = String> + use<'_> {
        let count = if self.connection.is_to_cluster() {
            CLUSTER_PROBES
        } else {
            1
        };
        (0..count).map(|number| format!("{}:{{probe-{number}}}", self.prefix))
    }

    /// What Redis' clock shows.
    ///
    /// # Errors
    /// No answer in time.
    pub async fn server_time(&self) -> Result<(Timestamp, Duration), EngineError> {
        let sample = with_timeout(self.read_time()).await?;
        Ok((sample.at(Instant::now()), sample.error()))
    }

    async fn read_time(&self) -> RedisResult<ClockSample> {
        let samples = self
            .probe_keys()
            .map(|key| Box::pin(async move { self.clocks.measure(&key, &self.connection).await }));
        select_ok(samples).await.map(|(sample, _)| sample)
    }

    /// Looks at Redis each second until `drain` is cancelled: keeps `clock` at Redis' time, and says
    /// what is wrong.
    pub async fn monitor(self, clock: Clock, drain: CancellationToken) {
        let mut is_failing = false;

        while drain
            .run_until_cancelled(sleep(CHECK_INTERVAL))
            .await
            .is_some()
        {
            let result = self.probe().await;
            match (&result, is_failing) {
                (Err(error), false) => tracing::warn!(%error, "Redis does not do what it is asked"),
                (Ok(()), true) => tracing::info!("Redis does what it is asked again"),
                _ => {}
            }
            is_failing = result.is_err();

            if let Ok((now, error)) = self.server_time().await {
                clock_sync::follow(&clock, now, error);
            }
        }
    }
}
