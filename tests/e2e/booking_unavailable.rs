//! Booking is impossible: the database answers but takes no writes, or Redis hangs. Booking
//! reports it at `/ready` and refuses requests at once, the queue is paused independent of the
//! load, and all of it ends with the fault.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use stanchion_tests::{
    Admission, EventBuilder, Rest, RestResponse, Sale, Shape, Stack, Visitor,
    process::Signal,
    shopping::{confirm, id, new_key, reserve_once, with_retries},
    simulated_users::admit_all,
    wait::within,
};

const RATE: f64 = 40.0;
/// For a debug build on a busy machine; a wait for a server would take two seconds.
const AT_ONCE: Duration = Duration::from_millis(500);
/// A probe each half second, of two seconds at most; vitals each second, read each half second.
const NOTICED: Duration = Duration::from_secs(10);
/// Five seconds, and what builds without optimisation beside other work add.
const BACK: Duration = Duration::from_secs(if cfg!(debug_assertions) { 12 } else { 6 });
/// Ends within the outage that it is to outlive.
const HOLD: u32 = 6;

struct Scene {
    stack: Stack,
    sale: Sale,
    admissions: Vec<Admission>,
    watcher: Rest,
}

impl Scene {
    async fn open(shape: Shape) -> Self {
        let stack = Stack::servers(shape).await;
        let sale = EventBuilder::new(&[1_000])
            .hold_seconds(HOLD)
            .create(&stack.operator())
            .await;
        let admissions = admit_all(&[stack.gateway(0)], &sale, &Visitor::many("buyer", 8)).await;

        sale.set_queue(
            &stack.operator(),
            json!({"rate_per_second": RATE, "burst": 4}),
        )
        .await
        .expect(200);

        let watcher = stack.gateway(0).by(&Visitor::new("watcher"));
        Self {
            stack,
            sale,
            admissions,
            watcher,
        }
    }

    async fn until_rate(&self, time: Duration, rate: f64) {
        let look = || async {
            let status = self.sale.status(&self.watcher).await;
            (status["rate_effective"].as_f64() == Some(rate)).then_some(())
        };
        within(time, &format!("a rate of {rate}"), look).await;
    }

    async fn until_ready(&self, time: Duration, status: u16) {
        let look = || async {
            (self.stack.booking(0).health("ready").await.status == status).then_some(())
        };
        within(time, &format!("/ready to say {status}"), look).await;
    }

    async fn reserve(&self, buyer: usize) -> (RestResponse, Duration) {
        let (asked, admission) = (Instant::now(), &self.admissions[buyer]);
        let booking = self.stack.booking(0).by(&admission.visitor);
        let key = format!("key-{buyer}");
        let answer = reserve_once(
            &booking,
            &self.sale.wish(0, 1),
            Some(&admission.pass),
            Some(&key),
        )
        .await;

        (answer, asked.elapsed())
    }

    async fn is_refused_at_once(&self, buyer: usize) {
        let (answer, waited) = self.reserve(buyer).await;
        assert!(
            answer.status == 503 && answer.has_retry_after(),
            "{}: {}",
            answer.status,
            answer.body
        );
        assert!(waited < AT_ONCE, "{waited:?}");
    }

    async fn live(&self) -> Value {
        self.stack
            .operator()
            .get(&format!("/admin/events/{}/live", self.sale.event))
            .await
            .expect(200)
    }
}

async fn run(connection: &mut PgConnection, statement: &str) {
    sqlx::query(AssertSqlSafe(statement.to_owned()))
        .execute(connection)
        .await
        .expect("the statement");
}

async fn only_reads(url: &str, on: bool) {
    let mut admin = PgConnection::connect(url)
        .await
        .expect("PostgreSQL answers");
    let change = if on {
        "SET default_transaction_read_only = on"
    } else {
        "RESET default_transaction_read_only"
    };

    run(&mut admin, "SET default_transaction_read_only = off").await;
    run(&mut admin, &format!("ALTER SYSTEM {change}")).await;
    run(&mut admin, "SELECT pg_reload_conf()").await;
}

fn on_own_postgres() -> Shape {
    Shape {
        gateways: 1,
        bookings: 1,
        workers: 1,
        own_postgres: true,
        ..Shape::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extends_holds_while_database_is_read_only() {
    let scene = Scene::open(on_own_postgres()).await;
    let url = scene.stack.backends().database_url();
    let held = with_retries(|| async { scene.reserve(0).await.0 })
        .await
        .expect(201);
    let mine = scene.stack.booking(0).by(&scene.admissions[0].visitor);

    only_reads(&url, true).await;
    scene.until_ready(NOTICED, 503).await;
    let ended = held["expires_at"].as_str().expect("an end").to_owned();
    let is_over = || async { (server_time(&url).await > ended).then_some(()) };
    within(
        Duration::from_secs(u64::from(HOLD) + 5),
        "the end of the hold",
        is_over,
    )
    .await;
    scene.is_refused_at_once(1).await;
    let once = mine
        .post(&format!("/bookings/{}/confirm", id(&held)), &json!({}))
        .await;
    assert_eq!(once.status, 503, "{}", once.body);

    only_reads(&url, false).await;
    scene.until_ready(BACK, 200).await;
    let confirmed = confirm(&mine, id(&held)).await.expect(200);
    assert_eq!(
        confirmed["status"], "confirmed",
        "its end was in the outage: {confirmed}"
    );
    assert!(
        confirmed["expires_at"].as_str() > held["expires_at"].as_str(),
        "{confirmed}"
    );
    with_retries(|| async { scene.reserve(1).await.0 })
        .await
        .expect(201);
    assert!(
        scene
            .stack
            .booking(0)
            .metric("stanchion_booking_holds_prolonged_total")
            .await
            >= 1.0
    );
}

/// The database's time, as a booking's are written.
async fn server_time(url: &str) -> String {
    let mut connection = PgConnection::connect(url)
        .await
        .expect("PostgreSQL answers");
    let time =
        r#"SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"#;

    sqlx::query_scalar(time)
        .fetch_one(&mut connection)
        .await
        .expect("the time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pauses_queue_while_database_is_read_only() {
    let scene = Scene::open(on_own_postgres()).await;
    let url = scene.stack.backends().database_url();
    scene.until_rate(BACK, RATE).await;
    only_reads(&url, true).await;

    // The queue is paused without any reservation too.
    scene.until_ready(NOTICED, 503).await;
    scene.until_rate(NOTICED, 0.0).await;
    within(NOTICED, "the reason among the live figures", || async {
        (scene.live().await["slowness"] == "paused").then_some(())
    })
    .await;
    scene.is_refused_at_once(0).await;

    assert_eq!(
        scene.sale.status(&scene.watcher).await["rate_effective"],
        0.0,
        "as long as it lasts"
    );
    only_reads(&url, false).await;
    scene.until_rate(BACK, RATE).await;
    with_retries(|| async { scene.reserve(0).await.0 })
        .await
        .expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pauses_queue_while_bookings_are_locked() {
    let scene = Scene::open(on_own_postgres()).await;
    let url = scene.stack.backends().database_url();
    let mut other = PgConnection::connect(&url)
        .await
        .expect("PostgreSQL answers");

    run(&mut other, "SET idle_in_transaction_session_timeout = 0").await; // booking has the server end such transactions
    run(&mut other, "BEGIN").await;
    run(&mut other, "LOCK TABLE bookings IN SHARE MODE").await;
    scene.until_ready(NOTICED, 503).await;
    scene.until_rate(NOTICED, 0.0).await;
    scene.is_refused_at_once(0).await;
    run(&mut other, "ROLLBACK").await;
    scene.until_rate(BACK, RATE).await;

    with_retries(|| async { scene.reserve(0).await.0 })
        .await
        .expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fails_fast_while_redis_hangs() {
    let shape = Shape {
        gateways: 1,
        bookings: 1,
        workers: 1,
        own_redis: true,
        ..Shape::default()
    };
    let mut scene = Scene::open(shape).await;
    scene
        .stack
        .backends_mut()
        .redis_server()
        .signal(Signal::Stop);
    scene.until_ready(NOTICED, 503).await;
    for buyer in 0..3 {
        scene.is_refused_at_once(buyer).await;
    }
    scene
        .stack
        .backends_mut()
        .redis_server()
        .signal(Signal::Continue);
    scene.until_ready(BACK, 200).await;
    let asked = Instant::now();
    let key = new_key();
    let admission = &scene.admissions[4];
    let booking = scene.stack.booking(0).by(&admission.visitor);
    let wish = scene.sale.wish(0, 1);
    with_retries(|| reserve_once(&booking, &wish, Some(&admission.pass), Some(&key)))
        .await
        .expect(201);

    assert!(asked.elapsed() < BACK, "{:?}", asked.elapsed());
}
