//! Money, place and time of an event, as clients read them; and its calendar file.

use serde_json::{Value, json};

use super::app::{TestApp, admin, token};

fn event(more: Value) -> Value {
    let mut event = json!({"name": "A Late Night; with \"friends\", and more", "shows": [{"name": "Friday", "zones": [
        {"name": "Stalls", "capacity": 10, "unit_price": 1250000}]}]});
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

#[tokio::test]
async fn money_has_the_digits_of_iso_4217() {
    let app = TestApp::open().await;
    for (currency, digits) in [
        ("HUF", 2),
        ("IDR", 2),
        ("COP", 2),
        ("LAK", 2),
        ("JPY", 0),
        ("KWD", 3),
    ] {
        let created = app.created(event(json!({"currency": currency}))).await;
        assert_eq!(created.status, 201, "{created:?}");
        let id = created.body["event_id"].as_str().unwrap();
        let read = app
            .send("GET", &format!("/events/{id}"), None, &[], None)
            .await
            .body;

        for amount in [&created.body, &read, &read["shows"][0]["zones"][0]] {
            assert_eq!(
                (&amount["currency"], &amount["currency_digits"]),
                (&json!(currency), &json!(digits))
            );
        }
    }

    for unknown in ["EUX", "XAU", "XXX", "HRK", "eur"] {
        let refused = app.created(event(json!({"currency": unknown}))).await;
        assert_eq!(
            (refused.status.as_u16(), refused.body["field"].as_str()),
            (422, Some("currency")),
            "{unknown}"
        );
    }

    let booking = app.reserved("ann", 0, 2).await;
    assert_eq!(booking["currency_digits"], 2);
    let summary = app.get("/bookings/summary", &token("ann")).await.body;
    assert_eq!(summary["currency_digits"], 2);

    let list = app.get("/admin/currencies", &admin()).await.body;
    let list = list["currencies"].as_array().unwrap();
    assert!(list.contains(&json!({"currency": "KWD", "currency_digits": 3})));
    assert_eq!(
        app.get("/admin/currencies", &token("ann")).await.code(),
        "FORBIDDEN"
    );
}

#[tokio::test]
async fn times_are_those_of_the_venue() {
    let app = TestApp::open().await;
    let place = json!({"venue": "Rockefeller", "city": "Oslo", "time_zone": "europe/oslo"});
    let mut new = event(place);
    new["shows"][0]["starts_at_local"] = json!("2030-05-03T20:00");
    let created = app.created(new).await;
    assert_eq!(created.status, 201, "{created:?}");

    let id = created.body["event_id"].as_str().unwrap();
    let list = app.send("GET", "/events", None, &[], None).await.body;
    let listed = list["events"].as_array().unwrap().iter();
    let listed = listed
        .clone()
        .find(|event| event["event_id"] == id)
        .unwrap();
    for place in [listed, &created.body] {
        assert_eq!(place["venue"], "Rockefeller");
        assert_eq!(place["city"], "Oslo");
        assert_eq!(place["time_zone"], "Europe/Oslo");
        assert_eq!(place["starts_at"], "2030-05-03T18:00:00Z");
        assert_eq!(place["starts_at_local"], "2030-05-03T20:00:00");
    }
    let show = &created.body["shows"][0];
    assert_eq!(show["starts_at"], "2030-05-03T18:00:00Z");
    assert_eq!(show["starts_at_local"], "2030-05-03T20:00:00");

    let again = app.restarted(app.engine.clone()).await;
    let read = again
        .send("GET", &format!("/events/{id}"), None, &[], None)
        .await
        .body;
    assert_eq!(read["time_zone"], "Europe/Oslo", "it is stored");
}

#[tokio::test]
async fn bad_places_and_times_are_refused_by_field() {
    let app = TestApp::open().await;
    for (place, show, field) in [
        (json!({"venue": ""}), json!({}), "venue"),
        (json!({"city": "\u{7}"}), json!({}), "city"),
        (
            json!({"time_zone": "Europe/Atlantis"}),
            json!({}),
            "time_zone",
        ),
        (
            json!({}),
            json!({"starts_at_local": "2030-05-03T20:00"}),
            "shows[0].starts_at_local",
        ),
        (
            json!({"time_zone": "Europe/Oslo"}),
            json!({"starts_at_local": "2030-03-31T02:30"}),
            "shows[0].starts_at_local",
        ),
        (
            json!({"time_zone": "Europe/Oslo"}),
            json!({"starts_at_local": "2030-05-03T20:00Z"}),
            "shows[0].starts_at_local",
        ),
        (
            json!({"time_zone": "Europe/Oslo"}),
            json!({"starts_at_local": "2030-05-03T20:00", "starts_at": "2030-05-03T18:00:00Z"}),
            "shows[0].starts_at_local",
        ),
    ] {
        let mut bad = event(place.clone());
        for (key, value) in show.as_object().unwrap() {
            bad["shows"][0][key] = value.clone();
        }

        let refused = app.created(bad).await;
        assert_eq!(
            (refused.status.as_u16(), refused.body["field"].as_str()),
            (422, Some(field)),
            "{place} {show}"
        );
    }
}

#[tokio::test]
async fn sold_out_means_that_nothing_comes_back() {
    let app = TestApp::open().await;
    let sold_out = async || {
        let path = format!("/events/{}", app.event);
        let event = app.send("GET", &path, None, &[], None).await.body;
        let list = app.send("GET", "/events", None, &[], None).await.body;
        assert_eq!(event["sold_out"], list["events"][0]["sold_out"]);
        event["sold_out"].as_bool().unwrap()
    };

    let mut unpaid = Vec::new();
    for (user, zone, quantity) in [
        ("a", 0, 4),
        ("b", 0, 4),
        ("c", 0, 4),
        ("d", 0, 4),
        ("e", 0, 4),
        ("f", 1, 2),
    ] {
        let booking = app.reserved(user, zone, quantity).await;
        unpaid.push((user, booking["booking_id"].as_str().unwrap().to_owned()));
    }
    app.get(&format!("/admin/events/{}/live", app.event), &admin())
        .await;
    assert!(!sold_out().await, "holds may come back");

    for (user, booking) in unpaid {
        let paid = app
            .post(&format!("/bookings/{booking}/confirm"), &token(user))
            .await;
        assert_eq!(paid.status, 200);
    }
    let known = async {
        while !sold_out().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), known)
        .await
        .expect("every seat is sold");
}

/// Lines as a reader of RFC 5545 gets them: continued lines are joined.
fn unfolded(text: &str) -> Vec<String> {
    assert!(text.ends_with("\r\n") && !text.replace("\r\n", "").contains('\n'));
    assert!(text.split("\r\n").all(|line| line.len() <= 75), "{text}");
    text.replace("\r\n ", "")
        .split("\r\n")
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn calendar_has_shows_and_bookings() {
    let app = TestApp::open().await;
    let mut new =
        event(json!({"venue": "Rockefeller", "city": "Oslo", "time_zone": "Europe/Oslo"}));
    new["shows"][0]["starts_at_local"] = json!("2030-05-03T20:00");
    let created = app.created(new).await.body;
    let id = created["event_id"].as_str().unwrap();

    let (status, content_type, text) = app.text(&format!("/events/{id}/calendar"), None).await;
    assert_eq!(
        (status, content_type.as_str()),
        (200, "text/calendar; charset=utf-8")
    );
    let lines = unfolded(&text);
    for line in [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "DTSTART:20300503T180000Z",
        "SUMMARY:A Late Night\\; with \"friends\"\\, and more · Friday",
        "LOCATION:Rockefeller\\, Oslo",
        "DESCRIPTION:2030-05-03 20:00 (Europe/Oslo)",
        "END:VCALENDAR",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line} in {text}");
    }

    let booking = app.reserved("ann", 0, 2).await;
    let path = format!(
        "/bookings/{}/calendar",
        booking["booking_id"].as_str().unwrap()
    );
    let (_, _, text) = app.text(&path, Some(&token("ann"))).await;
    let lines = unfolded(&text).join("\n");
    assert!(
        lines.contains("2 × Stalls · ") && lines.contains("DTSTART:20300101T200000Z"),
        "{text}"
    );
    assert_eq!(app.text(&path, Some(&token("bob"))).await.0, 404);

    let undated = app.created(event(json!({}))).await.body;
    let path = format!("/events/{}/calendar", undated["event_id"].as_str().unwrap());
    let refused = app.send("GET", &path, None, &[], None).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (404, "SHOW_NOT_FOUND")
    );
}
