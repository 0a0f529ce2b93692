//! Redis loses all data, and users ask another gateway than the one that sent their last position.

use std::time::Instant;

use serde_json::json;
use stanchion_tests::{
    EventBuilder, Rest, Sale, Shape, Socket, Stack, Visitor, eventually,
    process::Signal,
    simulated_users::{MonotonicPositions, queue_all},
    stack::Role,
};
use waitingroom_engine::RECOVERY_WINDOW;
use waitingroom_server::protocol::ServerMessage;

/// Have passes at first: as many as there may be.
const HOLDERS: usize = 3;
/// Wait in front of those whom this is about.
const FRONT: usize = 3;

/// Waits until booking knows the gateways that may have sent positions.
async fn gateways_are_known(stack: &Stack) {
    for at in 0..2 {
        let booking = stack.booking(at);
        eventually("the gateways to be known", || async {
            (booking.metric("stanchion_gateways_known").await >= 2.0).then_some(())
        })
        .await;
    }
}

/// Asks until there is an answer; the position.
async fn position(sale: &Sale, gateway: &Rest) -> u64 {
    eventually("a position", || async {
        let answer = sale.place(gateway).await;
        if answer.has_retry_after() {
            return None;
        }
        let place = answer.expect(200);
        assert_eq!(place["reason"], json!(null), "no bound is told: {place}");
        place["position"].as_u64()
    })
    .await
}

/// Users in front were released, and no checkpoint has that: after the loss they are in front
/// again. A user who was first according to one gateway receives no worse position from the other,
/// which had sent an older one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_best_position_across_gateways() {
    let stack = Stack::servers(Shape {
        own_redis: true,
        ..Shape::default()
    })
    .await;
    let queue = json!({"rate_per_second": 1, "burst": 1, "max_active": HOLDERS, "claim_window_seconds": 120});
    let sale = EventBuilder::new(&[500])
        .queue(queue)
        .create(&stack.operator())
        .await;
    let (better, other) = (stack.gateway(0), stack.gateway(1));
    let holders = Visitor::many("holder", HOLDERS);
    for visitor in &holders {
        let gateway = better.by(visitor);
        sale.join(&gateway).await.expect(201);
        eventually("a pass", || async {
            sale.place(&gateway).await.expect(200)["queue_pass"]
                .as_str()
                .map(drop)
        })
        .await;
    }
    let head = "SELECT max(line_head) FROM events";
    let is_written =
        || async { (stack.backends().database.number(head).await == HOLDERS as i64).then_some(()) };
    eventually("the checkpoint", is_written).await;
    for visitor in &Visitor::many("front", FRONT) {
        sale.join(&better.by(visitor)).await.expect(201);
    }
    let (poller, wanderer) = (Visitor::new("poller"), Visitor::new("wanderer"));
    let place = sale.join(&other.by(&poller)).await.expect(201);
    assert_eq!(place["position"], FRONT as u64 + 1);
    let (ticket, position_there) = Socket::open(stack.gateway_url(1), &wanderer)
        .await
        .queue(&sale.event, None)
        .await;
    assert_eq!(position_there, FRONT as u64 + 2);
    gateways_are_known(&stack).await;

    // Nothing is written down from now on.
    (0..2).for_each(|at| stack.signal(Role::Booking, at, Signal::Stop));
    for visitor in &holders {
        better
            .by(visitor)
            .delete(&format!("/queue/leave?event_id={}", sale.event))
            .await
            .expect(200);
    }
    eventually("those in front to be released", || async {
        let told = sale.place(&better.by(&poller)).await.expect(200)["position"].as_u64();
        (told == Some(1)).then_some(())
    })
    .await;
    let mut socket = Socket::open(stack.gateway_url(0), &wanderer).await;
    let (_, told) = socket.queue(&sale.event, Some(&ticket)).await;
    assert_eq!(told, 2);
    drop(socket);
    let redis = stack.backends().redis().await;
    redis.lose_everything().await;
    (0..2).for_each(|at| stack.signal(Role::Booking, at, Signal::Continue));

    let wandering = async {
        eventually("a place", || async {
            let mut socket = Socket::open(stack.gateway_url(1), &wanderer).await;
            match socket.join(&sale.event, Some(&ticket)).await {
                ServerMessage::Queued {
                    position, reason, ..
                } => Some((position, reason)),
                ServerMessage::Error { .. } => None,
                other => panic!("wanted a place, got {other:?}"),
            }
        })
        .await
    };
    let polling = async {
        let mut positions = MonotonicPositions::default();
        positions.observe(1);
        for gateway in [&other, &better, &other] {
            positions.observe(position(&sale, &gateway.by(&poller)).await);
        }
    };
    let ((told, reason), ()) = tokio::join!(wandering, polling);
    assert!(
        told <= 2 && reason.is_none(),
        "the wanderer was told {told}, {reason:?}"
    );
}

/// Users who wait when the line is lost; a quarter of them by polling. `RECOVERY_USERS=10000`
/// measures how long a large line takes.
fn users() -> usize {
    std::env::var("RECOVERY_USERS").map_or(40, |users| {
        users.parse().expect("RECOVERY_USERS is a number")
    })
}

/// New users are accepted once all users are back, without waiting for the end of the recovery
/// window.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_recovery_once_all_users_are_back() {
    let stack = Stack::servers(Shape {
        own_redis: true,
        ..Shape::default()
    })
    .await;
    let sale = EventBuilder::new(&[500])
        .paused()
        .create(&stack.operator())
        .await;
    let (users, urls) = (
        users(),
        [
            stack.gateway_url(0).to_owned(),
            stack.gateway_url(1).to_owned(),
        ],
    );
    let visitors = Visitor::many("user", users);
    let (polling, waiting) = visitors.split_at(users / 4);
    let mut sockets = Vec::new();
    for some in waiting.chunks(1_000) {
        sockets.extend(queue_all(&urls, &sale, some).await);
    }
    for (at, visitor) in polling.iter().enumerate() {
        sale.join(&stack.gateway(at).by(visitor)).await.expect(201);
    }
    let reached = "SELECT max(line_sequence) FROM events";
    let is_written = || async {
        (stack.backends().database.number(reached).await == users as i64).then_some(())
    };
    eventually("the checkpoint", is_written).await;
    gateways_are_known(&stack).await;

    let (redis, line) = (
        stack.backends().redis().await,
        format!("{}:{{{}}}:waiting", stack.backends().prefix, sale.event),
    );
    redis.lose_everything().await;
    let lost = Instant::now();
    let back = async |many: usize| {
        eventually("users to be back", || async {
            let back = redis.elements().await.get(&line).copied().unwrap_or(0);
            (back >= many as u64).then(|| lost.elapsed())
        })
        .await
    };
    let whole = async {
        let newcomer = stack.gateway(0).by(&Visitor::new("newcomer"));
        let place = eventually("a place", || async {
            let answer = sale.join(&newcomer).await;
            if answer.has_retry_after() {
                None
            } else {
                Some(answer.expect(201))
            }
        });
        (place.await, lost.elapsed())
    };
    let ((most, all), (place, whole)) = tokio::join!(
        async { (back(users * 19 / 20).await, back(users).await) },
        whole
    );
    println!(
        "{users} users: 95 % back after {most:?}, all after {all:?}; newcomers after {whole:?}"
    );
    assert!(whole < RECOVERY_WINDOW, "in {whole:?}");
    let behind = Some(users as u64 + 1);
    assert_eq!(
        (place["position"].as_u64(), place["total_in_queue"].as_u64()),
        (behind, behind),
        "behind everybody"
    );
    drop(sockets);
}
