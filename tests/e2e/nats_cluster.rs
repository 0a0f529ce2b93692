//! A NATS cluster loses the leader of the stream, then all servers but one, during a sale: every
//! change of a booking is in the stream once, in order.

use std::collections::HashMap;

use stanchion_tests::{
    Admission, EventBuilder, Sale, Shape, Stack, Visitor, eventually,
    shopping::{confirm, id, new_key, reserve_once},
    simulated_users::admit_all,
};
use tokio::task::JoinSet;

const BUYERS: usize = 90;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_message_order_when_servers_die() {
    let booking_settings = vec![("STANCHION_NATS_REPLICAS", "3".to_owned())];
    let shape = Shape {
        gateways: 1,
        workers: 1,
        nats_cluster: true,
        booking_settings,
        ..Shape::default()
    };
    let mut stack = Stack::servers(shape).await;
    let sale = EventBuilder::new(&[BUYERS as u32])
        .create(&stack.operator())
        .await;
    let mut third = admit_all(&[stack.gateway(0)], &sale, &Visitor::many("buyer", BUYERS)).await;
    let mut second = third.split_off(BUYERS / 3);
    let last = second.split_off(BUYERS / 3);
    let stream = stack.backends().prefix.to_uppercase();

    buy(&stack, &sale, third).await;
    let leader = eventually("a leader of the stream", || {
        stack.backends().nats_cluster().leader(&stream)
    })
    .await;
    let follower = (leader + 1) % 3;
    stack.backends_mut().nats_cluster_mut().kill(leader).await;
    buy(&stack, &sale, second).await;
    stack.backends_mut().nats_cluster_mut().kill(follower).await;
    buy(&stack, &sale, last).await; // nothing can be stored: the outbox keeps it
    assert!(
        stack
            .backends()
            .database
            .number("SELECT count(*) FROM outbox")
            .await
            > 0
    );
    for server in [leader, follower] {
        stack.backends_mut().nats_cluster_mut().start_again(server);
    }

    eventually("an empty outbox", || async {
        (stack
            .backends()
            .database
            .number("SELECT count(*) FROM outbox")
            .await
            == 0)
            .then_some(())
    })
    .await;
    let mut told = HashMap::<String, Vec<String>>::new();
    for message in stack.backends().published().all().await {
        told.entry(message.body["booking_id"].as_str().unwrap().to_owned())
            .or_default()
            .push(message.topic);
    }
    assert_eq!(told.len(), BUYERS);
    for (booking, topics) in told {
        assert_eq!(
            topics,
            ["bookings.reserved", "bookings.confirmed"],
            "{booking}"
        );
    }
}

/// All users reserve and confirm at the same time, and are served at once.
async fn buy(stack: &Stack, sale: &Sale, admissions: Vec<Admission>) {
    let mut buying = JoinSet::new();
    for (at, admission) in admissions.into_iter().enumerate() {
        let (booking, wish) = (stack.booking(at).by(&admission.visitor), sale.wish(0, 1));
        let other = stack.booking(at + 1).by(&admission.visitor);
        buying.spawn(async move {
            let reserved = reserve_once(&booking, &wish, Some(&admission.pass), Some(&new_key()))
                .await
                .expect(201);
            confirm(&other, id(&reserved)).await.expect(200);
        });
    }

    buying.join_all().await;
}
