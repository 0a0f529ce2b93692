//! A gateway hands requests for booking on: a client that knows one address gets everything.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use stanchion_tests::{
    EventBuilder, Shape, Stack, eventually, process::Signal, shopping::new_key, stack::Role,
    wait::with_timeout,
};

/// The address that a trusted proxy says a request is from.
const FORWARDED: &str = "x-forwarded-for";

fn small() -> Shape {
    Shape {
        gateways: 1,
        workers: 1,
        bookings: 1,
        ..Shape::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buys_through_gateway_alone() {
    let stack = Stack::servers(small()).await;
    let gateway = stack.gateway(0);
    let operator = gateway.with_token(&stanchion_tests::tokens::operator());
    let sale = EventBuilder::new(&[20]).create(&operator).await;

    let listed = gateway.get("/events").await.expect(200);
    let ids = listed["events"].as_array().expect("a list");
    assert!(
        ids.iter()
            .any(|event| event["event_id"] == sale.event.as_str())
    );

    let made = gateway.post("/guest", &json!({})).await.expect(201);
    let guest = gateway.with_token(made["token"].as_str().expect("a token"));
    sale.join(&guest).await.expect(201);
    let pass = eventually("the guest's turn", || async {
        let place = sale.place(&guest).await.expect(200);
        place["queue_pass"].as_str().map(str::to_owned)
    })
    .await;
    let reserved = stanchion_tests::shopping::reserve_once(
        &guest,
        &sale.wish(0, 2),
        Some(&pass),
        Some(&new_key()),
    )
    .await
    .expect(201);
    let id = reserved["booking_id"].as_str().expect("an id");
    let confirmed = guest
        .send(guest.request(Method::POST, &format!("/bookings/{id}/confirm")))
        .await
        .expect(200);
    assert_eq!(confirmed["status"], "confirmed");
    let mine = guest.get("/bookings?limit=5").await.expect(200);
    assert_eq!(mine["total"], 1, "the query is handed on");

    // Refusals are booking's own.
    guest
        .get("/admin/events")
        .await
        .expect_problem(403, "FORBIDDEN");
    guest
        .get("/events/d0000000-0000-0001-0000-00000000dead")
        .await
        .expect_problem(404, "EVENT_NOT_FOUND");
    let large = json!({"event_id": sale.event, "message": "x".repeat(20_000)});
    guest
        .post("/bookings/reserve", &large)
        .await
        .expect_problem(413, "PAYLOAD_TOO_LARGE");
    let request = guest.request(Method::GET, "/bookings/pending");
    let answer = guest
        .send(request.header("x-request-id", "from-the-client"))
        .await;
    assert_eq!(answer.headers["x-request-id"], "from-the-client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hands_streams_on_until_drain() {
    let stack = Stack::servers(small()).await;
    let sale = EventBuilder::new(&[20]).create(&stack.operator()).await;
    let path = format!("/events/{}/availability/stream", sale.event);
    let response = with_timeout(
        "the stream",
        stack.gateway(0).request(Method::GET, &path).send(),
    )
    .await
    .expect("the gateway answers");
    assert_eq!(response.headers()["content-type"], "text/event-stream");

    let mut body = response.bytes_stream();
    let first = with_timeout("the first event", body.next()).await;
    let first = first.expect("an event").expect("bytes");
    assert!(
        String::from_utf8_lossy(&first).contains(&sale.zones[0]),
        "{first:?}"
    );

    stack.signal(Role::Gateway, 0, Signal::Terminate);
    with_timeout("the end of the stream", async {
        while body.next().await.is_some_and(|bytes| bytes.is_ok()) {}
    })
    .await;
    assert!(stack.ended(Role::Gateway, 0).await.success());
}

/// Booking does not trust this gateway's `X-Forwarded-For`; it believes what the gateway signs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_are_counted_by_their_own_address() {
    let stack = Stack::servers(Shape {
        gateway_settings: vec![("STANCHION_TRUSTED_PROXIES", "127.0.0.0/8".to_owned())],
        booking_settings: vec![("STANCHION_GUEST_HOLDS_PER_ADDRESS", "1".to_owned())],
        ..small()
    })
    .await;
    let sale = EventBuilder::new(&[20]).create(&stack.operator()).await;
    let gateway = stack.gateway(0);

    let reserve = async |address: &'static str| {
        let from = |request: reqwest::RequestBuilder| request.header(FORWARDED, address);
        let made = gateway
            .send(from(gateway.request(Method::POST, "/guest")))
            .await;
        let made: Value = made.expect(201);
        let guest = gateway.with_token(made["token"].as_str().expect("a token"));
        let join = guest
            .request(Method::POST, "/queue/join")
            .json(&json!({"event_id": sale.event}));
        guest.send(from(join)).await.expect(201);
        let pass = eventually("a turn", || async {
            let place = sale.place(&guest).await.expect(200);
            place["queue_pass"].as_str().map(str::to_owned)
        })
        .await;
        let request = guest
            .request(Method::POST, "/bookings/reserve")
            .header("X-Queue-Pass", pass)
            .header("Idempotency-Key", new_key())
            // What a client says of itself is not handed on.
            .header("x-stanchion-guest-address", "198.51.100.7 forged")
            .json(&sale.wish(0, 1));
        guest.send(from(request)).await
    };

    reserve("203.0.113.9").await.expect(201);
    reserve("203.0.113.9")
        .await
        .expect_problem(429, "RATE_LIMITED");
    reserve("203.0.113.10").await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn booking_that_is_away_is_unavailable() {
    let stack = Stack::servers(small()).await;
    stack.signal(Role::Booking, 0, Signal::Kill);
    stack.ended(Role::Booking, 0).await;

    let answer = stack.gateway(0).get("/events").await;
    assert!(answer.has_retry_after(), "{answer:?}");
    answer.expect_problem(503, "UNAVAILABLE");
}
