//! Admission follows booking: a slow database throttles the queue, for as long as it is slow.

use std::time::{Duration, Instant};

use serde_json::json;
use stanchion_tests::{
    Admission, EventBuilder, Rest, Sale, Shape, Stack, Visitor,
    process::Signal,
    shopping::{new_key, reserve_once},
    simulated_users::admit_all,
    stack::{OVERLOAD_LATENCY_MS, Role},
    wait::within,
};
use tokio::task::JoinSet;

const RATE: f64 = 40.0;
/// Slow, and less than the second that a reservation waits for a connection: nothing fails.
const LATENCY: Duration = Duration::from_millis(600);
/// Measurements look back three seconds, and three raises are a second apart: about seven seconds.
/// Where builds without optimisation share the machine with other work, reservations are slow for
/// longer.
const BACK: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 10 });

async fn effective(gateway: &Rest, sale: &Sale) -> f64 {
    sale.status(gateway).await["rate_effective"]
        .as_f64()
        .expect("the rate in force")
}

/// Waits for the effective rate to meet a condition, for at most this long.
async fn watch(
    gateway: &Rest,
    sale: &Sale,
    seen: &mut Vec<f64>,
    longest: Duration,
    enough: impl Fn(f64) -> bool,
) {
    let began = Instant::now();
    loop {
        let rate = effective(gateway, sale).await;
        if seen.last() != Some(&rate) {
            seen.push(rate);
        }
        if enough(rate) {
            return;
        }
        assert!(began.elapsed() < longest, "after {longest:?}: {seen:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Reserves all the time; the results do not matter.
fn trade(stack: &Stack, sale: &Sale, admissions: Vec<Admission>) -> JoinSet<()> {
    let mut trading = JoinSet::new();
    for (at, admission) in admissions.into_iter().enumerate() {
        let (booking, wish) = (stack.booking(0).by(&admission.visitor), sale.wish(0, 1));
        trading.spawn(async move {
            tokio::time::sleep(Duration::from_millis(at as u64 * 40)).await;
            reserve_once(&booking, &wish, Some(&admission.pass), Some(&new_key())).await;
        });
    }

    trading
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttles_queue_while_database_is_slow() {
    let worker_settings = vec![(OVERLOAD_LATENCY_MS, String::new())];
    let shape = Shape {
        gateways: 1,
        bookings: 1,
        delayed_database: true,
        worker_settings,
        ..Shape::default()
    };
    let stack = Stack::servers(shape).await;
    let sale = EventBuilder::new(&[1_000]).create(&stack.operator()).await;
    let admissions = admit_all(&[stack.gateway(0)], &sale, &Visitor::many("trader", 250)).await;
    let queue = json!({"rate_per_second": RATE, "burst": 4});
    sale.set_queue(&stack.operator(), queue).await.expect(200);
    let gateway = stack.gateway(0).by(&Visitor::new("watcher"));
    let mut seen = Vec::new();
    watch(
        &gateway,
        &sale,
        &mut seen,
        Duration::from_secs(10),
        |rate| rate == RATE,
    )
    .await;
    let mut trading = trade(&stack, &sale, admissions);

    seen.clear();
    stack.backends().delay().set(LATENCY);
    let began = Instant::now();
    watch(&gateway, &sale, &mut seen, Duration::from_secs(3), |rate| {
        rate <= RATE / 2.0
    })
    .await;
    watch(
        &gateway,
        &sale,
        &mut seen,
        Duration::from_secs(12),
        |rate| rate == RATE / 10.0,
    )
    .await;
    tokio::time::sleep(Duration::from_secs(3).saturating_sub(began.elapsed())).await;
    assert!(
        seen.is_sorted_by(|before, after| before > after),
        "it only fell: {seen:?}"
    );

    seen.clear();
    stack.backends().delay().set(Duration::ZERO);
    watch(&gateway, &sale, &mut seen, BACK, |rate| rate == RATE).await;
    assert!(seen.is_sorted(), "it only rose: {seen:?}");
    let mut after = Vec::new();
    for _ in 0..20 {
        after.push(effective(&gateway, &sale).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        after.iter().all(|rate| *rate == RATE),
        "and stays: {after:?}"
    );
    trading.abort_all();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn releases_nobody_when_booking_is_down() {
    let stack = Stack::servers(Shape {
        gateways: 1,
        bookings: 1,
        workers: 1,
        ..Shape::default()
    })
    .await;
    let sale = EventBuilder::new(&[1_000])
        .paused()
        .create(&stack.operator())
        .await;
    let gateway = stack.gateway(0).by(&Visitor::new("watcher"));

    stack.signal(Role::Booking, 0, Signal::Stop);
    within(Duration::from_secs(20), "the pause", || async {
        (effective(&gateway, &sale).await == 0.0).then_some(())
    })
    .await;
    stack.signal(Role::Booking, 0, Signal::Continue);

    within(Duration::from_secs(15), "the end of the pause", || async {
        (effective(&gateway, &sale).await == 100_000.0).then_some(())
    })
    .await;
}
