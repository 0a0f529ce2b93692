//! Requests with an invalid form, or for resources that do not exist.

use reqwest::Method;
use serde_json::{Value, json};
use stanchion_tests::{Rest, Sale, Stack, Visitor, shopping::reserve_once, tokens};
use uuid::Uuid;

/// A body as text, sent as JSON.
async fn raw(rest: &Rest, method: Method, path: &str, body: &str) -> stanchion_tests::RestResponse {
    let request = rest
        .request(method, path)
        .header("content-type", "application/json")
        .body(body.to_owned());
    rest.send(request).await
}

pub(super) async fn of_the_line(stack: &Stack, sale: &Sale) {
    let gateway = stack.gateway(0).by(&Visitor::new("clumsy"));
    for body in [
        "",
        "{",
        "{\"event_id\": ",
        "not json",
        "{\"event_id\": \"x\"} trailing",
        "\u{0}",
    ] {
        raw(&gateway, Method::POST, "/queue/join", body)
            .await
            .expect_problem(400, "INVALID_REQUEST");
    }
    for body in ["[]", "\"text\"", "null", "7"] {
        let answer = raw(&gateway, Method::POST, "/queue/join", body).await;
        assert!(
            matches!(answer.status, 400 | 422),
            "{}: {}",
            answer.status,
            answer.body
        );
        assert_eq!(answer.code(), "INVALID_REQUEST");
    }
    for body in [
        json!({}),
        json!({"event_id": "x"}),
        json!({"event_id": 7}),
        json!({"event_id": null}),
    ] {
        gateway
            .post("/queue/join", &body)
            .await
            .expect_invalid_field(422, "INVALID_REQUEST", "event_id");
    }
    let ticket = json!({"event_id": sale.event, "ticket": 7});
    gateway
        .post("/queue/join", &ticket)
        .await
        .expect_invalid_field(422, "INVALID_REQUEST", "ticket");
    gateway
        .delete("/queue/leave")
        .await
        .expect_invalid_field(422, "INVALID_REQUEST", "event_id");
    gateway
        .delete("/queue/leave?event_id=x")
        .await
        .expect_invalid_field(422, "INVALID_REQUEST", "event_id");
    let both = format!("/queue/leave?event_id={}", sale.event);
    for body in [
        json!({}),
        json!({"event_id": "x"}),
        json!({"event_id": Uuid::new_v4()}),
    ] {
        let answer = raw(&gateway, Method::DELETE, &both, &body.to_string()).await;
        answer.expect_invalid_field(422, "INVALID_REQUEST", "event_id");
    }
    let alike = json!({"event_id": sale.event}).to_string();
    raw(&gateway, Method::DELETE, &both, &alike)
        .await
        .expect_problem(404, "NOT_IN_QUEUE");
    let plain = gateway
        .request(Method::POST, "/queue/join")
        .header("content-type", "text/plain")
        .body("{}");
    gateway
        .send(plain)
        .await
        .expect_problem(415, "UNSUPPORTED_MEDIA_TYPE");
    let huge = json!({"event_id": sale.event, "ticket": "x".repeat(300 * 1024)}).to_string();
    raw(&gateway, Method::POST, "/queue/join", &huge)
        .await
        .expect_problem(413, "PAYLOAD_TOO_LARGE");

    let unknown = Uuid::new_v4();
    gateway
        .post("/queue/join", &json!({"event_id": unknown}))
        .await
        .expect_invalid_field(404, "EVENT_NOT_FOUND", "event_id");
    for path in ["position", "status"] {
        gateway
            .get(&format!("/queue/{path}/{unknown}"))
            .await
            .expect_invalid_field(404, "EVENT_NOT_FOUND", "event_id");
        let answer = gateway.get(&format!("/queue/{path}/not-an-id")).await;
        answer.expect_invalid_field(422, "INVALID_REQUEST", "event_id");
    }
    let wish = gateway
        .get(&format!("/queue/position/{}/stream?wish=two", sale.event))
        .await;
    wish.expect_invalid_field(422, "INVALID_REQUEST", "wish");
    gateway
        .get(&format!("/queue/position/{unknown}/stream"))
        .await
        .expect_problem(404, "EVENT_NOT_FOUND");
    for path in ["", "/stream"] {
        gateway
            .get(&format!("/queue/position/{}{path}", sale.event))
            .await
            .expect_problem(404, "NOT_IN_QUEUE");
    }
    gateway
        .delete(&format!("/queue/leave?event_id={}", sale.event))
        .await
        .expect_problem(404, "NOT_IN_QUEUE");
}

/// Makes a good body bad.
type Spoil = fn(&mut Value);

pub(super) async fn of_booking(stack: &Stack, sale: &Sale) {
    let booking = stack.booking(0).by(&Visitor::new("clumsy"));
    let reserve = async |change: fn(&mut Value)| {
        let mut wish = sale.wish(0, 1);
        change(&mut wish);
        reserve_once(&booking, &wish, Some("no-pass"), None).await
    };

    let invalid: [(&str, Spoil); 13] = [
        ("quantity", |wish| wish["quantity"] = json!(0)),
        ("quantity", |wish| wish["quantity"] = json!(11)),
        ("quantity", |wish| wish["quantity"] = json!(-1)),
        ("quantity", |wish| wish["quantity"] = json!("two")),
        ("quantity", |wish| wish["quantity"] = json!(1.5)),
        ("quantity", |wish| {
            wish["quantity"] = json!(9_223_372_036_854_775_807_i64)
        }),
        ("quantity", |wish| wish["quantity"] = Value::Null),
        ("event_id", |wish| wish["event_id"] = json!("x")),
        ("show_id", |wish| wish["show_id"] = json!("x")),
        ("zone_id", |wish| wish["zone_id"] = json!(7)),
        ("unit_price", |wish| wish["unit_price"] = json!(-1)),
        ("unit_price", |wish| wish["unit_price"] = json!("cheap")),
        ("zone_id", |wish| {
            drop(wish.as_object_mut().map(|wish| wish.remove("zone_id")))
        }),
    ];

    for (field, change) in invalid {
        reserve(change)
            .await
            .expect_invalid_field(422, "INVALID_REQUEST", field);
    }

    let id = || json!(Uuid::new_v4());
    let unknown: [(&str, &str); 3] = [
        ("event_id", "EVENT_NOT_FOUND"),
        ("show_id", "SHOW_NOT_FOUND"),
        ("zone_id", "ZONE_NOT_FOUND"),
    ];

    for (field, code) in unknown {
        let mut wish = sale.wish(0, 1);
        wish[field] = id();
        reserve_once(&booking, &wish, Some("no-pass"), None)
            .await
            .expect_invalid_field(404, code, field);
    }

    for key in ["tab\tbetween".to_owned(), "k".repeat(129), String::new()] {
        let answer = reserve_once(&booking, &sale.wish(0, 1), Some("no-pass"), Some(&key)).await;
        answer.expect_invalid_field(422, "INVALID_REQUEST", "idempotency_key");
    }

    for body in ["{", "", "quantity=1"] {
        raw(&booking, Method::POST, "/bookings/reserve", body)
            .await
            .expect_problem(400, "INVALID_REQUEST");
    }

    raw(
        &booking,
        Method::POST,
        "/bookings/reserve",
        &format!("\"{}\"", "x".repeat(300 * 1024)),
    )
    .await
    .expect_problem(413, "PAYLOAD_TOO_LARGE");
    missing_bookings(&booking).await;

    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("offset=-1", "offset"),
        ("event_id=x", "event_id"),
    ] {
        booking
            .get(&format!("/bookings?{query}"))
            .await
            .expect_invalid_field(422, "INVALID_REQUEST", field);
    }

    booking
        .get("/bookings/summary?event_id=x")
        .await
        .expect_invalid_field(422, "INVALID_REQUEST", "event_id");
    booking
        .get(&format!("/events/{}", Uuid::new_v4()))
        .await
        .expect_invalid_field(404, "EVENT_NOT_FOUND", "event_id");

    booking
        .get("/events/x")
        .await
        .expect_invalid_field(422, "INVALID_REQUEST", "event_id");
}

async fn missing_bookings(booking: &Rest) {
    let missing = Uuid::new_v4();
    booking
        .get(&format!("/bookings/{missing}"))
        .await
        .expect_problem(404, "BOOKING_NOT_FOUND");
    booking
        .delete(&format!("/bookings/{missing}"))
        .await
        .expect_problem(404, "BOOKING_NOT_FOUND");

    for verb in ["confirm", "cancel"] {
        booking
            .post(&format!("/bookings/{missing}/{verb}"), &json!({}))
            .await
            .expect_problem(404, "BOOKING_NOT_FOUND");
        let answer = booking
            .post(&format!("/bookings/x/{verb}"), &json!({}))
            .await;
        answer.expect_invalid_field(422, "INVALID_REQUEST", "booking_id");
    }

    booking
        .get("/bookings/x")
        .await
        .expect_invalid_field(422, "INVALID_REQUEST", "booking_id");
}

pub(super) async fn of_operators(stack: &Stack) {
    let operator = stack.operator();
    let before = operator.get("/admin/events").await.expect(200);
    let event = || json!({"name": "A play", "shows": [{"name": "One", "zones": [{"name": "A", "capacity": 10, "unit_price": 100}]}]});
    let invalid: [(&str, Spoil); 14] = [
        ("name", |event| event["name"] = json!("")),
        ("name", |event| event["name"] = json!("x".repeat(201))),
        ("name", |event| {
            drop(event.as_object_mut().map(|event| event.remove("name")))
        }),
        ("shows", |event| event["shows"] = json!([])),
        ("shows[0].zones", |event| {
            event["shows"][0]["zones"] = json!([])
        }),
        ("shows[0].zones[0].capacity", |event| {
            event["shows"][0]["zones"][0]["capacity"] = json!(0)
        }),
        ("shows[0].zones[0].capacity", |event| {
            event["shows"][0]["zones"][0]["capacity"] = json!(-3)
        }),
        ("shows[0].zones[0].unit_price", |event| {
            event["shows"][0]["zones"][0]["unit_price"] = json!(-1)
        }),
        ("shows[0].starts_at", |event| {
            event["shows"][0]["starts_at"] = json!("tomorrow")
        }),
        ("hold_seconds", |event| event["hold_seconds"] = json!(0)),
        ("max_seats_per_user", |event| {
            event["max_seats_per_user"] = json!(0)
        }),
        ("currency", |event| event["currency"] = json!("euros")),
        ("queue.burst", |event| event["queue"] = json!({"burst": 0})),
        ("prize", |event| event["prize"] = json!(1)),
    ];
    for (field, change) in invalid {
        let mut body = event();
        change(&mut body);
        operator
            .post("/admin/events", &body)
            .await
            .expect_invalid_field(422, "INVALID_REQUEST", field);
    }
    raw(&operator, Method::POST, "/admin/events", "{")
        .await
        .expect_problem(400, "INVALID_REQUEST");
    raw(&operator, Method::POST, "/admin/sync-inventory", "{")
        .await
        .expect_problem(400, "INVALID_REQUEST");
    let sync = operator
        .post("/admin/sync-inventory", &json!({"event_id": "x"}))
        .await;
    sync.expect_invalid_field(422, "INVALID_REQUEST", "event_id");
    let sync = operator
        .post(
            "/admin/sync-inventory",
            &json!({"event_id": Uuid::new_v4()}),
        )
        .await;
    sync.expect_invalid_field(404, "EVENT_NOT_FOUND", "event_id");
    operator
        .get("/admin/inventory-status?event_id=x")
        .await
        .expect_invalid_field(422, "INVALID_REQUEST", "event_id");
    assert_eq!(operator.get("/admin/events").await.expect(200), before);

    let taken = before["events"][0]["event_id"].clone();
    let mut body = event();
    body["event_id"] = taken;
    operator
        .post("/admin/events", &body)
        .await
        .expect_invalid_field(409, "ALREADY_EXISTS", "event_id");
    assert_eq!(operator.get("/admin/events").await.expect(200), before);
}

pub(super) async fn by_the_wrong_door(stack: &Stack) {
    let token = tokens::user("lost");
    let (gateway, booking) = (
        stack.gateway(0).with_token(&token),
        stack.booking(0).with_token(&token),
    );

    for path in ["/nowhere", "/queue", "/queue/join/now", "/"] {
        gateway.get(path).await.expect_problem(404, "NOT_FOUND");
    }

    booking
        .get("/nowhere")
        .await
        .expect_problem(404, "NOT_FOUND");
    gateway
        .get("/queue/join")
        .await
        .expect_problem(405, "METHOD_NOT_ALLOWED");
    gateway
        .put("/queue/leave", &json!({}))
        .await
        .expect_problem(405, "METHOD_NOT_ALLOWED");
    gateway
        .delete(&format!("/queue/status/{}", Uuid::new_v4()))
        .await
        .expect_problem(405, "METHOD_NOT_ALLOWED");
    booking
        .get("/bookings/reserve")
        .await
        .expect_problem(405, "METHOD_NOT_ALLOWED");
    booking
        .put("/bookings", &json!({}))
        .await
        .expect_problem(405, "METHOD_NOT_ALLOWED");

    booking
        .delete("/events")
        .await
        .expect_problem(405, "METHOD_NOT_ALLOWED");
}
