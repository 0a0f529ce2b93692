//! Tokens that prove nothing.

use serde_json::json;
use stanchion_tests::{
    EventBuilder, Sale, Socket, Stack, Visitor,
    tokens::{self, JWT_SECRET, PASS_SECRET},
    wait::{eventually, now_ms, with_timeout},
};
use uuid::Uuid;
use waitingroom_server::protocol::ServerMessage;

pub(super) async fn are_checked(stack: &Stack, sale: &Sale) {
    let (soon, past) = (now_ms() / 1000 + 600, now_ms() / 1000 - 600);
    let status = format!("/queue/status/{}", sale.event);
    let refused = [
        ("UNAUTHORIZED", "let-me-in".to_owned()),
        ("UNAUTHORIZED", String::new()),
        (
            "UNAUTHORIZED",
            tokens::signed(
                &json!({"sub": "ann", "exp": soon}),
                "somebody-elses-secret-of-32-bytes",
            ),
        ),
        (
            "UNAUTHORIZED",
            tokens::signed(&json!({"sub": "ann", "exp": soon}), PASS_SECRET),
        ),
        (
            "UNAUTHORIZED",
            tokens::signed(&json!({"sub": "ann"}), JWT_SECRET),
        ),
        (
            "UNAUTHORIZED",
            tokens::signed(&json!({"exp": soon}), JWT_SECRET),
        ),
        (
            "UNAUTHORIZED",
            tokens::signed(&json!({"sub": " two words", "exp": soon}), JWT_SECRET),
        ),
        (
            "UNAUTHORIZED",
            tokens::signed(&json!({"sub": "a".repeat(256), "exp": soon}), JWT_SECRET),
        ),
        (
            "UNAUTHORIZED",
            tokens::signed(&json!({"sub": "guest-1", "exp": soon}), JWT_SECRET),
        ),
        (
            "UNAUTHORIZED",
            tokens::signed(&json!({"sub": "ann", "exp": soon * 1000}), JWT_SECRET),
        ),
        (
            "UNAUTHORIZED",
            tokens::signed(&json!({"sub": "", "exp": soon}), JWT_SECRET),
        ),
        (
            "UNAUTHORIZED",
            tokens::signed(&json!({"sub": "ann", "exp": "soon"}), JWT_SECRET),
        ),
        ("UNAUTHORIZED", "x".repeat(12_000)),
        (
            "TOKEN_EXPIRED",
            tokens::signed(&json!({"sub": "ann", "exp": past}), JWT_SECRET),
        ),
    ];
    for (code, token) in refused {
        let shown: String = token.chars().take(40).collect();
        eprintln!("a token that is refused as {code}: {shown}");
        stack
            .gateway(0)
            .with_token(&token)
            .get(&status)
            .await
            .expect_problem(401, code);
        stack
            .booking(0)
            .with_token(&token)
            .get("/bookings")
            .await
            .expect_problem(401, code);
    }
    stack
        .gateway(0)
        .get(&status)
        .await
        .expect_problem(401, "UNAUTHORIZED");
    stack
        .booking(0)
        .get("/bookings")
        .await
        .expect_problem(401, "UNAUTHORIZED");
    let basic = stack.gateway(0);
    let request = basic
        .request(reqwest::Method::GET, &status)
        .header("authorization", "Basic YTpi");
    basic
        .send(request)
        .await
        .expect_problem(401, "UNAUTHORIZED");

    let visitor = tokens::user("nosy");
    let role = tokens::signed(
        &json!({"sub": "nosy", "role": "Admin", "exp": soon}),
        JWT_SECRET,
    );
    let guest = stack
        .gateway(0)
        .post("/guest", &json!({}))
        .await
        .expect(201)["token"]
        .as_str()
        .map(str::to_owned);
    for token in [visitor, role, guest.expect("a guest's token")] {
        let booking = stack.booking(0).with_token(&token);
        booking
            .get("/admin/events")
            .await
            .expect_problem(403, "FORBIDDEN");
        booking
            .post("/admin/events", &json!({}))
            .await
            .expect_problem(403, "FORBIDDEN");
        booking
            .post("/admin/sync-inventory", &json!({}))
            .await
            .expect_problem(403, "FORBIDDEN");
        booking
            .get("/admin/inventory-status")
            .await
            .expect_problem(403, "FORBIDDEN");
        booking
            .get(&format!("/admin/events/{}/queue", sale.event))
            .await
            .expect_problem(403, "FORBIDDEN");
    }
    let development = stack
        .gateway(0)
        .post("/dev/token", &json!({"user": "root", "role": "admin"}))
        .await;
    development.expect_problem(404, "NOT_FOUND"); // users' tokens are signed with a secret that was given
}

/// Development tokens exist if the setting asks for them, and for programs on the same machine
/// only.
#[tokio::test]
async fn refuses_dev_tokens_to_remote_hosts() {
    let stack = Stack::embedded_with(&[
        ("STANCHION_JWT_SECRET", ""),
        ("STANCHION_DEV_TOKENS", "true"),
    ])
    .await;
    let gateway = stack.gateway(0);
    let ask = || {
        gateway
            .request(reqwest::Method::POST, "/dev/token")
            .json(&json!({"user": "dev", "role": "admin"}))
    };

    let token = gateway.send(ask()).await.expect(200)["token"]
        .as_str()
        .map(str::to_owned);
    stack
        .booking(0)
        .with_token(&token.expect("a token"))
        .get("/admin/events")
        .await
        .expect(200);

    for header in [
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "via",
        "x-forwarded-proto",
        "x-forwarded-host",
    ] {
        gateway
            .send(ask().header(header, "203.0.113.9"))
            .await
            .expect_problem(404, "NOT_FOUND");
    }

    for (header, value) in [
        ("origin", "http://attacker.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("host", "192.0.2.7"),
    ] {
        gateway
            .send(ask().header(header, value))
            .await
            .expect_problem(404, "NOT_FOUND");
    }

    let guest = gateway
        .request(reqwest::Method::POST, "/dev/token")
        .json(&json!({"user": "guest-1"}));
    gateway
        .send(guest)
        .await
        .expect_invalid_field(422, "INVALID_REQUEST", "user");
}

/// A page whose name was made to lead to this machine is of one origin with it, for its browser.
#[tokio::test]
async fn refuses_foreign_host_names_when_embedded() {
    let stack = Stack::embedded_with(&[
        ("STANCHION_JWT_SECRET", ""),
        ("STANCHION_ALLOWED_HOSTS", "tickets.example"),
    ])
    .await;
    let gateway = stack.gateway(0);
    let asked_as = |path: &str, host: &str| {
        gateway
            .request(reqwest::Method::GET, path)
            .header("host", host)
    };
    for path in ["/events", "/queue/status/x", "/nowhere"] {
        let answer = gateway.send(asked_as(path, "attacker.example")).await;
        assert_eq!(answer.status, 421, "{path}");
        assert!(
            answer.body.to_string().contains("--allowed-hosts"),
            "{}",
            answer.body
        );
    }
    for host in [
        "localhost",
        "192.168.1.7:8080",
        "[::1]:80",
        "tickets.example",
        "TICKETS.example:443",
    ] {
        gateway.send(asked_as("/events", host)).await.expect(200);
    }

    // Without the setting there are no development tokens.
    let token = gateway
        .request(reqwest::Method::POST, "/dev/token")
        .json(&json!({"user": "dev"}));
    gateway.send(token).await.expect_problem(404, "NOT_FOUND");
}

/// A connection outlives its token: messages continue, and requests that need a token are refused.
/// No span but the token's own is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_place_when_token_expires() {
    let stack = Stack::embedded().await;
    let operator = stack.operator();
    let (sale, other) = (
        EventBuilder::new(&[10]).paused().create(&operator).await,
        EventBuilder::new(&[10]).create(&operator).await,
    );
    // Clocks may differ by 30 s: until then it is taken.
    let until = now_ms() / 1000 - 30 + 3;
    let claims = json!({"sub": "ann", "exp": until});
    let ann = Visitor {
        name: "ann".into(),
        token: tokens::signed(&claims, JWT_SECRET),
    };
    let mut socket = with_timeout("a socket", Socket::open(stack.gateway_url(0), &ann)).await;
    let (_, position) = socket.queue(&sale.event, None).await;
    assert_eq!(position, 1);
    eventually("the end of the token", || async {
        let status = format!("/queue/status/{}", sale.event);
        (stack.gateway(0).by(&ann).get(&status).await.status == 401).then_some(())
    })
    .await;

    let refused = async |socket: &mut Socket, about: &str| {
        socket
            .until("a refusal", |message| match message {
                ServerMessage::Error { code, r#ref, .. } => Some((code, r#ref)),
                _ => None,
            })
            .await
            .eq(&("TOKEN_EXPIRED".to_owned(), Some(about.to_owned())))
    };
    let key = Uuid::new_v4().to_string();
    socket
        .send_json(json!({"type": "join", "event_id": other.event}))
        .await;
    assert!(refused(&mut socket, &other.event).await);
    let mut reserve = sale.wish(0, 1);
    (reserve["type"], reserve["idempotency_key"]) = (json!("reserve"), json!(key));
    socket.send_json(reserve).await;
    assert!(refused(&mut socket, &key).await);

    // The place is kept: its pass arrives over the same connection.
    sale.open(&operator).await;
    let queue_pass = socket
        .until("the pass", |message| match message {
            ServerMessage::Pass { queue_pass, .. } => Some(queue_pass),
            _ => None,
        })
        .await;
    assert_eq!(tokens::pass(&queue_pass).sub, "ann");
    // A connection with another token goes on with it.
    let ann = Visitor::new("ann");
    let mut anew = with_timeout("a socket", Socket::open(stack.gateway_url(0), &ann)).await;
    let pass = anew.join(&sale.event, None).await;
    assert!(matches!(pass, ServerMessage::Pass { .. }), "{pass:?}");
    assert_eq!(
        sale.status(&stack.gateway(0).by(&ann)).await["active_passes"],
        1
    );
}
