//! Tokens that prove nothing.

use serde_json::json;
use stanchion_tests::{
    Sale, Stack,
    tokens::{self, JWT_SECRET, PASS_SECRET},
    wait::now_ms,
};

pub(super) async fn are_checked(stack: &Stack, sale: &Sale) {
    let (soon, past) = (now_ms() / 1000 + 600, now_ms() / 1000 - 600);
    let status = format!("/queue/status/{}", sale.event);
    let refused = [
        ("UNAUTHORIZED", "let-me-in".to_owned()),
        ("UNAUTHORIZED", String::new()),
        ("UNAUTHORIZED", tokens::signed(&json!({"sub": "ann", "exp": soon}), "somebody-elses-secret-of-32-bytes")),
        ("UNAUTHORIZED", tokens::signed(&json!({"sub": "ann", "exp": soon}), PASS_SECRET)),
        ("UNAUTHORIZED", tokens::signed(&json!({"sub": "ann"}), JWT_SECRET)),
        ("UNAUTHORIZED", tokens::signed(&json!({"exp": soon}), JWT_SECRET)),
        ("UNAUTHORIZED", tokens::signed(&json!({"sub": "two words", "exp": soon}), JWT_SECRET)),
        ("UNAUTHORIZED", tokens::signed(&json!({"sub": "a".repeat(129), "exp": soon}), JWT_SECRET)),
        ("UNAUTHORIZED", tokens::signed(&json!({"sub": "", "exp": soon}), JWT_SECRET)),
        ("UNAUTHORIZED", tokens::signed(&json!({"sub": "ann", "exp": "soon"}), JWT_SECRET)),
        ("UNAUTHORIZED", "x".repeat(12_000)),
        ("TOKEN_EXPIRED", tokens::signed(&json!({"sub": "ann", "exp": past}), JWT_SECRET)),
    ];
    for (code, token) in refused {
        let shown: String = token.chars().take(40).collect();
        eprintln!("a token that is refused as {code}: {shown}");
        stack.gateway(0).with_token(&token).get(&status).await.refused(401, code);
        stack.booking(0).with_token(&token).get("/bookings").await.refused(401, code);
    }
    stack.gateway(0).get(&status).await.refused(401, "UNAUTHORIZED");
    stack.booking(0).get("/bookings").await.refused(401, "UNAUTHORIZED");
    let basic = stack.gateway(0);
    let request = basic.request(reqwest::Method::GET, &status).header("authorization", "Basic YTpi");
    basic.send(request).await.refused(401, "UNAUTHORIZED");

    let visitor = tokens::user("nosy");
    let role = tokens::signed(&json!({"sub": "nosy", "role": "Admin", "exp": soon}), JWT_SECRET);
    let guest = stack.gateway(0).post("/guest", &json!({})).await.expect(201)["token"].as_str().map(str::to_owned);
    for token in [visitor, role, guest.expect("a guest's token")] {
        let booking = stack.booking(0).with_token(&token);
        booking.get("/admin/events").await.refused(403, "FORBIDDEN");
        booking.post("/admin/events", &json!({})).await.refused(403, "FORBIDDEN");
        booking.post("/admin/sync-inventory", &json!({})).await.refused(403, "FORBIDDEN");
        booking.get("/admin/inventory-status").await.refused(403, "FORBIDDEN");
        booking.get(&format!("/admin/events/{}/queue", sale.event)).await.refused(403, "FORBIDDEN");
    }
    let development = stack.gateway(0).post("/dev/token", &json!({"user": "root", "role": "admin"})).await;
    development.refused(404, "NOT_FOUND"); // users' tokens are signed with a secret that was given
}

/// Development tokens exist where nobody gave a secret, and for who is at the machine itself.
#[tokio::test]
async fn development_tokens_do_not_leave_the_machine() {
    let stack = Stack::embedded_with(&[("STANCHION_JWT_SECRET", "")]).await;
    let gateway = stack.gateway(0);
    let ask = || gateway.request(reqwest::Method::POST, "/dev/token").json(&json!({"user": "dev", "role": "admin"}));
    let token = gateway.send(ask()).await.expect(200)["token"].as_str().map(str::to_owned);
    stack.booking(0).with_token(&token.expect("a token")).get("/admin/events").await.expect(200);
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "via"] {
        gateway.send(ask().header(header, "203.0.113.9")).await.refused(404, "NOT_FOUND");
    }
}
