//! Small walks through the whole installation, again and again, on an event of their own: when is
//! every pair of gateway and booking whole?

use std::{sync::Arc, time::Duration};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use stanchion_audit::{Unwhole, Walk};
use stanchion_tests::tokens;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::sale::{Sale, short};

/// A walk of each pair begins this often.
const EACH_PAIR: Duration = Duration::from_millis(500);
/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(3);
/// Longest wait for the pass.
const PASS: Duration = Duration::from_secs(6);
/// Pause between two looks for the pass.
const LOOK_AGAIN: Duration = Duration::from_millis(150);
/// Walks under way at once; more would be load of their own.
const UNDER_WAY: usize = 64;

/// Walks until told to stop; then waits for the walks that are under way.
pub async fn probe(sale: Arc<Sale>, mut stop: watch::Receiver<bool>) {
    let pairs: Vec<(String, String)> = sale
        .gateways
        .iter()
        .flat_map(|gateway| {
            sale.bookings
                .iter()
                .map(move |booking| (gateway.clone(), booking.clone()))
        })
        .collect();
    let mut ticks = interval(EACH_PAIR / u32::try_from(pairs.len()).unwrap_or(1).max(1));

    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut walks = JoinSet::new();

    for number in 0_usize.. {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
        while walks.try_join_next().is_some() {}
        if walks.len() < UNDER_WAY {
            let (gateway, booking) = pairs[number % pairs.len()].clone();
            walks.spawn(walk(Arc::clone(&sale), number, gateway, booking));
        }
    }

    walks.join_all().await;
}

async fn walk(sale: Arc<Sale>, number: usize, gateway: String, booking: String) {
    let clock = sale.journal.clock;
    let began_ms = clock.now_ms();
    let failed = steps(&sale, &format!("probe-{number}"), &gateway, &booking)
        .await
        .err();
    let (gateway, booking) = (short(&gateway), short(&booking));

    sale.journal.walked(Walk {
        gateway,
        booking,
        began_ms,
        ended_ms: clock.now_ms(),
        failed,
    });
}

async fn steps(sale: &Sale, user: &str, gateway: &str, booking: &str) -> Result<(), Unwhole> {
    let token = tokens::user(user);
    let request = |method: Method, server: &str, path: &str| {
        sale.http
            .request(method, format!("{server}/api/v1{path}"))
            .bearer_auth(&token)
            .timeout(ANSWER)
    };

    let join = request(Method::POST, gateway, "/queue/join").json(&json!({"event_id": sale.event}));
    let mut place = step("join", join).await?;
    let joined = tokio::time::Instant::now();

    while place["queue_pass"].as_str().is_none() {
        if joined.elapsed() > PASS {
            return Err(Unwhole {
                step: "pass".into(),
                status: 0,
                why: "no pass in time".into(),
            });
        }
        sleep(LOOK_AGAIN).await;
        place = step(
            "pass",
            request(
                Method::GET,
                gateway,
                &format!("/queue/position/{}", sale.event),
            ),
        )
        .await?;
    }

    let wish = json!({"event_id": sale.event, "show_id": sale.show, "zone_id": sale.zones[0], "quantity": 1});
    let reserve = request(Method::POST, booking, "/bookings/reserve").json(&wish);
    let pass = place["queue_pass"].as_str().unwrap_or_default();
    let reserved = step(
        "reserve",
        reserve
            .header("x-queue-pass", pass)
            .header("idempotency-key", user),
    )
    .await?;

    let id = reserved["booking_id"].as_str().unwrap_or_default();
    step(
        "cancel",
        request(Method::DELETE, booking, &format!("/bookings/{id}")),
    )
    .await
    .map(|_| ())
}

async fn step(name: &str, request: RequestBuilder) -> Result<Value, Unwhole> {
    let failed = |status: u16, why: String| Unwhole {
        step: name.to_owned(),
        status,
        why,
    };
    let response = request
        .send()
        .await
        .map_err(|error| failed(0, error.to_string()))?;
    let status = response.status();
    let body: Value = response.json().await.unwrap_or_default();

    if status.is_success() {
        return Ok(body);
    }

    Err(failed(
        status.as_u16(),
        body["code"].as_str().unwrap_or("NO_CODE").to_owned(),
    ))
}
