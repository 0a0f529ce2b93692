//! What is public.

use serde_json::json;

use super::app::{TestApp, admin, token};

#[tokio::test]
async fn catalogue_is_public_with_availability() {
    let app = TestApp::open().await;
    let list = app.send("GET", "/events", None, &[], None).await;

    assert_eq!(
        list.body,
        json!({"events": [{"event_id": app.event, "name": "A Night", "state": "open", "sold_out": false,
            "currency": "THB", "currency_digits": 2, "min_price": 1000, "starts_at": "2030-01-01T20:00:00Z"}]})
    );
    app.reserved("ann", 0, 3).await;

    let event = app
        .send("GET", &format!("/events/{}", app.event), None, &[], None)
        .await
        .body;
    assert_eq!(
        (&event["hold_seconds"], &event["max_seats_per_user"]),
        (&json!(600), &json!(4))
    );
    assert!(
        event.get("queue").is_none(),
        "how the line is run is the operators' business"
    );

    let show = &event["shows"][0];
    assert_eq!(
        (&show["name"], &show["starts_at"]),
        (&json!("Friday"), &json!("2030-01-01T20:00:00Z"))
    );

    let zone = json!({"zone_id": app.zones[0], "name": "Stalls", "unit_price": 1000, "currency": "THB", "currency_digits": 2, "capacity": 20});
    for (key, value) in zone.as_object().unwrap() {
        assert_eq!(&show["zones"][0][key], value);
    }

    let available = show["zones"][0]["available"].as_u64().unwrap();
    assert!(available == 17 || available == 20, "at most a moment old");
}

#[tokio::test]
async fn unknown_events_and_paths_are_problems() {
    let app = TestApp::open().await;
    let missing = app
        .get(&format!("/events/{}", uuid::Uuid::new_v4()), &token("ann"))
        .await;

    assert_eq!(
        (missing.status.as_u16(), missing.code()),
        (404, "EVENT_NOT_FOUND")
    );
    assert_eq!(app.get("/nothing", &token("ann")).await.code(), "NOT_FOUND");
    assert_eq!(
        app.send("PATCH", "/events", None, &[], None).await.code(),
        "METHOD_NOT_ALLOWED"
    );
}

/// Two instances on one database: what the one makes, the other sells at the next request.
#[tokio::test]
async fn new_event_is_known_at_every_instance() {
    let app = TestApp::open().await;
    let other = app.restarted(std::sync::Arc::clone(&app.engine)).await;

    for number in 0..20 {
        let missing = other
            .send(
                "GET",
                &format!("/events/{}", uuid::Uuid::new_v4()),
                None,
                &[],
                None,
            )
            .await;
        assert_eq!(
            (missing.status.as_u16(), missing.code()),
            (404, "EVENT_NOT_FOUND")
        ); // it has looked just now
        let body = json!({"name": format!("Night {number}"), "shows": [{"name": "S", "zones": [
            {"name": "Z", "capacity": 1, "unit_price": 0}]}]});
        let made = app
            .send("POST", "/admin/events", Some(&admin()), &[], Some(body))
            .await
            .body;
        let event = made["event_id"].as_str().unwrap();
        let found = other
            .send("GET", &format!("/events/{event}"), None, &[], None)
            .await;
        assert_eq!(
            (found.status.as_u16(), &found.body["event_id"]),
            (200, &json!(event)),
            "{number}"
        );
    }
}
