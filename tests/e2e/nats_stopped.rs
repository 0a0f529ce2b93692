//! NATS stops during a sale: no request fails, and afterwards every message is in the stream,
//! once.
//!
//! `OUTAGE_SECONDS=60` sets the length.

use std::{collections::HashMap, time::Duration};

use stanchion_tests::{
    Admission, EventBuilder, Sale, Shape, Stack, Visitor, eventually,
    process::Signal,
    shopping::{id, new_key, reserve_once},
    simulated_users::admit_all,
};
use tokio::task::JoinSet;

const BUYERS: usize = 300;
/// Number of users who reserve before NATS is back.
const WITHIN: f64 = 0.75;

fn outage() -> Duration {
    let seconds = std::env::var("OUTAGE_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or(2.0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_reservations_and_messages_without_nats() {
    let shape = Shape {
        gateways: 1,
        workers: 1,
        own_nats: true,
        ..Shape::default()
    };
    let mut stack = Stack::servers(shape).await;
    let sale = EventBuilder::new(&[BUYERS as u32])
        .create(&stack.operator())
        .await;
    let mut early = admit_all(&[stack.gateway(0)], &sale, &Visitor::many("buyer", BUYERS)).await;
    let later = early.split_off(BUYERS / 3);
    let early = trade(&stack, &sale, early);
    eventually("the first message", || async {
        (!stack.backends().published().all().await.is_empty()).then_some(())
    })
    .await;

    stack
        .backends_mut()
        .nats_server()
        .stop(Signal::Terminate)
        .await;
    let later = trade(&stack, &sale, later);
    tokio::time::sleep(outage()).await;
    eventually("something that waits for the bus", || async {
        (stack
            .backends()
            .database
            .number("SELECT count(*) FROM outbox")
            .await
            > 0)
        .then_some(())
    })
    .await;
    stack.backends_mut().nats_server().start_again().await;

    let booked = early
        .join_all()
        .await
        .into_iter()
        .chain(later.join_all().await);
    let once: HashMap<String, usize> = booked.map(|booking| (booking, 1)).collect();
    assert_eq!(once.len(), BUYERS, "everybody has a booking of their own");
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
    assert_eq!(
        stack
            .backends()
            .published()
            .of_each_booking("bookings.reserved")
            .await,
        once
    );
}

/// Each user reserves once, at a random time, and is served at once. Returns the bookings.
fn trade(stack: &Stack, sale: &Sale, admissions: Vec<Admission>) -> JoinSet<String> {
    let mut trading = JoinSet::new();
    let step = outage().div_f64(WITHIN * admissions.len() as f64);

    for (at, admission) in admissions.into_iter().enumerate() {
        let (booking, wish) = (stack.booking(at).by(&admission.visitor), sale.wish(0, 1));
        trading.spawn(async move {
            tokio::time::sleep(step * at as u32).await;
            let answer =
                reserve_once(&booking, &wish, Some(&admission.pass), Some(&new_key())).await;
            id(&answer.expect(201)).to_owned()
        });
    }

    trading
}
