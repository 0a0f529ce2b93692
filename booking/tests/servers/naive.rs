//! Group commit beside one transaction for each reservation, same code otherwise: what the batches
//! are worth.
//!
//! `cargo test --release -p booking --test servers group_commit -- --ignored --nocapture` (below
//! `tests/services/run`).

use std::time::{Duration, Instant};

use booking::{
    model::{booking::NewBooking, event::Event},
    store::SharedStore,
};
use futures_util::{StreamExt, stream};

use crate::{
    databases,
    fixtures::{reservation, stored_event},
};

/// Transactions under way at once.
const AT_ONCE: usize = 20;
/// Reservations of each run.
const RESERVATIONS: usize = 4_000;
/// Most rows of a batch, as booking has it.
const BATCH: usize = 200;
const ROUNDS: usize = 5;

fn reservations(event: &Event, run: &str) -> Vec<NewBooking> {
    (0..RESERVATIONS)
        .map(|number| reservation(event, 0, &format!("{run}-{number}"), 1))
        .collect()
}

async fn store_in(
    store: &SharedStore,
    event: &Event,
    run: &str,
    batch: usize,
    at_once: usize,
) -> Duration {
    let made = reservations(event, run);
    let began = Instant::now();
    let batches = stream::iter(made.chunks(batch))
        .map(|some| async move { store.insert(some).await.unwrap() });

    batches
        .buffer_unordered(at_once)
        .for_each(|_| async {})
        .await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn group_commit_beside_a_transaction_each() {
    let store = databases::postgres().await;
    let event = stored_event(&store, &[(2 * ROUNDS * RESERVATIONS) as u32]).await;
    let mut ratios = Vec::new();

    for round in 0..ROUNDS {
        let naive = store_in(&store, &event, &format!("naive-{round}"), 1, AT_ONCE).await;
        let group = store_in(&store, &event, &format!("group-{round}"), BATCH, 1).await;
        let rate = |time: Duration| RESERVATIONS as f64 / time.as_secs_f64();
        println!(
            "one transaction each {:.0}/s, group commit {:.0}/s",
            rate(naive),
            rate(group)
        );
        ratios.push(naive.as_secs_f64() / group.as_secs_f64());
    }

    ratios.sort_by(f64::total_cmp);
    println!(
        "group commit is {:.1} times as fast (median of {ROUNDS})",
        ratios[ROUNDS / 2]
    );
    assert!(ratios[ROUNDS / 2] > 1.0);
}
