//! Engine and database drift apart, and nobody asks: it is found and mended within a minute, in
//! both directions. What is under way is not taken for it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use booking::store::SharedStore;
use futures_util::future::join_all;
use waitingroom_domain::seats::SeatSnapshot;
use waitingroom_engine::{SharedEngine, memory::InMemoryEngine};
use waitingroom_server::telemetry::{render_metrics, start_metrics};

use crate::{
    app::{TestApp, token},
    databases,
    instances::{path, redis},
};

/// Ten seconds until an event's turn, four looks, and a rebuild.
const MENDED: Duration = Duration::from_secs(45);

async fn open(engine: SharedEngine) -> TestApp {
    start_metrics(&[]);
    let store: SharedStore = databases::postgres().await;
    TestApp::open_with(store, engine).await
}

/// How often this event was found to differ.
fn corrections(app: &TestApp) -> u64 {
    let name = format!(
        "stanchion_inventory_corrections_total{{event=\"{}\"}} ",
        app.event
    );
    render_metrics()
        .lines()
        .find_map(|line| line.strip_prefix(&name)?.parse().ok())
        .unwrap_or(0)
}

async fn planted(app: &TestApp, plant: impl Fn(&mut SeatSnapshot)) {
    let mut snapshot = app.store.snapshot(app.event).await.unwrap();
    plant(&mut snapshot);
    app.engine
        .load_seats(app.event, &snapshot, app.clock.now())
        .await
        .unwrap();
}

async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !look().await {
        assert!(began.elapsed() < MENDED, "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn drift_mends_itself(engine: SharedEngine) {
    let app = open(engine).await;
    let held = app.reserved("ann", 0, 3).await;
    let bought = app.reserved("bob", 0, 2).await;

    assert_eq!(
        app.post(&path(&bought, "confirm"), &token("bob"))
            .await
            .status,
        200
    );
    planted(&app, |seats| {
        seats.zones.iter_mut().for_each(|zone| zone.available += 5)
    })
    .await;
    until("too many", async || app.left().await == [15, 2]).await;
    planted(&app, |seats| {
        seats.zones.iter_mut().for_each(|zone| zone.available /= 2)
    })
    .await;
    until("too few", async || app.left().await == [15, 2]).await;
    planted(&app, |seats| seats.users.clear()).await;

    let users = ["ann".parse().unwrap(), "bob".parse().unwrap()];
    until("users", async || {
        app.engine.tally(app.event, &users).await.unwrap().users == [3, 2]
    })
    .await;
    planted(&app, |seats| seats.users.push(("cy".parse().unwrap(), 4))).await;

    let cy = ["cy".parse().unwrap()];
    assert_eq!(app.engine.tally(app.event, &cy).await.unwrap().users, [4]);
    until("a user of the engine alone", async || {
        app.engine.tally(app.event, &cy).await.unwrap().users == [0]
    })
    .await;
    assert!(corrections(&app) >= 4);
    assert_eq!(
        app.post(&path(&held, "confirm"), &token("ann"))
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_mends_itself_in_redis() {
    drift_mends_itself(redis().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_mends_itself_in_memory() {
    drift_mends_itself(Arc::new(InMemoryEngine::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_no_drift() {
    let app = open(redis().await).await;
    let until = Instant::now() + Duration::from_secs(25);
    let buyers = (0..6).map(|number| {
        let app = &app;
        async move {
            let mut bookings = 0;
            while Instant::now() < until {
                let user = format!("u{number}-{bookings}");
                let grant = waitingroom_domain::queue::Grant {
                    pass_id: user.parse().unwrap(),
                    number: 1,
                    epoch: "earlier".parse().unwrap(),
                    issued_at: app.clock.now(),
                    expires_at: app.clock.now().plus(Duration::from_secs(3_600)),
                };
                let pass = app.mint(&user.parse().unwrap(), &grant);
                let answer = app.reserve(&user, &pass, None, 0, 1 + bookings % 3).await;
                assert_eq!(answer.status, 201, "{answer:?}");
                assert_eq!(
                    app.post(&path(&answer.body, "cancel"), &token(&user))
                        .await
                        .status,
                    200
                );
                bookings += 1;
            }
            bookings
        }
    });

    let bookings: u32 = join_all(buyers).await.into_iter().sum();
    assert_eq!(corrections(&app), 0, "of {bookings} bookings");
    assert_eq!(app.left().await, [20, 2]);
}
