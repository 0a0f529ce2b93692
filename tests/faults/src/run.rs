//! One run of a scenario: a sale with a crowd, the faults, quiet, and the audit of what is left.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::Client;
use serde_json::{Value, json};
use stanchion_audit::{LineSettings, World, audit, recoveries};
use stanchion_tests::tokens;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use crate::{
    clock::Clock,
    context::Context,
    installation::{Installation, Kind},
    journal::Journal,
    prober::probe,
    report::RunReport,
    sale::Sale,
    scenario::Scenario,
    user::User,
};

/// Users arrive over this time; many more over a longer one.
const ARRIVE_MS: u64 = 3_000;
const ARRIVE_PER_MS: u64 = 1;
/// The sale runs this long before the first fault.
const SETTLE: Duration = Duration::from_millis(2_500);
/// Holds end after this many seconds; in a hurry, after the other.
const HOLD_SECONDS: u32 = 15;
const SHORT_HOLD_SECONDS: u32 = 6;
/// In a hurry, the sale takes this share of its time.
const HURRY: f64 = 0.6;
/// Life of a pass, in seconds.
const PASS_SECONDS: u32 = 45;
const CLAIM_SECONDS: u32 = 10;
/// Passes out at once, as seconds of the rate.
const CAP_SECONDS: f64 = 4.0;
/// The prober goes on this long after the last fault: longer than the worst recovery may take.
const PROBE_AFTER: Duration = Duration::from_secs(12);
/// Longest wait for the end of a crowd, beyond sale and faults.
const PATIENCE: Duration = Duration::from_secs(90);
/// Longest wait until nothing is under way.
const QUIET: Duration = Duration::from_secs(75);
/// Longest wait for one answer to an operator.
const ANSWER: Duration = Duration::from_secs(10);

/// How a run is sized.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Users of the crowd.
    pub users: u32,
    /// Holds are short, and so is the sale.
    pub hurries: bool,
}

/// Runs a scenario once; what was found, and the world that it was found in.
///
/// # Errors
/// A run that could not be carried out.
pub async fn run(scenario: &Scenario, seed: u64, size: Size) -> Result<(RunReport, World)> {
    let mut random = StdRng::seed_from_u64(seed);
    let installation = Installation::start(scenario.shape, random.random()).await?;
    let journal = Arc::new(Journal::new(Clock::start()));
    let mut context = Context::new(
        installation,
        StdRng::seed_from_u64(random.random()),
        Arc::clone(&journal),
        size.hurries,
    );
    let http = Client::builder()
        .no_proxy()
        .tcp_nodelay(true)
        .pool_idle_timeout(Duration::from_secs(10))
        .build()?;
    let line = line(scenario, size);
    let hold_seconds = if size.hurries {
        SHORT_HOLD_SECONDS
    } else {
        HOLD_SECONDS
    };
    let zones = [
        size.users.div_ceil(8),
        size.users * 3,
        size.users * 3,
        size.users * 3,
    ];
    let sale = create(
        &context,
        &http,
        &journal,
        &zones,
        &settings(&line, "paused"),
        hold_seconds,
    )
    .await?;
    let probed = json!({"rate_per_second": 50, "burst": 50, "max_active": 1_000, "pass_ttl_seconds": 30, "state": "open"});
    let probed = create(&context, &http, &journal, &[100_000], &probed, 60).await?;
    let events = [sale.event, probed.event];
    context.event = sale.event;

    let (stop_users, users_stop) = watch::channel(false);
    let (stop_prober, prober_stops) = watch::channel(false);
    let mut users = JoinSet::new();
    let arrive_ms = ARRIVE_MS.max(u64::from(size.users) / ARRIVE_PER_MS);
    for at in 0..size.users {
        let user = User::new(&sale, &format!("u{at:05}"), random.random());
        users.spawn(user.live(
            Duration::from_millis(random.random_range(0..arrive_ms)),
            users_stop.clone(),
        ));
    }
    sleep(Duration::from_millis(arrive_ms + 1_000)).await;
    open(&http, &context, &sale).await?;
    context.say(&format!("the sale is open, {} users", size.users));
    let prober = tokio::spawn(probe(Arc::clone(&probed), prober_stops));
    sleep(SETTLE).await;
    let until = Instant::now() + Duration::from_secs_f64(scenario.sale_seconds) + PATIENCE;
    (scenario.run)(&mut context).await?;

    let faults_over = Instant::now();
    let all_done = timeout(
        until.saturating_duration_since(Instant::now()),
        finish(&mut users),
    )
    .await;
    context.say(if all_done.is_ok() {
        "the crowd is done"
    } else {
        "the crowd is not done"
    });
    sleep(PROBE_AFTER.saturating_sub(faults_over.elapsed())).await;
    let _ = (stop_users.send(true), stop_prober.send(true)); // they may have ended
    finish(&mut users).await?;
    prober.await.context("the prober failed")?;
    quiet(&context, &http, &events).await;
    let world = collect(&context, &http, &events, &journal, line).await?;
    context.installation.end(Duration::from_secs(8)).await;
    let mut report = RunReport::new(
        scenario.name,
        seed,
        size.users,
        audit(&world),
        recoveries(&world),
        &world,
    );
    report.judges_returns = scenario.shape.big_crowd.is_some();
    Ok((report, world))
}

/// The crowd is released over the scenario's time.
fn line(scenario: &Scenario, size: Size) -> LineSettings {
    let seconds = scenario.sale_seconds * if size.hurries { HURRY } else { 1.0 };
    let rate = (f64::from(size.users) / seconds).ceil().max(2.0);

    LineSettings {
        rate,
        burst: (rate / 2.0).ceil(),
        cap: (rate * CAP_SECONDS) as usize,
        pass_ttl_ms: i64::from(PASS_SECONDS) * 1_000,
        claim_window_ms: i64::from(CLAIM_SECONDS) * 1_000,
    }
}

fn settings(line: &LineSettings, state: &str) -> Value {
    json!({
        "rate_per_second": line.rate, "burst": line.burst as u32, "max_active": line.cap, "state": state,
        "pass_ttl_seconds": PASS_SECONDS, "claim_window_seconds": CLAIM_SECONDS, "grace_seconds": 60,
    })
}

async fn create(
    context: &Context,
    http: &Client,
    journal: &Arc<Journal>,
    zones: &[u32],
    queue: &Value,
    hold_seconds: u32,
) -> Result<Arc<Sale>> {
    let zone = |(at, capacity): (usize, &u32)| json!({"name": format!("zone {at}"), "capacity": capacity, "unit_price": 1_000});
    let zones: Vec<Value> = zones.iter().enumerate().map(zone).collect();
    let event = Uuid::new_v4();
    let body = json!({
        "event_id": event, "name": "a sale under faults", "max_seats_per_user": 10, "hold_seconds": hold_seconds,
        "queue": queue, "shows": [{"name": "show", "zones": zones}],
    });
    let bookings = context.installation.urls(Kind::Booking);
    let request = http
        .post(format!("{}/api/v1/admin/events", bookings[0]))
        .bearer_auth(tokens::operator());
    let response = request.timeout(ANSWER).json(&body).send().await?;
    let status = response.status();
    let created: Value = response.json().await?;

    ensure!(
        status == 201,
        "the event could not be created: {status} {created}"
    );

    let show = &created["shows"][0];
    let id = |value: &Value| {
        value
            .as_str()
            .and_then(|id| id.parse().ok())
            .context("an id")
    };

    Ok(Arc::new(Sale {
        journal: Arc::clone(journal),
        http: http.clone(),
        gateways: context.installation.urls(Kind::Gateway),
        bookings,
        is_balanced: context.installation.is_balanced,
        event,
        show: id(&show["show_id"])?,
        zones: show["zones"]
            .as_array()
            .context("zones")?
            .iter()
            .map(|zone| id(&zone["zone_id"]))
            .collect::<Result<_>>()?,
    }))
}

/// An operator tries again after a 503, as with a crowd that has just arrived on a busy machine.
async fn open(http: &Client, context: &Context, sale: &Sale) -> Result<()> {
    let booking = &context.installation.urls(Kind::Booking)[0];
    let until = Instant::now() + PATIENCE;

    loop {
        let request = http.put(format!(
            "{booking}/api/v1/admin/events/{}/queue",
            sale.event
        ));
        let request = request
            .bearer_auth(tokens::operator())
            .timeout(ANSWER)
            .json(&json!({"state": "open"}));
        let response = request.send().await?;
        if response.status() != 503 || Instant::now() > until {
            response.error_for_status()?;
            return Ok(());
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Waits for all; a client that failed is a fault of the run.
async fn finish(users: &mut JoinSet<stanchion_audit::Outcome>) -> Result<()> {
    while let Some(ended) = users.join_next().await {
        ended.context("a client failed")?;
    }
    Ok(())
}

/// Waits until nothing is under way: no hold, no message, nothing uncommitted. What stays is the
/// auditor's.
async fn quiet(context: &Context, http: &Client, events: &[Uuid]) {
    let began = Instant::now();
    while began.elapsed() < QUIET {
        if let Ok((database, engine)) = context.installation.look(http, events).await {
            let reserved = database.zones.iter().map(|zone| zone.held).sum::<i64>();
            let rows = database
                .bookings
                .iter()
                .filter(|row| row.status == stanchion_audit::Status::Reserved)
                .count();
            let stock = engine.and_then(|engine| engine.stock).unwrap_or_default();
            let settled = context.installation.stores.is_none() || database.messages_waiting == 0;
            if reserved == 0
                && rows == 0
                && settled
                && stock.holds.is_empty()
                && stock.uncommitted.is_empty()
            {
                context.say(&format!(
                    "quiet after {:.1} s",
                    began.elapsed().as_secs_f64()
                ));
                return;
            }
        }
        sleep(Duration::from_millis(500)).await;
    }

    context.say("it did not become quiet");
}

async fn collect(
    context: &Context,
    http: &Client,
    events: &[Uuid],
    journal: &Journal,
    line: LineSettings,
) -> Result<World> {
    sleep(Duration::from_secs(1)).await; // what was settled last reaches the engine
    let (mut database, engine) = context.installation.look(http, events).await?;
    let mut stream = context.installation.stream().await?;

    if let Some(stream) = &mut stream {
        stream.lost = context.stream_is_lost;
    } else {
        database.messages_waiting = 0; // without a bus they wait for nobody
    }

    let (records, walks) = journal.read();
    Ok(World {
        line,
        records,
        walks,
        faults: context.faults.clone(),
        database,
        engine,
        stream,
    })
}
