//! The number of live tasks returns to its baseline after many requests.
//!
//! `REQUESTS=500000` sets their number.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use reqwest::Client;
use stanchion_tests::{
    Admission, EventBuilder, Rest, Sale, Shape, Stack, Visitor, eventually,
    shopping::{confirm, id, new_key, reserve_once, with_retries},
    simulated_users::run_all,
};

const CONNECTIONS: usize = 64;
/// Connections that the client of this test may open in the meantime: it opens another one if an
/// idle one is slow.
const SPARE: f64 = 4.0;
/// Of one visitor.
const VISIT: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn returns_to_task_baseline_after_load() {
    let requests = std::env::var("REQUESTS")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(3_000);
    let visits = requests / VISIT;
    let stack = Stack::servers(Shape {
        gateways: 1,
        workers: 1,
        bookings: 1,
        ..Shape::default()
    })
    .await;
    let sale = EventBuilder::new(&[visits as u32 + 1])
        .create(&stack.operator())
        .await;
    visit(&stack.booking(0), &sale, visits).await; // whatever is started with the first
    let tasks = || async { stack.booking(0).metric("stanchion_tokio_alive_tasks").await };
    let before = tasks().await;

    let client = Client::builder()
        .no_proxy()
        .tcp_nodelay(true)
        .build()
        .expect("a client");
    let next = Arc::new(AtomicUsize::new(0));
    let work = (0..CONNECTIONS).map(|_| {
        let (booking, sale, next) = (
            stack.booking(0).through(&client),
            sale.clone(),
            Arc::clone(&next),
        );
        async move {
            while let Some(number) =
                Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < visits)
            {
                visit(&booking, &sale, number).await;
            }
        }
    });
    run_all(work).await;
    let busy = tasks().await;
    assert!(
        busy > before,
        "{CONNECTIONS} connections are tasks: {busy}, {before} before"
    );
    drop(client);
    let after = eventually("the tasks to be as many as before", || async {
        Some(tasks().await).filter(|after| *after <= before + SPARE)
    });
    println!(
        "{} requests: {before} tasks before, {busy} at their end, {} after",
        visits * VISIT,
        after.await
    );
}

/// Reserves, asks for it again and again, and looks around.
async fn visit(booking: &Rest, sale: &Sale, number: usize) {
    let visitor = Visitor::new(format!("visitor-{number}"));
    let (admission, key) = (
        Admission::of_an_earlier_line(&visitor, sale, number as u64),
        new_key(),
    );
    let (booking, wish) = (booking.by(&visitor), sale.wish(0, 1));
    let mut bookings = Vec::new();
    for _ in 0..VISIT / 2 {
        let answer =
            with_retries(|| reserve_once(&booking, &wish, Some(&admission.pass), Some(&key))).await;
        bookings.push(id(&answer.expect(201)).to_owned());
    }
    bookings.dedup();

    assert_eq!(bookings.len(), 1, "one key, one booking");
    confirm(&booking, &bookings[0]).await.expect(200);
    let path = format!("/bookings/{}", bookings[0]);
    for _ in VISIT / 2 + 1..VISIT {
        with_retries(|| booking.get(&path)).await.expect(200);
    }
}
