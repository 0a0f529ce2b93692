//! Many holds end at the same moment: their seats are back soon, and who reserves beside it waits
//! little longer than before.
//!
//! `HOLDS=100000 cargo test --release -p booking --test servers expiry -- --nocapture` (below
//! `tests/services/run`) lets so many end, with `SPREAD_SECONDS=60` one after the other over a
//! minute instead of all at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use booking::{
    model::{booking::NewBooking, event::Event},
    store::{SharedStore, Store},
};
use futures_util::future::join_all;
use tokio::time::sleep;
use waitingroom_domain::queue::Grant;

use crate::{
    app::{TestApp, admin},
    databases,
    fixtures::{event, operator, reservation},
    instances::redis,
};

const ZONES: u32 = 5;
const HOLD: Duration = Duration::from_secs(600);
const BUYERS: u64 = 8;
/// Pause of a buyer after a booking.
const PAUSE: Duration = Duration::from_millis(10);
/// How long buyers are timed before anything ends.
const USUAL: Duration = Duration::from_secs(2);
/// Seats are back within this time of their holds' end.
const SOON: Duration = Duration::from_secs(2);
/// Figures below this tell of the machine, not of the sweep.
const NOISE: Duration = if cfg!(debug_assertions) {
    Duration::from_millis(250)
} else {
    Duration::from_millis(25)
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mass_expiry_delays_no_reservation() {
    let (holds, spread) = (
        number("HOLDS", 2_000),
        Duration::from_secs(number("SPREAD_SECONDS", 0).into()),
    );
    let capacity = holds.div_ceil(ZONES);
    let app = Arc::new(open(capacity, holds, spread).await);
    let buying = Buying::default();
    let buyers = tokio::spawn(buy(Arc::clone(&app), buying.clone()));

    sleep(USUAL).await;
    let before = buying.take_latencies();
    let late = let_holds_end(&app, holds, capacity * ZONES - holds, spread).await;
    let beside = buying.take_latencies();
    buying.stop.store(true, Ordering::Relaxed);
    buyers.await.unwrap();

    println!(
        "{holds} holds that ended over {spread:?} were free again at most {late:?} after their time"
    );
    println!(
        "reserve before: {}; beside: {}",
        figures(&before),
        figures(&beside)
    );
    assert!(late < SOON, "{late:?}");
    let (usual, now) = (quantile(&before, 0.99).max(NOISE), quantile(&beside, 0.99));
    assert!(
        now < 2 * usual,
        "the slowest hundredth took {now:?} beside it, {usual:?} before"
    );
}

fn number(variable: &str, usual: u32) -> u32 {
    std::env::var(variable)
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(usual)
}

/// How long the seat that came back latest was over its time. Holds end in the order in which they
/// were made.
async fn let_holds_end(app: &TestApp, holds: u32, never_held: u32, spread: Duration) -> Duration {
    app.clock.advance(HOLD);
    let (began, mut passed, mut latest) = (Instant::now(), Duration::ZERO, Duration::ZERO);

    loop {
        // The clock knows whole milliseconds: it would fall behind by the rest of each step.
        let step = Duration::from_millis((began.elapsed() - passed).as_millis() as u64);
        app.clock.advance(step);
        passed += step;
        let free = app.left().await[..ZONES as usize].iter().sum::<u32>() - never_held;
        latest = latest.max(
            passed
                .saturating_sub(spread.mul_f64(f64::from(free.min(holds - 1)) / f64::from(holds))),
        );
        if free == holds {
            return latest;
        }
        assert!(
            passed < spread + Duration::from_secs(60),
            "{free} of {holds}"
        );
        sleep(Duration::from_millis(10)).await;
    }
}

/// An app with these many seats held in five zones, and a sixth for those who buy meanwhile.
async fn open(capacity: u32, holds: u32, spread: Duration) -> TestApp {
    let store: SharedStore = databases::postgres().await;
    let mut app = TestApp::open_with(store, redis().await).await;
    let mut capacities = vec![capacity; ZONES as usize];

    capacities.push(1_000_000);
    let event = event(&capacities);

    app.store
        .create_event(&event, &operator(app.clock.now()))
        .await
        .unwrap();
    hold(app.store.as_ref(), &app, &event, holds, spread).await;
    app.event = event.event_id;
    app.show = event.shows[0].show_id.to_string();
    app.zones = event.shows[0]
        .zones
        .iter()
        .map(|zone| zone.zone_id.to_string())
        .collect();

    let synced = app.post("/admin/sync-inventory", &admin()).await;
    assert_eq!(synced.status, 200, "{synced:?}");

    let left = app.left().await;
    assert_eq!(
        left[..ZONES as usize].iter().sum::<u32>(),
        capacity * ZONES - holds
    );
    app
}

async fn hold(store: &dyn Store, app: &TestApp, event: &Event, holds: u32, spread: Duration) {
    let now = app.clock.now();
    let held = |number: u32| -> NewBooking {
        let mut new = reservation(
            event,
            (number % ZONES) as usize,
            &format!("holder-{number}"),
            1,
        );
        let end = now
            .plus(HOLD)
            .plus(spread.mul_f64(f64::from(number) / f64::from(holds)));
        (new.booking.created_at, new.booking.expires_at) = (now, end);
        new
    };

    let held: Vec<_> = (0..holds).map(held).collect();
    for some in held.chunks(1_000) {
        store.insert(some).await.unwrap();
    }
}

/// What the buyers share.
#[derive(Clone, Default)]
struct Buying {
    stop: Arc<AtomicBool>,
    number: Arc<AtomicU64>,
    latencies: Arc<parking_lot::Mutex<Vec<Duration>>>,
}

impl Buying {
    fn take_latencies(&self) -> Vec<Duration> {
        let mut latencies = std::mem::take(&mut *self.latencies.lock());
        latencies.sort();
        latencies
    }
}

async fn buy(app: Arc<TestApp>, buying: Buying) {
    let buyers = (0..BUYERS).map(|_| async {
        while !buying.stop.load(Ordering::Relaxed) {
            let number = buying.number.fetch_add(1, Ordering::Relaxed);
            let user = format!("buyer-{number}");
            let pass = pass(&app, &user, number);
            let asked = Instant::now();
            let answer = app.reserve(&user, &pass, None, ZONES as usize, 1).await;
            buying.latencies.lock().push(asked.elapsed());
            // The clock moves on by the life of a hold in the middle of a few of them.
            assert!(
                answer.status == 201 || answer.code() == "BOOKING_EXPIRED",
                "{answer:?}"
            );
            sleep(PAUSE).await;
        }
    });
    join_all(buyers).await;
}

/// A pass of an earlier line: nobody has to wait for it.
fn pass(app: &TestApp, user: &str, number: u64) -> String {
    let grant = Grant {
        pass_id: format!("beside-{number}").parse().unwrap(),
        number,
        epoch: "earlier".parse().unwrap(),
        issued_at: app.clock.now(),
        expires_at: app.clock.now().plus(Duration::from_secs(3_600)),
    };
    app.mint(&user.parse().unwrap(), &grant)
}

fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let at = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

fn figures(sorted: &[Duration]) -> String {
    let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| quantile(sorted, share));
    format!(
        "{} in all, p50 {p50:?}, p95 {p95:?}, p99 {p99:?}",
        sorted.len()
    )
}
