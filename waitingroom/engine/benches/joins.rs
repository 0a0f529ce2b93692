//! What a join costs Redis and this process, one by one and gathered. A Redis of its own makes the
//! figures meaningful: `tests/services/run cargo bench -p waitingroom-engine --bench joins`.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

mod cost;
#[path = "../tests/fixture/redis.rs"]
mod redis;
#[path = "../tests/fixture/single_action.rs"]
#[allow(dead_code, reason = "the suites share it, and none needs all of it")]
mod single_action;

use std::{sync::Arc, time::Instant};

use futures_util::{StreamExt, stream};
use waitingroom_domain::{clock::Clock, ids::UserId, presence::Presence, queue::QueueSettings};
use waitingroom_engine::{
    JoinOutcome, SharedEngine, batcher::ActionBatcher, memory::InMemoryEngine, redis::RedisEngine,
};

use crate::{
    cost::Cost,
    single_action::{Join, SingleAction},
};

const USERS: usize = 50_000;

/// A way into the engine that is measured.
enum Way {
    OneByOne(SharedEngine),
    Gathered(ActionBatcher),
}

impl Way {
    async fn join(&self, join: Join) {
        let outcome = match self {
            Self::OneByOne(engine) => engine.join(&join, Clock::System.now()).await,
            Self::Gathered(gathering) => {
                gathering
                    .join(join.event_id, &join.user, join.presence, join.ticket)
                    .await
            }
        };
        assert!(matches!(outcome, Ok(JoinOutcome::Joined(_))), "{outcome:?}");
    }
}

#[tokio::main]
async fn main() {
    let (redis, _) = redis::engine().await;
    let memory: SharedEngine = Arc::new(InMemoryEngine::new());

    println!("{USERS} joins | at once | joins/s | Redis CPU µs/join | own CPU µs/join");

    for (name, engine) in [
        ("redis", Arc::new(redis.clone()) as SharedEngine),
        ("memory", memory),
    ] {
        for at_once in [1, 16, 256, 4_096] {
            let gathering = ActionBatcher::new(engine.clone(), Clock::System, |task| {
                drop(tokio::spawn(task))
            });
            let ways = [
                ("one by one", Way::OneByOne(engine.clone())),
                ("gathered", Way::Gathered(gathering)),
            ];
            for (how, way) in ways {
                measure(&format!("{name}, {how}"), &engine, &redis, &way, at_once).await;
            }
        }
    }
}

async fn measure(
    name: &str,
    engine: &SharedEngine,
    redis: &RedisEngine,
    way: &Way,
    at_once: usize,
) {
    let users = if at_once == 1 { USERS / 10 } else { USERS };
    let event = cost::open(engine.as_ref(), QueueSettings::default()).await;
    let (before, began) = (Cost::until_now(redis).await, Instant::now());
    let joins = stream::iter(0..users).map(|number| async move {
        let user: UserId = format!("user-{number}").parse().unwrap();
        let presence = Presence::Node("node".parse().unwrap());
        way.join(Join {
            event_id: event,
            user,
            presence,
            ticket: None,
        })
        .await;
    });

    joins.buffer_unordered(at_once).collect::<()>().await;
    let took = began.elapsed().as_secs_f64();
    let (redis_used, own_used) = before.since(redis, users).await;

    println!(
        "{name} | {at_once} | {:.0} | {redis_used:.1} | {own_used:.1}",
        users as f64 / took
    );
    engine.remove(event).await.unwrap();
}
