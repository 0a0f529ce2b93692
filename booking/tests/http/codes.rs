//! Recovery codes: a booking on another device, without an account.

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::app::{TestApp, token};

/// The status of an attempt from this address.
async fn recover(app: &TestApp, address: &str, code: &str) -> (StatusCode, Value) {
    let peer: SocketAddr = format!("{address}:4000").parse().unwrap();
    let request = Request::post("/api/v1/bookings/recover")
        .header("content-type", "application/json")
        .extension(ConnectInfo(peer))
        .body(Body::from(json!({"code": code}).to_string()))
        .unwrap();
    let response = app.router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn code_brings_booking_back_without_identity() {
    let app = TestApp::open().await;
    let booking = app.reserved("ann", 0, 2).await;
    let id = booking["booking_id"].as_str().unwrap();
    let path = format!("/bookings/{id}/code");
    let given = app.post(&path, &token("ann")).await.body;
    let code = given["code"].as_str().unwrap();

    assert_eq!(
        app.post(&path, &token("ann")).await.body,
        given,
        "the same each time"
    );
    assert_eq!(given["path"], format!("/bookings#code={code}"));
    assert_eq!(
        app.post(&path, &token("bob")).await.code(),
        "BOOKING_NOT_FOUND"
    );

    app.post(&format!("/bookings/{id}/confirm"), &token("ann"))
        .await;
    for written in [code.to_owned(), code.to_lowercase().replace('-', " ")] {
        let (status, found) = recover(&app, "203.0.113.9", &written).await;
        assert_eq!(status, 200);
        assert_eq!(
            (&found["booking_id"], &found["status"]),
            (&json!(id), &json!("confirmed"))
        );
        assert_eq!(
            (&found["quantity"], &found["currency_digits"]),
            (&json!(2), &json!(2))
        );
        assert!(found.get("user_id").is_none(), "{found}");
    }

    let other = app.restarted(app.engine.clone()).await;
    assert_eq!(
        recover(&other, "203.0.113.9", code).await.0,
        200,
        "any process knows it"
    );
    app.store.reset().await.unwrap();
    assert_eq!(recover(&app, "203.0.113.9", code).await.0, 404);
}

#[tokio::test]
async fn wrong_codes_are_refused_and_limited() {
    let app = TestApp::open().await;
    let booking = app.reserved("ann", 0, 2).await;
    let path = format!("/bookings/{}/code", booking["booking_id"].as_str().unwrap());
    let code = app.post(&path, &token("ann")).await.body["code"]
        .as_str()
        .unwrap()
        .to_owned();

    let (status, malformed) = recover(&app, "203.0.113.9", "not a code").await;
    assert_eq!(
        (status.as_u16(), malformed["field"].as_str()),
        (422, Some("code"))
    );
    for _ in 0..30 {
        let (status, unknown) = recover(&app, "203.0.113.9", "0000-0000-0000-0000").await;
        assert_eq!(
            (status.as_u16(), &unknown["code"]),
            (404, &json!("BOOKING_NOT_FOUND"))
        );
    }

    let (status, limited) = recover(&app, "203.0.113.9", &code).await;
    assert_eq!(
        (status.as_u16(), &limited["code"]),
        (429, &json!("RATE_LIMITED"))
    );
    assert_eq!(
        recover(&app, "198.51.100.7", &code).await.0,
        200,
        "another address"
    );
    app.clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(recover(&app, "203.0.113.9", &code).await.0, 200);
}
