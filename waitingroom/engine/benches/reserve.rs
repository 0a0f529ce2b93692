//! What a reservation costs Redis and this process: burning the pass and holding the seats, and
//! hearing of the commit, by the size of the batch: `tests/services/run cargo bench -p waitingroom
//! --bench reserve`.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

mod cost;
#[path = "../tests/fixture/redis.rs"]
mod redis;

use std::time::Duration;

use uuid::Uuid;
use waitingroom_domain::{
    clock::Clock,
    ids::{EventId, UserId, ZoneId},
    presence::Presence,
    queue::{Grant, QueueSettings, SaleState},
    rate::Throttle,
    seats::{Reserve, ReserveOutcome, SeatSnapshot, Settlement, ZoneSeats},
};
use waitingroom_engine::{Action, ActionKind, Engine, MAX_ACTIONS, TickScope, redis::RedisEngine};

use crate::cost::Cost;

const USERS: usize = 40_000;
const ZONES: u128 = 5;
const SIZES: [usize; 4] = [1, 10, 50, 200];

#[tokio::main]
async fn main() {
    let (engine, _) = redis::engine().await;
    println!("batch | Redis CPU µs: hold · commit | own CPU µs: hold · commit");
    for size in SIZES {
        measure(&engine, size).await;
    }
}

async fn measure(engine: &RedisEngine, size: usize) {
    let users = if size == 1 { USERS / 10 } else { USERS };
    let settings = QueueSettings {
        state: SaleState::Open,
        rate_per_second: 1e6,
        burst: 1_000_000,
        max_active: 1_000_000,
        ..QueueSettings::default()
    };

    let event = cost::open(engine, settings).await;
    let requests = requests(event, granted(engine, event, users).await);
    let before = Cost::until_now(engine).await;

    for batch in requests.chunks(size) {
        let outcomes = engine
            .reserve_all(event, batch, Clock::System.now())
            .await
            .unwrap();
        assert!(
            outcomes
                .iter()
                .all(|outcome| *outcome == ReserveOutcome::Held),
            "{outcomes:?}"
        );
    }

    let (redis_holds, own_holds) = before.since(engine, users).await;
    let before = Cost::until_now(engine).await;

    for batch in requests.chunks(size) {
        let settlements: Vec<_> = batch
            .iter()
            .map(|request| (request.booking_id, Settlement::Committed))
            .collect();
        engine
            .settle(event, &settlements, Clock::System.now())
            .await
            .unwrap();
    }

    let (redis_commits, own_commits) = before.since(engine, users).await;
    println!("{size} | {redis_holds:.1} · {redis_commits:.1} | {own_holds:.1} · {own_commits:.1}");
    engine.remove(event).await.unwrap();
}

/// Everybody has joined, and has a pass.
async fn granted(engine: &RedisEngine, event: EventId, users: usize) -> Vec<(UserId, Grant)> {
    let presence = Presence::Node("node".parse().unwrap());
    engine
        .report_node(event, &"node".parse().unwrap(), Clock::System.now())
        .await
        .unwrap();

    let joins: Vec<_> = (0..users)
        .map(|number| Action {
            user: format!("user-{number}").parse().unwrap(),
            kind: ActionKind::Join {
                presence: presence.clone(),
                ticket: None,
            },
        })
        .collect();

    for batch in joins.chunks(MAX_ACTIONS) {
        engine
            .apply(event, batch, Clock::System.now())
            .await
            .unwrap();
    }

    load_seats(engine, event).await;
    let mut granted = Vec::new();

    while granted.len() < users {
        let batch = Uuid::new_v4().simple().to_string();
        let released = engine
            .release(
                event,
                &batch,
                1_000,
                Throttle::default(),
                TickScope::Full,
                Clock::System.now(),
            )
            .await
            .unwrap();
        granted.extend(
            released
                .granted
                .into_iter()
                .map(|pass| (pass.user, pass.payload)),
        );
    }

    granted
}

async fn load_seats(engine: &RedisEngine, event: EventId) {
    let zones = (0..ZONES)
        .map(|zone| ZoneSeats {
            zone_id: zone_id(zone),
            available: 1_000_000,
        })
        .collect();
    let snapshot = SeatSnapshot {
        zones,
        ..SeatSnapshot::default()
    };

    engine.begin_sync(event, Clock::System.now()).await.unwrap();
    engine
        .load_seats(event, &snapshot, Clock::System.now())
        .await
        .unwrap();
}

fn zone_id(number: u128) -> ZoneId {
    Uuid::from_u128(number + 1).into()
}

fn requests(event_id: EventId, granted: Vec<(UserId, Grant)>) -> Vec<Reserve> {
    let request = |(number, (user, pass)): (u128, (UserId, Grant))| Reserve {
        event_id,
        user,
        zone_id: zone_id(number % ZONES),
        quantity: 2,
        pass_id: pass.pass_id,
        pass_epoch: pass.epoch,
        pass_expires_at: pass.expires_at,
        idempotency: Some((
            format!("attempt-{number}").parse().unwrap(),
            "0123456789abcdef0123456789abcdef".into(),
        )),
        booking_id: Uuid::now_v7().into(),
        hold_expires_at: Clock::System.now().plus(Duration::from_secs(600)),
        user_limit: 4,
    };
    (0..).zip(granted).map(request).collect()
}
