//! Booking cannot reach Redis while bookings are decided: the engine receives the settlements once
//! Redis is back, not when the holds expire.

use std::time::Duration;

use stanchion_tests::{
    EventBuilder, Shape, Stack, Visitor, environment,
    inventory::Inventory,
    redis_proxy::RedisProxy,
    shopping::{confirm, id, reserve},
    simulated_users::{admit_all, run_all},
    wait::within,
};

const BUYERS: usize = 60;
/// Far less than the ten minutes of a hold.
const SOON: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_settlements_the_engine_missed() {
    let proxy = RedisProxy::start(&environment::server("STANCHION_TEST_REDIS_URL")).await;
    let booking_settings = vec![("STANCHION_REDIS_URL", proxy.url.clone())];
    let shape = Shape {
        gateways: 1,
        workers: 1,
        bookings: 1,
        booking_settings,
        ..Shape::default()
    };
    let stack = Stack::servers(shape).await;
    let sale = EventBuilder::new(&[100]).create(&stack.operator()).await;
    let admissions = admit_all(&[stack.gateway(0)], &sale, &Visitor::many("buyer", BUYERS)).await;
    let held = run_all(admissions.into_iter().map(|admission| {
        let (booking, wish) = (stack.booking(0), sale.wish(0, 1));
        async move {
            let booked = reserve(&booking, &admission, &wish).await.expect(201);
            (admission.visitor, booked)
        }
    }))
    .await;

    proxy.cut();
    for (at, (visitor, booked)) in held.iter().enumerate() {
        let mine = stack.booking(0).by(visitor);
        if at % 2 == 0 {
            mine.delete(&format!("/bookings/{}", id(booked)))
                .await
                .expect(200);
        } else {
            confirm(&mine, id(booked)).await.expect(200);
        }
    }
    let missed = stack
        .booking(0)
        .metric("stanchion_booking_settlements_pending")
        .await;
    assert_eq!(missed, BUYERS as f64, "nothing of it could be told");

    proxy.restore();
    // The engine has the settlement a moment before booking updates its gauge.
    let seats = within(SOON, "the engine to have heard", || async {
        let inventory = Inventory::of(&sale, &stack.operator()).await;
        let waiting = stack
            .booking(0)
            .metric("stanchion_booking_settlements_pending")
            .await;
        (inventory.drift == 0 && waiting == 0.0).then(|| inventory.total())
    })
    .await;
    assert_eq!((seats.available, seats.held, seats.confirmed), (70, 0, 30));
}
