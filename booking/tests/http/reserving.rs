//! From a pass to seats, and every way in which that is refused.

use std::time::Duration;

use axum::http::StatusCode;
use booking::{BookingConfig, GuestLimits};
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;
use waitingroom_domain::{guest_address::HEADER, queue::Grant};

use super::app::{TestApp, address_of, admin, guest, token};

#[tokio::test]
async fn a_pass_becomes_a_booking() {
    let app = TestApp::open().await;
    let answer = app
        .reserve("ann", &app.pass("ann").await, Some("k1"), 0, 3)
        .await;

    assert_eq!(answer.status, StatusCode::CREATED);
    let booking = &answer.body;

    assert_eq!(booking["status"], "reserved");
    assert_eq!(booking["user_id"], "ann");
    assert_eq!(
        (&booking["unit_price"], &booking["total_price"]),
        (&json!(1000), &json!(3000))
    );
    assert_eq!(booking["currency"], "THB");
    assert_eq!(
        booking["expires_at"],
        app.clock.now().plus(Duration::from_secs(600)).to_string()
    );
    assert!(booking.get("confirmed_at").is_none());

    let id = booking["booking_id"].as_str().unwrap();
    assert_eq!(
        app.get(&format!("/bookings/{id}"), &token("ann"))
            .await
            .body,
        *booking
    );
    assert_eq!(
        app.get(&format!("/bookings/{id}"), &token("bob"))
            .await
            .code(),
        "BOOKING_NOT_FOUND"
    );
    assert_eq!(app.left().await, [17, 2]);
}

#[tokio::test]
async fn the_pass_may_come_in_the_body() {
    let app = TestApp::open().await;
    let mut order = app.order(0, 1);

    order["queue_pass"] = json!(app.pass("ann").await);
    order["unit_price"] = json!(1);

    let answer = app
        .send(
            "POST",
            "/bookings/reserve",
            Some(&token("ann")),
            &[],
            Some(order),
        )
        .await;
    assert_eq!(answer.status, 201);
    assert_eq!(
        answer.body["unit_price"], 1000,
        "the catalogue's price counts"
    );
}

#[tokio::test]
async fn bad_fields_are_named() {
    let app = TestApp::open().await;
    for (field, value) in [
        ("quantity", json!(0)),
        ("quantity", json!(11)),
        ("quantity", json!(-1)),
        ("quantity", json!("two")),
        ("quantity", json!(1.5)),
        ("zone_id", json!("zone-1")),
        ("show_id", json!(7)),
        ("event_id", json!(null)),
        ("unit_price", json!(-1)),
        ("unit_price", json!("cheap")),
    ] {
        let mut order = app.order(0, 1);
        order[field] = value.clone();
        let answer = app
            .send(
                "POST",
                "/bookings/reserve",
                Some(&token("ann")),
                &[],
                Some(order),
            )
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (422, "INVALID_REQUEST"),
            "{field}: {value}"
        );
        assert_eq!(answer.body["field"], field);
    }

    let long = "k".repeat(129);
    let answer = app.reserve("ann", "pass", Some(&long), 0, 1).await;

    assert_eq!(
        (answer.status.as_u16(), answer.body["field"].as_str()),
        (422, Some("idempotency_key"))
    );
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let app = TestApp::open().await;
    let codes = [
        ("event_id", "EVENT_NOT_FOUND"),
        ("show_id", "SHOW_NOT_FOUND"),
        ("zone_id", "ZONE_NOT_FOUND"),
    ];

    for (field, code) in codes {
        let mut order = app.order(0, 1);
        order[field] = json!(Uuid::new_v4());
        let answer = app
            .send(
                "POST",
                "/bookings/reserve",
                Some(&token("ann")),
                &[],
                Some(order),
            )
            .await;
        assert_eq!((answer.status.as_u16(), answer.code()), (404, code));
    }
}

#[tokio::test]
async fn bad_passes_are_told_apart() {
    let app = TestApp::open().await;
    let no_pass = app
        .send(
            "POST",
            "/bookings/reserve",
            Some(&token("ann")),
            &[],
            Some(app.order(0, 1)),
        )
        .await;

    assert_eq!(
        (no_pass.status.as_u16(), no_pass.code()),
        (403, "PASS_REQUIRED")
    );

    let forged = app.reserve("ann", "not.a.pass", None, 0, 1).await;
    assert_eq!(
        (forged.status.as_u16(), forged.code()),
        (403, "PASS_INVALID")
    );

    let pass = app.pass("ann").await;
    let stolen = app.reserve("bob", &pass, None, 0, 1).await;

    assert_eq!(
        (stolen.status.as_u16(), stolen.code()),
        (403, "PASS_WRONG_USER")
    );
    app.wait(301).await;

    let late = app.reserve("ann", &pass, None, 0, 1).await;
    assert_eq!((late.status.as_u16(), late.code()), (403, "PASS_EXPIRED"));

    let now = app.clock.now();
    let grant = Grant {
        pass_id: "made-up".parse().unwrap(),
        number: 1,
        epoch: app.engine.status(app.event).await.unwrap().epoch,
        issued_at: now,
        expires_at: now.plus(Duration::from_secs(60)),
    };

    let unknown = app
        .reserve(
            "ann",
            &app.mint(&"ann".parse().unwrap(), &grant),
            None,
            0,
            1,
        )
        .await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.code()),
        (403, "PASS_REVOKED")
    );
}

#[tokio::test]
async fn a_pass_of_another_event_is_refused() {
    let (app, other) = (TestApp::open().await, TestApp::open().await);
    let answer = app
        .reserve("ann", &other.pass("ann").await, None, 0, 1)
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (403, "PASS_WRONG_EVENT")
    );
}

#[tokio::test]
async fn a_pass_is_used_once() {
    let app = TestApp::open().await;
    let pass = app.pass("ann").await;

    assert_eq!(
        app.reserve("ann", &pass, Some("k1"), 0, 1).await.status,
        201
    );

    for key in [None, Some("k2")] {
        let again = app.reserve("ann", &pass, key, 0, 1).await;
        assert_eq!((again.status.as_u16(), again.code()), (409, "PASS_USED"));
    }

    assert_eq!(app.left().await, [19, 2]);
}

#[tokio::test]
async fn a_refusal_leaves_the_pass_valid() {
    let app = TestApp::open().await;
    let pass = app.pass("ann").await;
    let answer = app.reserve("ann", &pass, Some("k1"), 1, 3).await;

    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (409, "INSUFFICIENT_SEATS")
    );
    assert_eq!(answer.body["field"], "quantity");

    let answer = app.reserve("ann", &pass, Some("k1"), 0, 5).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (409, "USER_LIMIT_EXCEEDED")
    );
    assert_eq!(
        app.reserve("ann", &pass, Some("k1"), 1, 2).await.status,
        201
    );
}

#[tokio::test]
async fn retry_returns_same_booking() {
    let app = TestApp::open().await;
    let pass = app.pass("ann").await;
    let first = app.reserve("ann", &pass, Some("k1"), 0, 2).await;
    let second = app.reserve("ann", &pass, Some("k1"), 0, 2).await;

    assert_eq!((second.status.as_u16(), &second.body), (201, &first.body));
    let other = app.reserve("ann", &pass, Some("k1"), 0, 1).await;

    assert_eq!(
        (other.status.as_u16(), other.code()),
        (422, "IDEMPOTENCY_MISMATCH")
    );
    app.clock.advance(Duration::from_secs(400));

    let after_the_pass = app.reserve("ann", &pass, Some("k1"), 0, 2).await;
    assert_eq!(
        (after_the_pass.status.as_u16(), &after_the_pass.body),
        (201, &first.body)
    );
    assert_eq!(app.left().await, [18, 2]);
}

#[tokio::test]
async fn concurrent_retries_make_one_booking() {
    let app = TestApp::open().await;
    let pass = app.pass("ann").await;
    let answers = join_all((0..20).map(|_| app.reserve("ann", &pass, Some("k1"), 0, 2))).await;
    for answer in &answers {
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.body["booking_id"], answers[0].body["booking_id"]);
    }
    assert_eq!(app.left().await, [18, 2]);
}

#[tokio::test]
async fn a_key_belongs_to_its_user() {
    let app = TestApp::open().await;
    let first = app
        .reserve("ann", &app.pass("ann").await, Some("k1"), 0, 1)
        .await;
    let second = app
        .reserve("bob", &app.pass("bob").await, Some("k1"), 0, 1)
        .await;

    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 201));
    assert_ne!(first.body["booking_id"], second.body["booking_id"]);
}

#[tokio::test]
async fn a_crowd_gets_the_seats_there_are() {
    let app = TestApp::open().await;
    let mut passes = Vec::new();

    for number in 0..30 {
        passes.push((format!("u{number}"), app.pass(&format!("u{number}")).await));
    }

    let answers = join_all(
        passes
            .iter()
            .map(|(user, pass)| app.reserve(user, pass, None, 0, 1)),
    )
    .await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 201).count(),
        20
    );
    assert!(
        answers
            .iter()
            .filter(|answer| answer.status != 201)
            .all(|answer| answer.code() == "INSUFFICIENT_SEATS")
    );

    let count = &app.store.zone_counts(Some(app.event)).await.unwrap();
    assert_eq!(count.iter().map(|zone| zone.held).sum::<u32>(), 20);
}

#[tokio::test]
async fn without_a_token_nothing_is_reserved() {
    let app = TestApp::open().await;
    for path in [
        "/bookings",
        "/bookings/pending",
        "/bookings/summary",
        "/admin/events",
        "/admin/inventory-status",
    ] {
        let answer = app.send("GET", path, None, &[], None).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (401, "UNAUTHORIZED"),
            "{path}"
        );
    }

    let answer = app
        .send("POST", "/bookings/reserve", None, &[], Some(json!({})))
        .await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        app.get("/admin/events", &token("ann")).await.code(),
        "FORBIDDEN"
    );
}

#[tokio::test]
async fn closed_sale_keeps_existing_bookings() {
    let app = TestApp::open().await;
    let (first, second) = (app.pass("ann").await, app.pass("bob").await);
    let made = app.reserve("ann", &first, Some("k1"), 0, 1).await;

    assert_eq!(made.status, 201);
    let set = async |state: &str| {
        let path = format!("/admin/events/{}/queue", app.event);
        let answer = app
            .send(
                "PUT",
                &path,
                Some(&admin()),
                &[],
                Some(json!({"state": state})),
            )
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };

    set("closed").await;
    let late = app.reserve("bob", &second, Some("k2"), 0, 1).await;

    assert_eq!((late.status.as_u16(), late.code()), (409, "QUEUE_CLOSED"));
    let options =
        json!({"event_id": app.event, "options": [{"zone_id": app.zones[0], "quantity": 1}]});
    let pass = [("x-queue-pass", second.as_str())];
    let wish = app
        .send(
            "POST",
            "/bookings/reserve/first",
            Some(&token("bob")),
            &pass,
            Some(options),
        )
        .await;

    assert_eq!((wish.status.as_u16(), wish.code()), (409, "QUEUE_CLOSED"));
    assert_eq!(app.left().await, [19, 2]);

    let again = app.reserve("ann", &first, Some("k1"), 0, 1).await;
    assert_eq!(
        (again.status.as_u16(), &again.body),
        (201, &made.body),
        "what was made before is told"
    );

    for state in ["paused", "scheduled", "sold_out"] {
        set(state).await;
        let pass = app.reserve("cleo", &second, None, 0, 1).await;
        assert_eq!(
            pass.code(),
            "PASS_WRONG_USER",
            "a pass is looked at while the sale is {state}"
        );
    }

    assert_eq!(
        app.reserve("bob", &second, Some("k2"), 0, 1).await.status,
        201,
        "passes stay good in a pause"
    );
    set("closed").await;

    let confirm = format!(
        "/bookings/{}/confirm",
        made.body["booking_id"].as_str().unwrap()
    );
    assert_eq!(
        app.post(&confirm, &token("ann")).await.status,
        200,
        "what was held before the end may be paid"
    );
}

#[tokio::test]
async fn a_retry_finds_a_booking_that_has_ended() {
    let app = TestApp::open().await;
    let (cancelled, expired) = (app.pass("ann").await, app.pass("bob").await);
    let booking = app.reserve("ann", &cancelled, Some("k1"), 0, 1).await.body;

    assert_eq!(
        app.reserve("bob", &expired, Some("k1"), 0, 1).await.status,
        201
    );

    let id = booking["booking_id"].as_str().unwrap();
    assert_eq!(
        app.post(&format!("/bookings/{id}/cancel"), &token("ann"))
            .await
            .status,
        200
    );

    let again = app.reserve("ann", &cancelled, Some("k1"), 0, 1).await;
    assert_eq!(
        (again.status.as_u16(), again.code()),
        (409, "BOOKING_NOT_PENDING")
    );
    app.clock.advance(Duration::from_secs(700));

    let again = app.reserve("bob", &expired, Some("k1"), 0, 1).await;
    assert_eq!(
        (again.status.as_u16(), again.code()),
        (409, "BOOKING_EXPIRED")
    );
}

#[tokio::test]
async fn a_key_in_quotes_is_the_same_key() {
    let app = TestApp::open().await;
    let pass = app.pass("ann").await;
    let first = app.reserve("ann", &pass, Some("\"two words\""), 0, 1).await;

    assert_eq!(first.status, 201, "{first:?}");

    for key in ["two words", "\"two words\";v=1"] {
        let again = app.reserve("ann", &pass, Some(key), 0, 1).await;
        assert_eq!(
            (again.status.as_u16(), &again.body),
            (201, &first.body),
            "{key}"
        );
    }

    let broken = app.reserve("ann", &pass, Some("\"two words"), 0, 1).await;
    assert_eq!(
        (broken.status.as_u16(), broken.body["field"].as_str()),
        (422, Some("idempotency_key"))
    );
}

#[tokio::test]
async fn accepts_whole_numbers_in_any_notation() {
    let app = TestApp::open().await;
    let mut order = app.order(0, 1);

    order["quantity"] = json!(3.0);
    order["queue_pass"] = json!(app.pass("ann").await);

    let answer = app
        .send(
            "POST",
            "/bookings/reserve",
            Some(&token("ann")),
            &[],
            Some(order),
        )
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["quantity"]),
        (201, &json!(3))
    );
}

#[tokio::test]
async fn limits_bookings_of_guest_address() {
    let (app, holds) = (TestApp::open().await, 2.try_into().unwrap());
    let guests = GuestLimits {
        holds,
        ..GuestLimits::default()
    };
    let app = app
        .with(BookingConfig {
            guest_limits: guests,
            ..BookingConfig::default()
        })
        .await;

    let reserve = async |user: &str, address: Option<String>| {
        let pass = app.pass(user).await;
        let mut headers = vec![("x-queue-pass", pass.as_str()), ("idempotency-key", user)];
        headers.extend(address.as_deref().map(|address| (HEADER, address)));
        let token = if user.starts_with("guest-") {
            guest(user)
        } else {
            token(user)
        };
        let order = Some(app.order(0, 1));
        let first = app
            .send(
                "POST",
                "/bookings/reserve",
                Some(&token),
                &headers,
                order.clone(),
            )
            .await;
        let again = app
            .send("POST", "/bookings/reserve", Some(&token), &headers, order)
            .await;
        let without_request_id = |body: &Value| {
            let mut body = body.clone();
            body.as_object_mut()
                .map(|fields| fields.remove("request_id"));
            body
        };
        assert_eq!(
            (first.status, without_request_id(&first.body)),
            (again.status, without_request_id(&again.body)),
            "a retry is no other booking"
        );
        first
    };
    let here = |user: &str| Some(address_of(user, "203.0.113.9"));
    let first = reserve("guest-1", here("guest-1")).await;

    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(reserve("guest-2", here("guest-2")).await.status, 201);

    let refused = reserve("guest-3", here("guest-3")).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (429, "RATE_LIMITED")
    );
    assert!(refused.retry_after.is_some());
    assert_eq!(
        reserve("guest-4", Some(address_of("guest-4", "203.0.113.10")))
            .await
            .status,
        201,
        "another address"
    );
    assert_eq!(reserve("ann", here("ann")).await.status, 201, "no guest");
    // Somebody else's address proves nothing; where none is known, nobody is counted.
    assert_eq!(reserve("guest-5", here("guest-1")).await.status, 201);

    let confirm = format!(
        "/bookings/{}/confirm",
        first.body["booking_id"].as_str().unwrap()
    );
    assert_eq!(app.post(&confirm, &guest("guest-1")).await.status, 200);
    assert_eq!(
        reserve("guest-6", here("guest-6")).await.status,
        201,
        "what is paid for is no hold"
    );
}
