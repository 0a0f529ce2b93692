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
const SILENCE: Duration = Duration::from_secs(5);
/// Least time between two replacements.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest time that a replacement may take.
const REPLACEMENT: Duration = Duration::from_secs(5);
/// After so many replacements without an answer, while a server answers to somebody else, only a
/// restart helps.
const IN_VAIN: u32 = 3;

/// Clones share what they are connections to.
#[derive(Clone)]
pub struct RedisConnection(Arc<Shared>);

struct Shared {
    servers: RedisServers,
    link: RwLock<Link>,
    course: Mutex<Course>,
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
struct Course {
    /// The first call since the last answer.
    unanswered_since: Option<Instant>,
    /// Replacements since the last answer.
    in_vain: u32,
    replacing: bool,
    replaced_at: Option<Instant>,
    /// How often it was replaced.
    replacements: u64,
}

impl Course {
    /// Something is asked now. True where nothing was answered for too long.
    fn asked(&mut self, now: Instant) -> bool {
        let since = *self.unanswered_since.get_or_insert(now);
        now.duration_since(since) >= SILENCE
    }

    fn answered(&mut self) {
        (self.unanswered_since, self.in_vain) = (None, 0);
    }

    /// May a replacement begin? One at a time, and not too often.
    fn begin(&mut self, now: Instant) -> bool {
        let rested = self
            .replaced_at
            .is_none_or(|at| now.duration_since(at) >= PAUSE);
        let begins = rested && !self.replacing;
        self.replacing |= begins;
        begins
    }

    fn replaced(&mut self, now: Instant, done: bool) {
        (self.replacing, self.replaced_at) = (false, Some(now));
        if done {
            if self.unanswered_since.take().is_some() {
                self.in_vain += 1;
            }
            self.replacements += 1;
        }
    }
}

impl RedisConnection {
    pub(super) fn new(servers: RedisServers, link: Link) -> Self {
        Self(Arc::new(Shared {
            servers,
            link: RwLock::new(link),
            course: Mutex::default(),
        }))
    }

    /// Is it to a cluster, where some servers may answer and others not?
    pub(crate) fn is_to_cluster(&self) -> bool {
        matches!(self.0.servers, RedisServers::Cluster(_))
    }

    /// How often the connection was made anew, by another client: what was known of the server may
    /// not hold any more.
    pub(crate) fn replacements(&self) -> u64 {
        self.0.course.lock().replacements
    }

    /// Can this process talk to Redis, or is Redis the one that is away?
    ///
    /// # Errors
    /// The connection was replaced again and again and nothing was answered, while a server answers
    /// others: only a restart helps.
    pub async fn alive(&self) -> Result<(), String> {
        let in_vain = self.0.course.lock().in_vain;
        if in_vain >= IN_VAIN && self.0.servers.answers().await {
            return Err(format!(
                "Redis answers, but not to this process: {in_vain} connections in a row heard nothing"
            ));
        }
        Ok(())
    }

    fn asked(&self) -> Link {
        if self.0.course.lock().asked(Instant::now()) {
            self.replace("nothing was answered");
        }
        self.0.link.read().clone()
    }

    fn heard<T>(&self, answer: &RedisResult<T>, refused: Option<&str>) {
        let code = answer.as_ref().map_or_else(RedisError::code, |_| refused);
        if answer.is_ok() || code.is_some() {
            self.0.course.lock().answered();
        }
        if let Some(code) = code.filter(|code| leads_elsewhere(code)) {
            self.replace(code);
        }
    }

    /// Until the new one is connected, the old one is used: it may answer some calls.
    fn replace(&self, why: &str) {
        if !self.0.course.lock().begin(Instant::now()) {
            return;
        }
        tracing::warn!(why, "the connection to Redis is made anew");
        metrics::counter!("stanchion_redis_reconnects_total").increment(1);
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let link = timeout(REPLACEMENT, shared.servers.link()).await;
            let link =
                link.unwrap_or_else(|_| Err(RedisError::from((ErrorKind::Io, "not in time"))));
            let done = link.is_ok();
            match link {
                Ok(link) => *shared.link.write() = link,
                Err(error) => tracing::warn!(%error, "no connection to Redis yet"),
            }
            shared.course.lock().replaced(Instant::now(), done);
        });
    }
}

/// Does this answer say that the work is to be done by another server, or that this one is not
/// there yet?
fn leads_elsewhere(code: &str) -> bool {
    [
        "READONLY",
        "MASTERDOWN",
        "LOADING",
        "NOREPLICAS",
        "UNBLOCKED",
    ]
    .contains(&code)
}

fn refusal(value: &Value) -> Option<&str> {
    match value {
        Value::ServerError(error) => Some(error.code()),
        _ => None,
    }
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let answer = self.asked().req_packed_command(command).await;
            self.heard(&answer, answer.as_ref().ok().and_then(refusal));
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
                .asked()
                .req_packed_commands(pipeline, offset, count)
                .await;
            self.heard(
                &answer,
                answer
                    .as_ref()
                    .ok()
                    .and_then(|values| values.iter().find_map(refusal)),
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
        let mut course = Course::default();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert!(!course.asked(at(0)));
        assert!(!course.asked(at(4_999)));
        assert!(course.asked(at(5_000)) && course.begin(at(5_000)));
        assert!(!course.begin(at(5_001)), "one is under way");
        course.replaced(at(5_100), true);
        assert!(!course.asked(at(5_200)), "the new one has as long");
        assert!(!course.begin(at(5_300)), "not too often");
        assert_eq!(course.in_vain, 1);
        course.answered();
        assert_eq!((course.in_vain, course.replacements), (0, 1));
        assert!(
            !course.asked(at(60_000)),
            "silence counts from the first question"
        );
    }

    #[test]
    fn the_answers_of_a_server_that_has_lost_its_role_lead_elsewhere() {
        assert!(
            ["READONLY", "MASTERDOWN", "LOADING"]
                .into_iter()
                .all(leads_elsewhere)
        );
        assert!(
            !["OOM", "NOSCRIPT", "LATE", "MOVED", "ERR"]
                .into_iter()
                .any(leads_elsewhere)
        );
        let kind = ServerErrorKind::ReadOnly;
        assert!(
            RedisError::from((ErrorKind::Server(kind), "demoted"))
                .code()
                .is_some_and(leads_elsewhere)
        );
    }
}
