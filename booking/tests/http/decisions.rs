//! Confirming, cancelling, expiring, and the lists.

use std::time::Duration;

use serde_json::json;
use waitingroom_domain::clock::Clock;

use super::app::{TestApp, token};

fn path(booking: &serde_json::Value, transition: &str) -> String {
    format!(
        "/bookings/{}/{transition}",
        booking["booking_id"].as_str().unwrap()
    )
}

#[tokio::test]
async fn confirming_twice_is_confirming_once() {
    let app = TestApp::open().await;
    let booking = app.reserved("ann", 0, 2).await;

    app.clock.advance(Duration::from_secs(5));
    let first = app.post(&path(&booking, "confirm"), &token("ann")).await;

    assert_eq!(
        (first.status.as_u16(), &first.body["status"]),
        (200, &json!("confirmed"))
    );
    assert_eq!(first.body["confirmed_at"], app.clock.now().to_string());
    app.clock.advance(Duration::from_secs(5));

    let second = app.post(&path(&booking, "confirm"), &token("ann")).await;
    assert_eq!((second.status.as_u16(), second.body), (200, first.body));

    let cancel = app.post(&path(&booking, "cancel"), &token("ann")).await;
    assert_eq!(
        (cancel.status.as_u16(), cancel.code()),
        (409, "BOOKING_NOT_PENDING")
    );
    assert_eq!(app.left().await, [18, 2]);
}

#[tokio::test]
async fn cancelling_gives_the_seats_back_once() {
    let app = TestApp::open().await;
    let booking = app.reserved("ann", 1, 2).await;

    assert_eq!(app.left().await, [20, 0]);

    for _ in 0..2 {
        let answer = app.post(&path(&booking, "cancel"), &token("ann")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["status"]),
            (200, &json!("cancelled"))
        );
        assert_eq!(app.left().await, [20, 2]);
    }

    let confirm = app.post(&path(&booking, "confirm"), &token("ann")).await;
    assert_eq!(
        (confirm.status.as_u16(), confirm.code()),
        (409, "BOOKING_NOT_PENDING")
    );

    let again = app.reserved("bob", 1, 2).await;
    let id = again["booking_id"].as_str().unwrap();
    let deleted = app
        .send(
            "DELETE",
            &format!("/bookings/{id}"),
            Some(&token("bob")),
            &[],
            None,
        )
        .await;

    assert_eq!(
        (deleted.status.as_u16(), &deleted.body["status"]),
        (200, &json!("cancelled"))
    );
}

#[tokio::test]
async fn nobody_decides_for_somebody_else() {
    let app = TestApp::open().await;
    let booking = app.reserved("ann", 0, 1).await;

    for transition in ["confirm", "cancel"] {
        let answer = app.post(&path(&booking, transition), &token("bob")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (404, "BOOKING_NOT_FOUND")
        );
    }

    let answer = app.post("/bookings/not-an-id/confirm", &token("ann")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.body["field"].as_str()),
        (422, Some("booking_id"))
    );
}

#[tokio::test]
async fn expired_hold_releases_seats() {
    let app = TestApp::open().await;
    let booking = app.reserved("ann", 1, 2).await;

    app.clock.advance(Duration::from_secs(600));
    let confirm = app.post(&path(&booking, "confirm"), &token("ann")).await;

    assert_eq!(
        (confirm.status.as_u16(), confirm.code()),
        (409, "BOOKING_EXPIRED")
    );

    let id = booking["booking_id"].as_str().unwrap();
    assert_eq!(
        app.get(&format!("/bookings/{id}"), &token("ann"))
            .await
            .body["status"],
        "expired"
    );
    app.until_left(&[20, 2]).await;

    let confirm = app.post(&path(&booking, "confirm"), &token("ann")).await;
    assert_eq!(
        (confirm.status.as_u16(), confirm.code()),
        (409, "BOOKING_EXPIRED")
    );
    assert_eq!(app.reserved("bob", 1, 2).await["status"], "reserved");
}

#[tokio::test]
async fn wrong_host_clock_expires_no_holds() {
    let app = TestApp::open().await;
    let booking = app.reserved("ann", 1, 2).await;
    let path = format!("/bookings/{}", booking["booking_id"].as_str().unwrap());
    let later = Clock::System.now().plus(Duration::from_secs(700));
    let clock = Clock::steady(later);

    clock.follow(later, Duration::ZERO);
    assert!(
        clock.check().is_err(),
        "the host is far behind what all go by"
    );

    let _other = app.with_clock(clock).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(100)).await; // four sweeps in all
        assert_eq!(
            app.get(&path, &token("ann")).await.body["status"],
            "reserved"
        );
    }

    let _another = app.with_clock(Clock::manual(later)).await;
    app.until_left(&[20, 2]).await;
}

#[tokio::test]
async fn lists_show_ones_own() {
    let app = TestApp::open().await;
    let (first, second) = (
        app.reserved("ann", 0, 1).await,
        app.reserved("ann", 0, 2).await,
    );

    app.reserved("bob", 0, 1).await;
    app.post(&path(&first, "confirm"), &token("ann")).await;

    let all = app.get("/bookings?limit=1", &token("ann")).await.body;
    assert_eq!(
        (&all["total"], &all["limit"], &all["offset"]),
        (&json!(2), &json!(1), &json!(0))
    );
    assert_eq!(all["bookings"], json!([second]));
    assert_eq!(
        app.get("/bookings/pending", &token("ann")).await.body["bookings"],
        json!([second])
    );

    let summary = app
        .get(
            &format!("/bookings/summary?event_id={}", app.event),
            &token("ann"),
        )
        .await
        .body;
    let expected = json!({"reserved_seats": 2, "confirmed_seats": 1, "bookings": 2, "total_spent": 1000, "currency": "THB", "currency_digits": 2});

    assert_eq!(summary, expected);
    let nothing = app.get("/bookings/summary", &token("cat")).await.body;

    assert_eq!(
        nothing,
        json!({"reserved_seats": 0, "confirmed_seats": 0, "bookings": 0, "total_spent": 0})
    );

    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("offset=-1", "offset"),
        ("event_id=x", "event_id"),
    ] {
        let answer = app.get(&format!("/bookings?{query}"), &token("ann")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body["field"].as_str()),
            (422, Some(field))
        );
    }
}

#[tokio::test]
async fn the_bus_is_told() {
    let app = TestApp::open().await;
    let mut ear = app.bus.listen();
    let booking = app.reserved("ann", 0, 2).await;

    app.post(&path(&booking, "cancel"), &token("ann")).await;

    for status in ["reserved", "cancelled"] {
        let message = tokio::time::timeout(Duration::from_secs(5), ear.recv())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(message.subject, format!("stanchion.bookings.{status}"));
        let payload: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(
            (&payload["booking_id"], &payload["status"]),
            (&booking["booking_id"], &json!(status))
        );
    }
}
