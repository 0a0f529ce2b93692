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

use crate::{clock::Timestamp, redis_servers::RedisConnection};

/// How long a measurement is good: a server's clock and this host's may drift apart, or be set.
const GOOD_FOR: Duration = Duration::from_secs(5);
/// More events than any installation has; beyond it all are measured anew.
const KNOWN: usize = 10_000;

/// What a server's clock showed between two moments of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// What it showed.
    pub(crate) server: Timestamp,
    /// When it was asked.
    pub(crate) asked: Instant,
    /// When the answer was there.
    pub(crate) answered: Instant,
    /// Over which of the process's connections.
    connection: u64,
}

impl Reading {
    /// The server's clock at this moment, or less: never more than half a round trip beside the
    /// truth to the one side, and never on the other.
    fn at_least(&self, moment: Instant) -> i64 {
        let later = moment.saturating_duration_since(self.answered).as_millis() as i64;
        let earlier = self.answered.saturating_duration_since(moment).as_millis() as i64;
        self.server.millis() + later - earlier
    }

    /// The server's clock at this moment, as far as is known.
    pub(crate) fn at(&self, moment: Instant) -> Timestamp {
        let half = self.answered.duration_since(self.asked) / 2;
        self.server
            .plus(moment.saturating_duration_since(self.asked + half))
    }

    /// How far [`Reading::at`] may be beside the truth.
    pub(crate) fn error(&self) -> Duration {
        self.answered.duration_since(self.asked) / 2
    }
}

#[derive(Debug, Clone, Copy)]
struct Known {
    reading: Reading,
    /// When the next reading is due; moved on by whoever takes it, so that one does.
    due: Instant,
}

/// See the module's documentation. Clones share what they know.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerTime(Arc<Mutex<HashMap<String, Known>>>);

impl ServerTime {
    /// The moment in the clock of the server that has this key after which it is later than
    /// `moment` here for certain.
    pub(super) async fn of(
        &self,
        key: &str,
        connection: &RedisConnection,
        moment: Instant,
    ) -> RedisResult<i64> {
        let reading = match self.known(key, connection) {
            Some(reading) => reading,
            None => self.measure(key, connection).await?,
        };
        Ok(reading.at_least(moment))
    }

    fn known(&self, key: &str, connection: &RedisConnection) -> Option<Reading> {
        let mut all = self.0.lock();
        let known = all.get_mut(key)?;
        let now = Instant::now();
        if known.reading.connection != connection.replacements() {
            return None;
        }
        if known.due <= now {
            known.due = now + GOOD_FOR; // others go on with the old one meanwhile
            return None;
        }
        Some(known.reading)
    }

    /// Asks the server that has this key.
    pub(super) async fn measure(
        &self,
        key: &str,
        connection: &RedisConnection,
    ) -> RedisResult<Reading> {
        let (mut asking, asked) = (connection.clone(), Instant::now());
        let mut time = cmd("EVAL");
        time.arg("return redis.call('TIME')").arg(1).arg(key);
        let (seconds, micros): (i64, i64) = time.query_async(&mut asking).await?;
        Ok(self.note(
            key,
            connection,
            Timestamp::from_millis(seconds * 1000 + micros / 1000),
            asked,
        ))
    }

    /// A server has just told its time.
    pub(super) fn note(
        &self,
        key: &str,
        connection: &RedisConnection,
        server: Timestamp,
        asked: Instant,
    ) -> Reading {
        let answered = Instant::now();
        let reading = Reading {
            server,
            asked,
            answered,
            connection: connection.replacements(),
        };
        let mut all = self.0.lock();
        if all.len() >= KNOWN {
            all.clear();
        }
        all.insert(
            key.to_owned(),
            Known {
                reading,
                due: answered + GOOD_FOR,
            },
        );
        reading
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_never_later_by_the_servers_clock() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let reading = Reading {
            server: Timestamp::from_millis(1_000_000),
            asked: start,
            answered: start + ms(40),
            connection: 0,
        };
        // The server read its clock somewhere between the two: in the last moment at the worst.
        assert_eq!(reading.at_least(start + ms(2_040)), 1_002_000);
        assert_eq!(reading.at_least(start), 999_960);
        assert_eq!(
            reading.at(start + ms(1_020)),
            Timestamp::from_millis(1_001_000)
        );
        assert_eq!(reading.error(), ms(20));
    }
}
