//! What a join costs Redis and this process, one by one and gathered. A Redis of its own makes the figures meaningful:
//! `tests/services/run cargo bench -p waitingroom --bench joins`.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

#[path = "../tests/fixture/redis.rs"]
mod redis;

use std::{sync::Arc, time::Instant};

use futures_util::{StreamExt, stream};
use uuid::Uuid;
use waitingroom::{
    absence::Presence,
    clock::{Clock, Timestamp},
    engine::{
        Join, JoinOutcome, Opening, SharedEngine, gathering::Gathering, memory::MemoryEngine, redis::RedisEngine,
    },
    ids::{EventId, UserId},
    lifecycle::Lifecycle,
    line::QueueSettings,
};

const USERS: usize = 50_000;

/// A way into the engine that is measured.
enum Way {
    OneByOne(SharedEngine),
    Gathered(Gathering),
}

impl Way {
    async fn join(&self, join: Join) {
        let outcome = match self {
            Self::OneByOne(engine) => engine.join(&join, Clock::System.now()).await,
            Self::Gathered(gathering) => gathering.join(join.event_id, &join.user, join.presence, join.ticket).await,
        };
        assert!(matches!(outcome, Ok(JoinOutcome::Joined(_))), "{outcome:?}");
    }
}

#[tokio::main]
async fn main() {
    let (redis, _) = redis::engine().await;
    let memory: SharedEngine = Arc::new(MemoryEngine::new());
    println!("{USERS} joins | at once | joins/s | Redis CPU µs/join | own CPU µs/join");
    for (name, engine) in [("redis", Arc::new(redis.clone()) as SharedEngine), ("memory", memory)] {
        for at_once in [1, 16, 256, 4_096] {
            let gathering = Gathering::new(engine.clone(), Clock::System, Lifecycle::new().0);
            let ways = [("one by one", Way::OneByOne(engine.clone())), ("gathered", Way::Gathered(gathering))];
            for (how, way) in ways {
                measure(&format!("{name}, {how}"), &engine, &redis, &way, at_once).await;
            }
        }
    }
}

async fn measure(name: &str, engine: &SharedEngine, redis: &RedisEngine, way: &Way, at_once: usize) {
    let users = if at_once == 1 { USERS / 10 } else { USERS };
    let event: EventId = Uuid::new_v4().into();
    let (settings, release_from) = (QueueSettings::default(), Timestamp::default());
    let opening = Opening { settings, epoch: "now".parse().unwrap(), sequence: 0, head: 0, release_from };
    engine.open(event, &opening, Clock::System.now()).await.unwrap();
    let (redis_before, own_before, began) = (redis_cpu(redis).await, own_cpu(), Instant::now());
    let joins = stream::iter(0..users).map(|number| async move {
        let user: UserId = format!("user-{number}").parse().unwrap();
        let presence = Presence::Node("node".parse().unwrap());
        way.join(Join { event_id: event, user, presence, ticket: None }).await;
    });
    joins.buffer_unordered(at_once).collect::<()>().await;
    let per_join = |seconds: f64| seconds * 1e6 / users as f64;
    let took = began.elapsed().as_secs_f64();
    let (redis_used, own_used) = (redis_cpu(redis).await - redis_before, own_cpu() - own_before);
    println!(
        "{name} | {at_once} | {:.0} | {:.1} | {:.1}",
        users as f64 / took,
        per_join(redis_used),
        per_join(own_used)
    );
    engine.remove(event).await.unwrap();
}

/// Seconds that Redis has computed.
async fn redis_cpu(redis: &RedisEngine) -> f64 {
    let info: String = ::redis::cmd("INFO").arg("cpu").query_async(&mut redis.connection()).await.unwrap();
    let seconds =
        |name: &str| -> f64 { info.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap() };
    seconds("used_cpu_user:") + seconds("used_cpu_sys:")
}

/// Seconds that this process has computed, by the kernel's clock of 100 ticks a second.
fn own_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}
