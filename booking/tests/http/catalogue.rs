//! What is public.

use serde_json::json;

use super::shop::{Shop, token};

#[tokio::test]
async fn the_catalogue_is_public_and_counts_what_is_left() {
    let shop = Shop::open().await;
    let list = shop.send("GET", "/events", None, &[], None).await;
    assert_eq!(list.body, json!({"events": [{"event_id": shop.event, "name": "A Night", "state": "open"}]}));
    shop.reserved("ann", 0, 3).await;
    let event = shop.send("GET", &format!("/events/{}", shop.event), None, &[], None).await.body;
    assert_eq!((&event["hold_seconds"], &event["max_seats_per_user"]), (&json!(600), &json!(4)));
    assert!(event.get("queue").is_none(), "how the line is run is the operators' business");
    let show = &event["shows"][0];
    assert_eq!((&show["name"], &show["starts_at"]), (&json!("Friday"), &json!("2030-01-01T20:00:00Z")));
    let zone =
        json!({"zone_id": shop.zones[0], "name": "Stalls", "unit_price": 1000, "currency": "THB", "capacity": 20});
    for (key, value) in zone.as_object().unwrap() {
        assert_eq!(&show["zones"][0][key], value);
    }
    let available = show["zones"][0]["available"].as_u64().unwrap();
    assert!(available == 17 || available == 20, "at most a moment old");
}

#[tokio::test]
async fn unknown_events_and_paths_are_problems() {
    let shop = Shop::open().await;
    let missing = shop.get(&format!("/events/{}", uuid::Uuid::new_v4()), &token("ann")).await;
    assert_eq!((missing.status.as_u16(), missing.code()), (404, "EVENT_NOT_FOUND"));
    assert_eq!(shop.get("/nothing", &token("ann")).await.code(), "NOT_FOUND");
    assert_eq!(shop.send("PATCH", "/events", None, &[], None).await.code(), "METHOD_NOT_ALLOWED");
}
