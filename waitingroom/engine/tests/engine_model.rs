//! Random steps must be answered by Redis as memory answers them, step by step. `PROPTEST_CASES`
//! raises the number of runs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "engine_model/actor.rs"]
mod actor;
#[path = "engine_model/operation.rs"]
mod operation;
#[path = "fixture/redis.rs"]
mod redis;
#[path = "fixture/single_action.rs"]
#[allow(dead_code, reason = "the suites share it, and none needs all of it")]
mod single_action;

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use waitingroom_engine::{Engine, memory::InMemoryEngine, redis::RedisEngine};

use self::{actor::Actor, operation::Operation};

/// Runs that take some ten seconds in a debug build.
const CASES: u32 = 150;

#[test]
fn redis_answers_as_memory_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (engine, _) = runtime.block_on(redis::engine());
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(CASES);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };

    TestRunner::new(config)
        .run(&operation::steps(), |steps| {
            runtime.block_on(compare(&engine, &steps))
        })
        .unwrap_or_else(|difference| panic!("{difference}"));
}

async fn compare(redis: &RedisEngine, steps: &[Operation]) -> Result<(), TestCaseError> {
    let memory = InMemoryEngine::new();
    let mut actor = Actor::default();

    actor.open(&memory, redis).await;
    let mut outcome = Ok(());

    for (index, step) in steps.iter().enumerate() {
        let (expected, answered) = actor.step(&memory, redis, step).await;
        if expected != answered {
            let difference =
                format!("step {index}, {step:?}:\n memory {expected}\n redis  {answered}");
            outcome = Err(TestCaseError::fail(difference));
            break;
        }
    }

    redis.remove(actor.event()).await.unwrap();
    outcome
}
