//! What Redis and this process have computed, and the event that it is counted on.

use uuid::Uuid;
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    ids::EventId,
    queue::QueueSettings,
};
use waitingroom_engine::{Engine, OpenParams, redis::RedisEngine};

/// Seconds of CPU until now.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    redis: f64,
    own: f64,
}

impl Cost {
    pub(crate) async fn until_now(redis: &RedisEngine) -> Self {
        Self {
            redis: redis_cpu(redis).await,
            own: own_cpu(),
        }
    }

    /// Microseconds since then, of Redis and of this process, for each of so many.
    pub(crate) async fn since(self, redis: &RedisEngine, count: usize) -> (f64, f64) {
        let now = Self::until_now(redis).await;
        let each = |seconds: f64| seconds * 1e6 / count as f64;
        (each(now.redis - self.redis), each(now.own - self.own))
    }
}

/// An event that is open.
pub(crate) async fn open(engine: &dyn Engine, settings: QueueSettings) -> EventId {
    let event: EventId = Uuid::new_v4().into();
    let release_from = Timestamp::default();
    let opening = OpenParams {
        settings,
        epoch: "now".parse().unwrap(),
        sequence: 0,
        head: 0,
        unserved: Default::default(),
        mark: None,
        release_from,
        awaited_nodes: Vec::new(),
    };

    engine
        .open(event, &opening, Clock::System.now())
        .await
        .unwrap();
    event
}

/// Seconds that Redis has computed.
async fn redis_cpu(redis: &RedisEngine) -> f64 {
    let info: String = ::redis::cmd("INFO")
        .arg("cpu")
        .query_async(&mut redis.connection())
        .await
        .unwrap();
    let seconds = |name: &str| -> f64 {
        info.lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    };
    seconds("used_cpu_user:") + seconds("used_cpu_sys:")
}

/// Seconds that this process has computed, by the kernel's clock of 100 ticks a second.
fn own_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();

    fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum::<f64>()
        / 100.0
}
