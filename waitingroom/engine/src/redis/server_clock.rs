//! Redis' own clock, as this process reckons it: what the deadlines of calls are told by, and what
//! a process's clock follows.
//!
//! Each server of a cluster has a clock of its own, and which one serves an event may change: what
//! is known is kept for each event, is measured again now and then, and whenever a server refuses a
//! call as late that is not.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use redis::{RedisResult, cmd};
use tokio::time::Instant;
use waitingroom_domain::clock::Timestamp;

use crate::redis_connection::RedisConnection;

/// How long a measurement is good: a server's clock and this host's may drift apart, or be set.
const SAMPLE_TTL: Duration = Duration::from_secs(5);
/// More events than any installation has; beyond it all are measured anew.
const MAX_CACHED: usize = 10_000;

/// What a server's clock showed between two moments of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockSample {
    /// What it showed.
    pub(crate) server: Timestamp,
    /// When it was asked.
    pub(crate) sent_at: Instant,
    /// When the answer was there.
    pub(crate) received_at: Instant,
    /// Over which of the process's connections.
    connection: u64,
}

impl ClockSample {
    /// The server's clock at this moment, or less: never more than half a round trip beside the
    /// truth to the one side, and never on the other.
    fn at_least(&self, moment: Instant) -> i64 {
        let later = moment
            .saturating_duration_since(self.received_at)
            .as_millis() as i64;
        let earlier = self
            .received_at
            .saturating_duration_since(moment)
            .as_millis() as i64;
        self.server.millis() + later - earlier
    }

    /// The server's clock at this moment, as far as is known.
    pub(crate) fn at(&self, moment: Instant) -> Timestamp {
        let half = self.received_at.duration_since(self.sent_at) / 2;
        self.server
            .plus(moment.saturating_duration_since(self.sent_at + half))
    }

    /// How far [`ClockSample::at`] may be beside the truth.
    pub(crate) fn error(&self) -> Duration {
        self.received_at.duration_since(self.sent_at) / 2
    }
}

#[derive(Debug, Clone, Copy)]
struct CachedSample {
    sample: ClockSample,
    /// When the next reading is due; moved on by whoever takes it, so that one does.
    due: Instant,
}

/// See the module's documentation. Clones share what they know.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerClocks(Arc<Mutex<HashMap<String, CachedSample>>>);

impl ServerClocks {
    /// The moment in the clock of the server that has this key after which it is later than
    /// `moment` here for certain.
    pub(super) async fn deadline_for(
        &self,
        key: &str,
        connection: &RedisConnection,
        moment: Instant,
    ) -> RedisResult<i64> {
        let sample = match self.cached(key, connection) {
            Some(sample) => sample,
            None => self.measure(key, connection).await?,
        };
        Ok(sample.at_least(moment))
    }

    fn cached(&self, key: &str, connection: &RedisConnection) -> Option<ClockSample> {
        let mut all = self.0.lock();
        let cached = all.get_mut(key)?;
        let now = Instant::now();

        if cached.sample.connection != connection.replacements() {
            return None;
        }

        if cached.due <= now {
            cached.due = now + SAMPLE_TTL; // others go on with the old one meanwhile
            return None;
        }

        Some(cached.sample)
    }

    /// Asks the server that has this key.
    pub(super) async fn measure(
        &self,
        key: &str,
        connection: &RedisConnection,
    ) -> RedisResult<ClockSample> {
        let (mut command_connection, sent_at) = (connection.clone(), Instant::now());
        let mut time = cmd("EVAL");

        time.arg("return redis.call('TIME')").arg(1).arg(key);
        let (seconds, micros): (i64, i64) = time.query_async(&mut command_connection).await?;

        Ok(self.record(
            key,
            connection,
            Timestamp::from_millis(seconds * 1000 + micros / 1000),
            sent_at,
        ))
    }

    /// A server has just told its time.
    pub(super) fn record(
        &self,
        key: &str,
        connection: &RedisConnection,
        server: Timestamp,
        sent_at: Instant,
    ) -> ClockSample {
        let received_at = Instant::now();
        let sample = ClockSample {
            server,
            sent_at,
            received_at,
            connection: connection.replacements(),
        };

        let mut all = self.0.lock();
        if all.len() >= MAX_CACHED {
            all.clear();
        }

        all.insert(
            key.to_owned(),
            CachedSample {
                sample,
                due: received_at + SAMPLE_TTL,
            },
        );
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_never_later_by_the_servers_clock() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let sample = ClockSample {
            server: Timestamp::from_millis(1_000_000),
            sent_at: start,
            received_at: start + ms(40),
            connection: 0,
        };

        // The server read its clock somewhere between the two: in the last moment at the worst.
        assert_eq!(sample.at_least(start + ms(2_040)), 1_002_000);
        assert_eq!(sample.at_least(start), 999_960);
        assert_eq!(
            sample.at(start + ms(1_020)),
            Timestamp::from_millis(1_001_000)
        );
        assert_eq!(sample.error(), ms(20));
    }
}
