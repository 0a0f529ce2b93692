//! Arguments of the Lua steps: whatever a verified request can hold, Redis answers, and the step
//! before leaves a line that still works.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "../../../waitingroom/engine/tests/fixture/single_action.rs"]
#[allow(dead_code, reason = "the suites share it, and none needs all of it")]
mod single_action;

use tokio::runtime::Runtime;
use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{EventId, PassId, UserId},
    presence::Presence,
    queue::QueueSettings,
    rate::Throttle,
    seats::{Reserve, SeatSnapshot, Settlement, ZoneSeats},
};
use waitingroom_engine::{
    Engine, EngineError, OpenParams, TickScope, redis::RedisEngine, redis_connection::RedisServers,
};

use self::single_action::{Join, SingleAction};

const ZONE: u128 = 0xb000;

/// A step with arguments of every size.
#[derive(Debug, bolero::TypeGenerator)]
enum Step {
    Join {
        user: Vec<u8>,
        polls: bool,
        ticket: Option<u64>,
        at: i64,
    },
    Leave {
        user: Vec<u8>,
        at: i64,
    },
    Acknowledge {
        user: Vec<u8>,
        pass: u64,
        at: i64,
    },
    Release {
        limit: u32,
        share: u8,
        whole: bool,
        at: i64,
    },
    Reserve {
        user: Vec<u8>,
        pass: u64,
        seats: u32,
        limit: u32,
        ends: i64,
        key: Option<Vec<u8>>,
        at: i64,
    },
    Settle {
        booking: u128,
        how: u8,
        at: i64,
    },
    Configure {
        rate: f64,
        burst: u32,
        cap: u32,
        life: u32,
    },
}

struct Line {
    engine: RedisEngine,
    event: EventId,
}

fn user(bytes: &[u8]) -> Option<UserId> {
    String::from_utf8_lossy(bytes).parse().ok()
}

/// Within what the type of a moment is used for: from 1970 to the year 9999.
fn moment(at: i64) -> Timestamp {
    Timestamp::from_millis(at.rem_euclid(253_402_300_799_000))
}

fn pass(number: u64) -> PassId {
    format!("p-{number}").parse().unwrap()
}

impl Line {
    async fn open() -> Self {
        let url = std::env::var("STANCHION_TEST_REDIS_URL").expect(
            "STANCHION_TEST_REDIS_URL is not set: run `make test`, or tests/services/run COMMAND",
        );
        let prefix = format!("fuzz-{}", Uuid::new_v4().simple());
        let engine = RedisEngine::connect(&RedisServers::parse(&url).unwrap(), &prefix)
            .await
            .unwrap();
        let line = Self {
            engine,
            event: Uuid::new_v4().into(),
        };
        let opening = OpenParams {
            settings: QueueSettings::default(),
            epoch: "e1".parse().unwrap(),
            sequence: 1_000,
            head: 0,
            unserved: Default::default(),
            mark: None,
            release_from: Timestamp::default(),
            awaited_nodes: Vec::new(),
        };

        line.engine
            .open(line.event, &opening, moment(0))
            .await
            .unwrap();

        let zones = vec![ZoneSeats {
            zone_id: Uuid::from_u128(ZONE).into(),
            available: 100,
        }];
        line.engine
            .load_seats(
                line.event,
                &SeatSnapshot {
                    zones,
                    ..SeatSnapshot::default()
                },
                moment(0),
            )
            .await
            .unwrap();
        line
    }

    async fn run(&self, step: &Step) -> Result<(), EngineError> {
        let (engine, event) = (&self.engine, self.event);
        match step {
            Step::Join {
                user: name,
                polls,
                ticket,
                at,
            } => {
                let Some(user) = user(name) else {
                    return Ok(());
                };
                let presence = if *polls {
                    Presence::Poll
                } else {
                    Presence::Node("gw-1".parse().unwrap())
                };
                let ticket = ticket.map(|number| ("e0".parse().unwrap(), number));
                engine
                    .join(
                        &Join {
                            event_id: event,
                            user,
                            presence,
                            ticket,
                        },
                        moment(*at),
                    )
                    .await
                    .map(drop)
            }
            Step::Leave { user: name, at } => {
                let Some(user) = user(name) else {
                    return Ok(());
                };
                engine.leave(event, &user, moment(*at)).await.map(drop)
            }
            Step::Acknowledge {
                user: name,
                pass: number,
                at,
            } => {
                let Some(user) = user(name) else {
                    return Ok(());
                };
                engine
                    .acknowledge(event, &user, &pass(*number), moment(*at))
                    .await
                    .map(drop)
            }
            Step::Release {
                limit,
                share,
                whole,
                at,
            } => {
                let share = Throttle {
                    factor: f64::from(*share) / 255.0,
                    decided_at: moment(*at),
                };
                let scope = if *whole {
                    TickScope::Full
                } else {
                    TickScope::GrantsOnly
                };
                engine
                    .release(event, "b", (*limit).min(1_000), share, scope, moment(*at))
                    .await
                    .map(drop)
            }
            Step::Reserve {
                user: name,
                pass: number,
                seats,
                limit,
                ends,
                key,
                at,
            } => {
                let Some(user) = user(name) else {
                    return Ok(());
                };
                let key = key
                    .as_deref()
                    .and_then(|key| String::from_utf8_lossy(key).parse().ok());
                let request = Reserve {
                    event_id: event,
                    user,
                    zone_id: Uuid::from_u128(ZONE).into(),
                    quantity: seats % 10 + 1,
                    pass_id: pass(*number),
                    pass_epoch: "e0".parse().unwrap(),
                    pass_expires_at: moment(*ends),
                    idempotency: key.map(|key| (key, "digest".to_owned())),
                    booking_id: Uuid::new_v4().into(),
                    hold_expires_at: moment(*ends),
                    user_limit: *limit,
                };
                engine.reserve(&request, moment(*at)).await.map(drop)
            }
            Step::Settle { booking, how, at } => {
                let how = [
                    Settlement::Committed,
                    Settlement::Aborted,
                    Settlement::Confirmed,
                    Settlement::Released,
                ][usize::from(how % 4)];
                engine
                    .settle(
                        event,
                        &[(Uuid::from_u128(*booking).into(), how)],
                        moment(*at),
                    )
                    .await
            }
            Step::Configure {
                rate,
                burst,
                cap,
                life,
            } => {
                let settings = QueueSettings {
                    rate_per_second: if rate.is_finite() {
                        rate.abs() % 100_000.0
                    } else {
                        0.0
                    },
                    burst: burst % 100_000 + 1,
                    max_active: cap % 1_000_000 + 1,
                    pass_ttl_seconds: life % 86_400 + 1,
                    ..QueueSettings::default()
                };
                engine.configure(event, &settings).await
            }
        }
    }
}

#[test]
fn every_step_answers_and_the_line_goes_on() {
    let runtime = Runtime::new().unwrap();
    bolero::check!()
        .with_type::<Vec<Step>>()
        .with_iterations(300)
        .for_each(|steps| {
            runtime.block_on(async {
                let line = Line::open().await;
                for step in steps.iter().take(20) {
                    line.run(step)
                        .await
                        .unwrap_or_else(|error| panic!("{step:?}: {error}"));
                }
                line.engine.status(line.event).await.unwrap();
                line.engine.remove(line.event).await.unwrap();
            });
        });
}
