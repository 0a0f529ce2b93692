//! A process's command connection, and when it is made anew.
//!
//! The client library reconnects where a connection breaks. Two faults leave one that looks whole
//! and is of no use: a server that answers and may not do the work any more, because another has
//! taken its role (the name may lead there by now), and a client that answers nothing at all. Both
//! are seen here from what calls come to, and the connection is replaced, its name resolved anew.

use std::{sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use redis::{
    Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, ConnectionManager},
    cluster_async::ClusterConnection,
};
use tokio::time::{Instant, timeout};

use super::RedisServers;

/// A connection over which nothing was answered for this long, while something was asked, is
/// replaced.
const REPLY_SILENCE_TIMEOUT: Duration = Duration::from_secs(5);
/// Least time between two replacements.
const REPLACE_INTERVAL: Duration = Duration::from_millis(500);
/// Longest time that a replacement may take.
const REPLACE_TIMEOUT: Duration = Duration::from_secs(5);
/// After so many replacements without an answer, while a server answers to somebody else, only a
/// restart helps.
const MAX_FAILED_REPLACEMENTS: u32 = 3;

/// Clones share what they are connections to.
#[derive(Clone)]
pub struct RedisConnection(Arc<SharedConnection>);

struct SharedConnection {
    servers: RedisServers,
    link: RwLock<Link>,
    health: Mutex<LinkHealth>,
}

/// What is connected.
#[derive(Clone)]
pub(super) enum Link {
    /// To one server.
    One(ConnectionManager),
    /// To each primary of a cluster, multiplexed; calls go to the server that has their key.
    Cluster(ClusterConnection),
}

/// How calls fare.
#[derive(Debug, Default)]
struct LinkHealth {
    /// The first call since the last answer.
    unanswered_since: Option<Instant>,
    /// Replacements since the last answer.
    failed_replacements: u32,
    replacing: bool,
    replaced_at: Option<Instant>,
    /// How often it was replaced.
    replacements: u64,
}

impl LinkHealth {
    /// Something is asked now. True where nothing was answered for too long.
    fn on_call(&mut self, now: Instant) -> bool {
        let since = *self.unanswered_since.get_or_insert(now);
        now.duration_since(since) >= REPLY_SILENCE_TIMEOUT
    }

    fn on_reply(&mut self) {
        (self.unanswered_since, self.failed_replacements) = (None, 0);
    }

    /// May a replacement begin? One at a time, and not too often.
    fn begin_replacement(&mut self, now: Instant) -> bool {
        let rested = self
            .replaced_at
            .is_none_or(|at| now.duration_since(at) >= REPLACE_INTERVAL);
        let begins = rested && !self.replacing;
        self.replacing |= begins;
        begins
    }

    fn end_replacement(&mut self, now: Instant, done: bool) {
        (self.replacing, self.replaced_at) = (false, Some(now));
        if done {
            if self.unanswered_since.take().is_some() {
                self.failed_replacements += 1;
            }
            self.replacements += 1;
        }
    }
}

impl RedisConnection {
    pub(super) fn new(servers: RedisServers, link: Link) -> Self {
        Self(Arc::new(SharedConnection {
            servers,
            link: RwLock::new(link),
            health: Mutex::default(),
        }))
    }

    /// Is it to a cluster, where some servers may answer and others not?
    pub(crate) fn is_to_cluster(&self) -> bool {
        matches!(self.0.servers, RedisServers::Cluster(_))
    }

    /// How often the connection was made anew, by another client: what was known of the server may
    /// not hold any more.
    pub(crate) fn replacements(&self) -> u64 {
        self.0.health.lock().replacements
    }

    /// Can this process talk to Redis, or is Redis the one that is away?
    ///
    /// # Errors
    /// The connection was replaced again and again and nothing was answered, while a server answers
    /// others: only a restart helps.
    pub async fn alive(&self) -> Result<(), String> {
        let failed_replacements = self.0.health.lock().failed_replacements;
        if failed_replacements >= MAX_FAILED_REPLACEMENTS && self.0.servers.is_any_reachable().await
        {
            return Err(format!(
                "Redis answers, but not to this process: {failed_replacements} connections in a row heard nothing"
            ));
        }
        Ok(())
    }

    fn link_for_call(&self) -> Link {
        if self.0.health.lock().on_call(Instant::now()) {
            self.replace("nothing was answered");
        }
        self.0.link.read().clone()
    }

    fn on_reply<T>(&self, answer: &RedisResult<T>, error_code: Option<&str>) {
        let code = answer
            .as_ref()
            .map_or_else(RedisError::code, |_| error_code);

        if answer.is_ok() || code.is_some() {
            self.0.health.lock().on_reply();
        }

        if let Some(code) = code.filter(|code| is_failover_code(code)) {
            self.replace(code);
        }
    }

    /// Until the new one is connected, the old one is used: it may answer some calls.
    fn replace(&self, why: &str) {
        if !self.0.health.lock().begin_replacement(Instant::now()) {
            return;
        }

        tracing::warn!(why, "replacing the connection to Redis");
        metrics::counter!(crate::metric_definitions::REDIS_RECONNECTS).increment(1);

        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let link = timeout(REPLACE_TIMEOUT, shared.servers.open_link()).await;
            let link =
                link.unwrap_or_else(|_| Err(RedisError::from((ErrorKind::Io, "not in time"))));
            let done = link.is_ok();
            match link {
                Ok(link) => *shared.link.write() = link,
                Err(error) => tracing::warn!(%error, "failed to connect to Redis; will retry"),
            }
            shared.health.lock().end_replacement(Instant::now(), done);
        });
    }
}

/// Does this answer say that the work is to be done by another server, or that this one is not
/// there yet?
fn is_failover_code(code: &str) -> bool {
    [
        "READONLY",
        "MASTERDOWN",
        "LOADING",
        "NOREPLICAS",
        "UNBLOCKED",
    ]
    .contains(&code)
}

fn error_code(value: &Value) -> Option<&str> {
    match value {
        Value::ServerError(error) => Some(error.code()),
        _ => None,
    }
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let answer = self.link_for_call().req_packed_command(command).await;
            self.on_reply(&answer, answer.as_ref().ok().and_then(error_code));
            answer
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let answer = self
                .link_for_call()
                .req_packed_commands(pipeline, offset, count)
                .await;
            self.on_reply(
                &answer,
                answer
                    .as_ref()
                    .ok()
                    .and_then(|values| values.iter().find_map(error_code)),
            );
            answer
        })
    }

    fn get_db(&self) -> i64 {
        self.0.link.read().get_db()
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

#[cfg(test)]
mod tests {
    use redis::ServerErrorKind;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_answers_nothing_is_replaced_and_counted_until_one_answers() {
        let mut health = LinkHealth::default();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);

        assert!(!health.on_call(at(0)));
        assert!(!health.on_call(at(4_999)));
        assert!(health.on_call(at(5_000)) && health.begin_replacement(at(5_000)));
        assert!(!health.begin_replacement(at(5_001)), "one is under way");
        health.end_replacement(at(5_100), true);
        assert!(!health.on_call(at(5_200)), "the new one has as long");
        assert!(!health.begin_replacement(at(5_300)), "not too often");
        assert_eq!(health.failed_replacements, 1);
        health.on_reply();
        assert_eq!((health.failed_replacements, health.replacements), (0, 1));
        assert!(
            !health.on_call(at(60_000)),
            "silence counts from the first question"
        );
    }

    #[test]
    fn the_answers_of_a_server_that_has_lost_its_role_lead_elsewhere() {
        assert!(
            ["READONLY", "MASTERDOWN", "LOADING"]
                .into_iter()
                .all(is_failover_code)
        );
        assert!(
            !["OOM", "NOSCRIPT", "LATE", "MOVED", "ERR"]
                .into_iter()
                .any(is_failover_code)
        );

        let kind = ServerErrorKind::ReadOnly;
        assert!(
            RedisError::from((ErrorKind::Server(kind), "demoted"))
                .code()
                .is_some_and(is_failover_code)
        );
    }
}
