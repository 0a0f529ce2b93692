//! One key makes one booking over crashes and restarts of booking, of Redis with a snapshot or
//! without, or both.

use std::collections::HashSet;

use serde_json::Value;
use stanchion_tests::{
    Admission, EventBuilder, Sale, Shape, Stack, Visitor,
    inventory::Inventory,
    process::Signal,
    shopping::{id, new_key, reserve_once, with_retries},
    simulated_users::{admit_all, run_all},
    stack::Role,
};

const BUYERS: usize = 24;
/// Repetitions at the same time, spread over the instances.
const AT_ONCE: usize = 4;

/// A request with its key, and the booking that it made.
struct Attempt {
    admission: Admission,
    wish: Value,
    key: String,
    booking: Option<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn makes_one_booking_per_key_over_restarts() {
    let shape = Shape {
        gateways: 1,
        workers: 1,
        own_redis: true,
        ..Shape::default()
    };
    let mut stack = Stack::servers(shape).await;
    let sale = EventBuilder::new(&[BUYERS as u32])
        .create(&stack.operator())
        .await;
    let mut attempts = attempts(&stack, &sale).await;
    let quarter = BUYERS / 4;
    everybody_asks(&stack, &mut attempts[..quarter]).await;

    stack.restart_process(Role::Booking, 0, Signal::Kill).await;
    everybody_asks(&stack, &mut attempts[..2 * quarter]).await;

    stack.backends().redis().await.save().await;
    stack.roll_redis_back().await;
    everybody_asks(&stack, &mut attempts[..3 * quarter]).await;

    stack.backends_mut().redis_server().stop(Signal::Kill).await;
    stack.backends_mut().redis_server().delete_snapshot();
    for at in 0..2 {
        stack.signal(Role::Booking, at, Signal::Kill);
    }
    stack.backends_mut().redis_server().start_again().await;
    for at in 0..2 {
        stack.restart_after_exit(Role::Booking, at).await;
    }
    everybody_asks(&stack, &mut attempts).await;

    let bookings: HashSet<_> = attempts.iter().map(|attempt| &attempt.booking).collect();
    assert_eq!(bookings.len(), BUYERS, "everybody has their own");
    let seats = Inventory::settled(&sale, &stack.operator()).await.total();
    assert_eq!((seats.available, seats.held), (0, BUYERS as u64));
    assert_eq!(
        stack
            .backends()
            .database
            .number("SELECT count(*) FROM bookings WHERE status <> 'void'")
            .await,
        BUYERS as i64
    );
}

async fn attempts(stack: &Stack, sale: &Sale) -> Vec<Attempt> {
    let admissions = admit_all(&[stack.gateway(0)], sale, &Visitor::many("buyer", BUYERS)).await;
    let attempt = |admission| Attempt {
        admission,
        wish: sale.wish(0, 1),
        key: new_key(),
        booking: None,
    };
    admissions.into_iter().map(attempt).collect()
}

/// Each user sends several requests at once, to each instance: all responses are one booking, the
/// earlier one if there is one.
async fn everybody_asks(stack: &Stack, attempts: &mut [Attempt]) {
    for attempt in attempts {
        let asking = (0..AT_ONCE).map(|at| {
            let booking = stack.booking(at).by(&attempt.admission.visitor);
            let (wish, pass, key) = (
                attempt.wish.clone(),
                attempt.admission.pass.clone(),
                attempt.key.clone(),
            );
            async move {
                let answer =
                    with_retries(|| reserve_once(&booking, &wish, Some(&pass), Some(&key))).await;
                id(&answer.expect(201)).to_owned()
            }
        });
        for booking in run_all(asking).await {
            assert_eq!(
                attempt.booking.get_or_insert(booking.clone()),
                &booking,
                "one key, one booking"
            );
        }
    }
}
