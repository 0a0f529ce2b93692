//! The number of users does not matter to Redis: one subscription for each gateway, one command
//! connection for each process.

use std::time::{Duration, Instant};

use serde_json::json;
use stanchion_tests::{
    EventBuilder, Shape, Stack, Visitor, eventually,
    redis_server::RedisClient,
    simulated_users::{queue_all, run_all, take_pass},
};
use waitingroom_server::protocol::ServerMessage;

const USERS: usize = 700;

/// Interval of a worker's progress messages.
const TICK_INTERVAL: Duration = Duration::from_millis(100);
/// Interval of a gateway's probes.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// A subscriber, a multiplexed connection for commands, and one to spare.
const CONNECTIONS_OF_A_NODE: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opens_two_redis_connections_per_gateway() {
    let shape = Shape {
        gateways: 2,
        workers: 1,
        bookings: 1,
        own_redis: true,
        ..Shape::default()
    };
    let stack = Stack::servers(shape).await;
    let sale = EventBuilder::new(&[10_000])
        .paused()
        .create(&stack.operator())
        .await;
    let redis = stack.backends().redis().await;
    let subscriptions =
        |clients: &[RedisClient]| clients.iter().filter(|client| client.subscribes()).count();

    let urls: Vec<String> = (0..2).map(|at| stack.gateway_url(at).to_owned()).collect();
    let before = redis.clients().await;
    assert_eq!(subscriptions(&before), 2, "one a gateway: {before:?}");
    let visitors = Visitor::many("waiting", USERS);
    let waiting = queue_all(&urls, &sale, &visitors).await;
    let during = redis.clients().await;
    assert_eq!(subscriptions(&during), 2, "still one a gateway: {during:?}");
    assert!(
        during.len() <= 4 * CONNECTIONS_OF_A_NODE,
        "{} connections: {during:?}",
        during.len()
    );

    // The same two subscriptions deliver all passes.
    let (published, opened) = (redis.calls("publish").await, Instant::now());
    let open = json!({"state": "open", "message": "Now!", "rate_per_second": 400, "burst": 20});
    sale.set_queue(&stack.operator(), open).await.expect(200);
    let work = waiting.into_iter().map(|(visitor, mut socket, ..)| {
        let sale = sale.clone();
        async move {
            let first = socket.until("news", Some).await;
            let first = if matches!(first, ServerMessage::Event { .. }) {
                socket.until("more", Some).await
            } else {
                first
            };
            (take_pass(&mut socket, first, &sale, &visitor).await, socket)
        }
    });
    let admitted = run_all(work).await;
    assert_eq!(admitted.len(), USERS);
    let published = redis.calls("publish").await - published;
    let times = |each: Duration| {
        u64::try_from(opened.elapsed().as_millis() / each.as_millis()).unwrap() + 1
    };
    let (passes, news, probes) = (
        USERS as u64,
        2 * times(TICK_INTERVAL),
        2 * times(PROBE_INTERVAL),
    );
    assert!(
        published <= passes + news + probes,
        "{published} messages for {USERS} passes in {:?}",
        opened.elapsed()
    );
    assert_eq!(subscriptions(&redis.clients().await), 2);

    drop(admitted);
    eventually(
        "the subscriptions to stand when everybody has left",
        || async { (subscriptions(&redis.clients().await) == 2).then_some(()) },
    )
    .await;
}
