//! Users who are gone leave no data in Redis.

use serde_json::json;
use stanchion_tests::{
    EventBuilder, Shape, Stack, Visitor,
    inventory::Inventory,
    shopping,
    simulated_users::{ConcurrencyLimit, admit, run_all},
    wait::within,
};
use std::time::Duration;

/// Enough that a key for each would be seen.
const RESERVATIONS: usize = 10_000;

/// Longer than anything in Redis may outlive its owner.
const REMEMBERED: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaves_no_redis_data_of_past_users() {
    let shape = Shape {
        own_redis: true,
        ..Shape::default()
    };
    let stack = Stack::servers(shape).await;
    let queue = json!({"pass_ttl_seconds": 30, "grace_seconds": 1});
    let sale = EventBuilder::new(&[100_000])
        .queue(queue)
        .hold_seconds(2)
        .create(&stack.operator())
        .await;
    // A first journey before the count: the data of an event's first visitor stay.
    one_journey(&stack, &sale, &Visitor::new("first")).await;
    let redis = stack.backends().redis().await;
    all_expired(&stack, &sale).await;
    let (keys, elements) = (redis.keys().await, redis.elements().await);

    let limit = ConcurrencyLimit::default();
    let work = Visitor::many("passer-by", RESERVATIONS)
        .into_iter()
        .enumerate()
        .map(|(at, visitor)| {
            let (gateway, booking, sale, limit) = (
                stack.gateway(at),
                stack.booking(at),
                sale.clone(),
                limit.clone(),
            );
            async move {
                limit
                    .run(async {
                        let pass = admit(&gateway, &sale, &visitor).await;
                        let answer = shopping::reserve(&booking, &pass, &sale.wish(0, 1)).await;
                        // On a busy machine the answer may come after the end of so short a hold.
                        assert!(
                            answer.status == 201 || answer.code() == "BOOKING_EXPIRED",
                            "{}",
                            answer.body
                        );
                    })
                    .await;
            }
        });
    run_all(work).await;
    // Some join and vanish, and some leave a pass unused.
    for visitor in Visitor::many("vanished", 20) {
        sale.join(&stack.gateway(0).by(&visitor)).await.expect(201);
    }
    all_expired(&stack, &sale).await;
    within(REMEMBERED, "Redis to hold what it held before", || async {
        let (now_keys, now_elements) = (redis.keys().await, redis.elements().await);
        let grown: Vec<_> = now_elements
            .iter()
            .filter(|(name, count)| elements.get(*name).copied().unwrap_or(0) < **count)
            .map(|(name, count)| format!("{name}: {count}"))
            .collect();
        let same = now_keys <= keys && grown.is_empty();
        if !same {
            eprintln!(
                "{now_keys} keys, {keys} before; grown: {:?}",
                grown.iter().take(8).collect::<Vec<_>>()
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        same.then_some(())
    })
    .await;
}

async fn one_journey(stack: &Stack, sale: &stanchion_tests::Sale, visitor: &Visitor) {
    let pass = admit(&stack.gateway(0), sale, visitor).await;
    shopping::reserve(&stack.booking(0), &pass, &sale.wish(0, 1))
        .await
        .expect(201);
}

async fn all_expired(stack: &Stack, sale: &stanchion_tests::Sale) {
    within(REMEMBERED, "every hold to expire", || async {
        let inventory = Inventory::of(sale, &stack.operator()).await;
        (inventory.drift == 0 && inventory.total().held == 0).then_some(())
    })
    .await;
}
