//! Guests: limited by address, renewed, and treated as any user in the queue.

use serde_json::json;
use stanchion_tests::{
    EventBuilder, Stack,
    tokens::{self, PASS_SECRET},
    wait::{eventually, now_ms},
};

/// The address that a trusted proxy says a request is from.
const FORWARDED: &str = "x-forwarded-for";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_guest_places_per_address() {
    let stack = Stack::embedded_with(&[
        ("STANCHION_TRUSTED_PROXIES", "127.0.0.0/8"),
        ("STANCHION_GUEST_PLACES_PER_ADDRESS", "3"),
    ])
    .await;
    let sale = EventBuilder::new(&[100])
        .paused()
        .create(&stack.operator())
        .await;
    let gateway = stack.gateway(0);
    let guest = async |address: &str| {
        let request = gateway
            .request(reqwest::Method::POST, "/guest")
            .header(FORWARDED, address);
        gateway.send(request).await.expect(201)["token"]
            .as_str()
            .expect("a token")
            .to_owned()
    };
    let join = async |token: &str, address: &str| {
        let gateway = gateway.with_token(token);
        let request = gateway
            .request(reqwest::Method::POST, "/queue/join")
            .header(FORWARDED, address);
        gateway
            .send(request.json(&json!({"event_id": sale.event})))
            .await
    };
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(guest("203.0.113.9").await);
    }
    for token in &tokens[..3] {
        join(token, "203.0.113.9").await.expect(201);
    }
    let refused = join(&tokens[3], "203.0.113.9").await;

    assert!(refused.has_retry_after(), "{refused:?}");
    refused.expect_problem(429, "RATE_LIMITED");
    join(&tokens[0], "203.0.113.9").await.expect(200); // the place that they have is theirs
    join(&tokens[3], "203.0.113.10").await.expect(201);
    let metric = r#"stanchion_guests_rejected_total{reason="places"}"#;

    assert!(gateway.metric(metric).await >= 1.0);
    gateway
        .with_token(&tokens[1])
        .delete(&format!("/queue/leave?event_id={}", sale.event))
        .await
        .expect(200);
    let late = guest("203.0.113.9").await;
    join(&late, "203.0.113.9").await.expect(201);
}

/// As behind a proxy that forwards no addresses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_address_of_most_guests() {
    let stack = Stack::embedded_with(&[
        ("STANCHION_TRUSTED_PROXIES", "127.0.0.0/8"),
        ("STANCHION_GUESTS_PER_ADDRESS", "60"),
    ])
    .await;
    let gateway = stack.gateway(0);
    let guest = async |address: &str| {
        let request = gateway.request(reqwest::Method::POST, "/guest");
        gateway.send(request.header(FORWARDED, address)).await
    };
    let reported = async || {
        let nodes = stack.operator().get("/admin/nodes").await.expect(200);
        nodes["nodes"][0]["guest_majority"].clone()
    };

    for number in 0..50 {
        guest(&format!("198.51.{number}.7")).await.expect(201);
    }
    assert!(reported().await.is_null(), "a crowd");

    let mut refused = 0;
    for _ in 0..150 {
        refused += u32::from(guest("203.0.113.9").await.status == 429);
    }
    assert!(refused > 0);

    let majority = eventually("a report", || async {
        Some(reported().await).filter(|majority| !majority.is_null())
    })
    .await;
    // Of the address, no more than its network.
    assert_eq!(majority["network"], "203.0.113.0/24");
    let percent = majority["percent"].as_u64().expect("a number");
    assert!(percent > 50, "{percent}");

    eventually("the metric", || async {
        let ratio = gateway.metric("stanchion_guests_majority_ratio").await;
        (ratio > 0.5).then_some(())
    })
    .await;
    assert!(gateway.metric("stanchion_guests_created_total").await >= 110.0);
    let metric = r#"stanchion_guests_rejected_total{reason="guests"}"#;
    assert!(gateway.metric(metric).await >= f64::from(refused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_places_when_old_guest_is_renewed() {
    let stack = Stack::embedded_with(&[("STANCHION_GUEST_JOIN_SECONDS", "1")]).await;
    let [first, second] = [
        EventBuilder::new(&[10])
            .paused()
            .create(&stack.operator())
            .await,
        EventBuilder::new(&[10])
            .paused()
            .create(&stack.operator())
            .await,
    ];
    let gateway = stack.gateway(0);
    let made = gateway.post("/guest", &json!({})).await.expect(201);
    let old = gateway.with_token(made["token"].as_str().expect("a token"));
    first.join(&old).await.expect(201);

    // Its time to join is over when a place that it does not have is refused.
    let refused = stanchion_tests::wait::within(
        std::time::Duration::from_secs(20),
        "an old guest",
        || async {
            let answer = second.join(&old).await;
            if answer.status == 403 {
                return Some(answer);
            }
            old.delete(&format!("/queue/leave?event_id={}", second.event))
                .await;
            None
        },
    )
    .await;
    refused.expect_problem(403, "GUEST_TOO_OLD");
    first.join(&old).await.expect(200);
    let renewed = old.post("/guest", &json!({})).await.expect(201);

    assert_eq!(renewed["user_id"], made["user_id"]);
    let renewed = gateway.with_token(renewed["token"].as_str().expect("a token"));
    second.join(&renewed).await.expect(201);
    first.join(&renewed).await.expect(200);
}

/// What a browser without script sends, and the cookie that it is answered with.
async fn plain(gateway: &str, page: &str, cookie: &str, scheme: &str) -> Option<String> {
    let join = page.ends_with("/join");
    let method = if join {
        reqwest::Method::POST
    } else {
        reqwest::Method::GET
    };
    let url = format!("{gateway}{page}");
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    let request = client
        .request(method, url)
        .header("x-forwarded-proto", scheme)
        .header("cookie", cookie);
    let response = request.send().await.expect("an answer");

    assert_eq!(response.status(), if join { 303 } else { 200 });
    response
        .headers()
        .get("set-cookie")
        .map(|value| value.to_str().expect("text").to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_noscript_cookie_to_host_and_queue() {
    let stack = Stack::embedded().await;
    let sale = EventBuilder::new(&[10])
        .paused()
        .create(&stack.operator())
        .await;
    let gateway = stack.gateway(0);
    let (join, look) = (
        format!("/e/{}/join", sale.event),
        format!("/e/{}?plain", sale.event),
    );
    let secure = plain(stack.gateway_url(0), &join, "", "https")
        .await
        .expect("a cookie");
    assert!(secure.starts_with("__Host-stanchion_guest="), "{secure}");
    for attribute in ["; Secure", "; Path=/;", "; HttpOnly", "; SameSite=Lax"] {
        assert!(secure.contains(attribute), "{secure}");
    }
    assert!(!secure.contains("Domain"), "{secure}");
    let local = plain(stack.gateway_url(0), &join, "", "http")
        .await
        .expect("a cookie");
    assert!(
        local.starts_with("stanchion_guest=") && !local.contains("Secure"),
        "{local}"
    );

    // A guest in line whose token is nearly over: the same guest, with a new one.
    let (now, guest) = (
        now_ms() / 1000,
        "guest-2b1d5f0e-3a0c-4a6e-9a30-5c9f4f0e8d11",
    );
    let claims = json!({"sub": guest, "iss": "stanchion:guest", "iat": now - 60, "exp": now + 600});
    let token = tokens::signed(&claims, PASS_SECRET);
    sale.join(&gateway.with_token(&token)).await.expect(201);
    let renewed = plain(
        stack.gateway_url(0),
        &look,
        &format!("__Host-stanchion_guest={token}"),
        "https",
    )
    .await
    .expect("renewed");
    let renewed = renewed
        .trim_start_matches("__Host-stanchion_guest=")
        .split(';')
        .next()
        .expect("a token")
        .to_owned();
    assert_ne!(renewed, token);
    let place = sale.place(&gateway.with_token(&renewed)).await.expect(200);
    assert_eq!(place["user_id"], guest);
    assert_eq!(
        plain(
            stack.gateway_url(0),
            &look,
            &format!("__Host-stanchion_guest={renewed}"),
            "https"
        )
        .await,
        None
    );
}
