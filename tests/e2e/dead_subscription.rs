//! A gateway whose subscription fails silently resubscribes within seconds, and no pass is lost.

use std::time::{Duration, Instant};

use stanchion_tests::{
    EventBuilder, Shape, Stack, Visitor, environment, eventually,
    redis_proxy::RedisProxy,
    simulated_users::{queue_all, run_all, take_pass},
};

const USERS: usize = 20;
/// The promise is 2 s; the rest is for a busy machine.
const NOTICED: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resubscribes_when_subscription_is_silent() {
    let proxy = RedisProxy::start(&environment::server("STANCHION_TEST_REDIS_URL")).await;
    let gateway_settings = vec![("STANCHION_REDIS_URL", proxy.url.clone())];
    let shape = Shape {
        gateways: 1,
        workers: 1,
        bookings: 1,
        gateway_settings,
        ..Shape::default()
    };
    let stack = Stack::servers(shape).await;
    // Passes are resent each second, but not within a claim window that is longer than this test.
    let sale = EventBuilder::new(&[1_000])
        .paused()
        .create(&stack.operator())
        .await;
    let visitors = Visitor::many("patient", USERS);
    let waiting = queue_all(&[stack.gateway_url(0).to_owned()], &sale, &visitors).await;
    let gaps = stack.gateway(0).metric("stanchion_pubsub_gaps_total").await;

    assert_eq!(
        proxy.silence_subscribers(),
        1,
        "a gateway has one subscription"
    );
    let cut = Instant::now();
    sale.open(&stack.operator()).await;
    let gateway = stack.gateway(0);
    eventually("the gateway to notice", || async {
        (gateway.metric("stanchion_pubsub_gaps_total").await > gaps).then_some(())
    })
    .await;
    assert!(cut.elapsed() < NOTICED, "it took {:?}", cut.elapsed());
    let admitted = run_all(waiting.into_iter().map(|(visitor, mut socket, ..)| {
        let sale = sale.clone();
        async move {
            let first = socket.until("news", Some).await;
            take_pass(&mut socket, first, &sale, &visitor).await
        }
    }));
    assert_eq!(admitted.await.len(), USERS);
    assert!(
        gateway.metric("stanchion_position_resyncs_total").await >= 1.0,
        "the places were read again"
    );
}
