//! PostgreSQL crashes during a sale: requests fail with Retry-After, and after the recovery the
//! same keys make one booking each.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use serde_json::Value;
use stanchion_tests::{
    Admission, EventBuilder, Rest, RestResponse, Shape, Stack, Visitor, eventually,
    inventory::Inventory,
    shopping::{confirm, id, new_key, reserve_once, with_retries},
    simulated_users::{admit_all, run_all},
};

const BUYERS: usize = 60;
/// For a debug build on a busy machine; a wait for the database would take a second and more.
const AT_ONCE: Duration = Duration::from_millis(500);

/// One attempt, to be repeated with its key.
#[derive(Clone)]
struct Attempt {
    booking: Rest,
    admission: Admission,
    wish: Value,
    key: String,
}

impl Attempt {
    async fn once(&self) -> RestResponse {
        reserve_once(
            &self.booking,
            &self.wish,
            Some(&self.admission.pass),
            Some(&self.key),
        )
        .await
    }

    async fn until_it_succeeds(&self) -> String {
        id(&with_retries(|| self.once()).await.expect(201)).to_owned()
    }
}

/// The bookings of all users.
async fn served(attempts: Vec<Attempt>) -> Vec<String> {
    run_all(
        attempts
            .into_iter()
            .map(|one| async move { one.until_it_succeeds().await }),
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fails_fast_and_sells_once_when_database_crashes() {
    let mut stack = Stack::servers(Shape {
        gateways: 1,
        workers: 1,
        own_postgres: true,
        ..Shape::default()
    })
    .await;
    let sale = EventBuilder::new(&[BUYERS as u32])
        .create(&stack.operator())
        .await;
    let admissions = admit_all(&[stack.gateway(0)], &sale, &Visitor::many("buyer", BUYERS)).await;
    let attempts: Vec<Attempt> = admissions
        .into_iter()
        .enumerate()
        .map(|(at, admission)| {
            let booking = stack.booking(at).by(&admission.visitor);
            Attempt {
                booking,
                admission,
                wish: sale.wish(0, 1),
                key: new_key(),
            }
        })
        .collect();
    let (before, rest) = attempts.split_at(BUYERS / 3);
    let (within, after) = rest.split_at(BUYERS / 3);
    let held = served(before.to_vec()).await;

    // Some requests are in flight during the crash: they are retried with the same key.
    let under_way = tokio::spawn(served(within.to_vec()));
    stack.backends_mut().postgres_server().crash().await;
    for at in 0..2 {
        eventually("an instance that says it is not ready", || async {
            let answer = stack.booking(at).health("ready").await;
            let checks = answer.body.to_string();
            (answer.status == 503 && checks.contains("database")).then_some(())
        })
        .await;
    }
    for one in after.iter().chain(before) {
        let asked = Instant::now();
        let answer = one.once().await;
        let waited = asked.elapsed();
        assert!(
            answer.has_retry_after() && answer.status == 503,
            "{}: {}",
            answer.status,
            answer.body
        );
        assert!(waited < AT_ONCE, "{waited:?}");
    }

    stack.backends_mut().postgres_server().start_again().await;
    let mut bookings: HashSet<String> = held.iter().cloned().collect();
    bookings.extend(under_way.await.expect("everybody is served in the end"));
    bookings.extend(served(after.to_vec()).await);
    assert_eq!(bookings.len(), BUYERS, "one booking each");
    let again = served(before.to_vec()).await;
    assert_eq!(
        again.iter().collect::<HashSet<_>>(),
        held.iter().collect(),
        "the same key, the same booking"
    );
    confirm(&before[0].booking, &before[0].until_it_succeeds().await)
        .await
        .expect(200);
    let seats = Inventory::settled(&sale, &stack.operator()).await.total();
    assert_eq!(
        (seats.available, seats.held, seats.confirmed),
        (0, BUYERS as u64 - 1, 1)
    );
}
