//! What operators do.

use serde_json::json;
use waitingroom_domain::{
    ids::UserId,
    presence::Presence,
    queue::{Removal, SaleState},
};
use waitingroom_messaging::signal::{ListenerEvent, Signal, Signals};

use super::app::{TestApp, admin, admin_named, token};
use crate::single_action::{Join, SingleAction};

#[tokio::test]
async fn opens_event_on_creation() {
    let app = TestApp::open().await;
    let events = app.get("/admin/events", &admin()).await.body;
    let event = &events["events"][0];

    assert_eq!(event["event_id"], json!(app.event));
    assert_eq!(event["queue"]["state"], "open");
    assert_eq!(app.left().await, [20, 2]);

    let again = json!({"event_id": app.event, "name": "B", "shows": [{"name": "S", "zones": [
        {"name": "Z", "capacity": 1, "unit_price": 0}]}]});
    let answer = app
        .send("POST", "/admin/events", Some(&admin()), &[], Some(again))
        .await;

    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (409, "ALREADY_EXISTS")
    );
    assert_eq!(answer.body["field"], "event_id");
}

#[tokio::test]
async fn bad_events_are_refused_by_field() {
    let app = TestApp::open().await;
    let good = json!({"name": "B", "shows": [{"name": "S", "zones": [{"name": "Z", "capacity": 1, "unit_price": 0}]}]});

    for (pointer, value, field) in [
        ("/name", json!(""), "name"),
        ("/shows", json!([]), "shows"),
        ("/shows/0/zones", json!([]), "shows[0].zones"),
        (
            "/shows/0/zones/0/capacity",
            json!(0),
            "shows[0].zones[0].capacity",
        ),
        (
            "/shows/0/zones/0/unit_price",
            json!(-1),
            "shows[0].zones[0].unit_price",
        ),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let answer = app
            .send("POST", "/admin/events", Some(&admin()), &[], Some(bad))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.body["field"].as_str()),
            (422, Some(field)),
            "{answer:?}"
        );
    }

    for (key, value, field) in [
        ("currency", json!("euro"), "currency"),
        ("hold_seconds", json!(0), "hold_seconds"),
        ("max_seats_per_user", json!(0), "max_seats_per_user"),
        ("queue", json!({"burst": 0}), "queue.burst"),
        ("appearance", json!({"accent": "red"}), "appearance.accent"),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        let answer = app
            .send("POST", "/admin/events", Some(&admin()), &[], Some(bad))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.body["field"].as_str()),
            (422, Some(field)),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn queue_change_is_applied_and_announced() {
    let app = TestApp::open().await;
    let mut gateway = app.signals.listen(&"g1".parse().unwrap()).await.unwrap();
    let path = format!("/admin/events/{}/queue", app.event);
    let patch = json!({"state": "paused", "rate_per_second": 2.5, "message": "a short break"});
    let answer = app
        .send("PUT", &path, Some(&admin()), &[], Some(patch))
        .await;

    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        (&answer.body["state"], &answer.body["burst"]),
        (&json!("paused"), &json!(50))
    );
    assert_eq!(app.get(&path, &admin()).await.body, answer.body);

    let settings = app.engine.status(app.event).await.unwrap().settings;
    assert_eq!(
        (settings.state, settings.rate_per_second),
        (SaleState::Paused, 2.5)
    );

    let heard = gateway.next().await;
    let ListenerEvent::Signal(signal) = heard else {
        panic!("{heard:?}")
    };

    assert_eq!(
        *signal,
        Signal::Sale {
            event_id: app.event,
            settings
        }
    );

    let list = app.send("GET", "/events", None, &[], None).await.body;
    assert_eq!(
        (&list["events"][0]["state"], &list["events"][0]["message"]),
        (&json!("paused"), &json!("a short break"))
    );
}

#[tokio::test]
async fn bad_settings_are_refused_by_name() {
    let app = TestApp::open().await;
    let path = format!("/admin/events/{}/queue", app.event);

    for (patch, field) in [
        (json!({"burst": 0}), "burst"),
        (json!({"state": "asleep"}), "state"),
    ] {
        let answer = app
            .send("PUT", &path, Some(&admin()), &[], Some(patch))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.body["field"].as_str()),
            (422, Some(field)),
            "{answer:?}"
        );
    }

    let nobody = format!("/admin/events/{}/queue", uuid::Uuid::new_v4());
    let answer = app
        .send(
            "PUT",
            &nobody,
            Some(&admin()),
            &[],
            Some(json!({"burst": 1})),
        )
        .await;

    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (404, "EVENT_NOT_FOUND")
    );

    let answer = app
        .send(
            "PUT",
            &path,
            Some(&token("ann")),
            &[],
            Some(json!({"burst": 1})),
        )
        .await;
    assert_eq!((answer.status.as_u16(), answer.code()), (403, "FORBIDDEN"));
}

#[tokio::test]
async fn the_inventory_is_compared_and_rebuilt() {
    let app = TestApp::open().await;
    app.reserved("ann", 0, 3).await;

    let status = app
        .get(
            &format!("/admin/inventory-status?event_id={}", app.event),
            &admin(),
        )
        .await
        .body;
    assert_eq!(
        (&status["drift"], status["zones"].as_array().unwrap().len()),
        (&json!(0), 2)
    );

    let zone = status["zones"]
        .as_array()
        .unwrap()
        .iter()
        .find(|zone| zone["zone_id"] == app.zones[0])
        .unwrap();
    assert_eq!(
        zone["database"],
        json!({"available": 17, "held": 3, "confirmed": 0})
    );
    assert_eq!(zone["redis"], json!({"available": 17}));

    let synced = app.post("/admin/sync-inventory", &admin()).await.body;
    assert_eq!(
        synced,
        json!({"events": 1, "zones": 2, "holds": 1, "corrected": 0})
    );
    assert_eq!(app.left().await, [17, 2]);
}

#[tokio::test]
async fn an_event_looks_as_its_operator_says() {
    let app = TestApp::open().await;
    let page = format!("/events/{}", app.event);
    assert_eq!(
        app.send("GET", &page, None, &[], None).await.body["appearance"],
        json!(null)
    );
    let path = format!("/admin/events/{}/appearance", app.event);
    let put = async |patch| {
        app.send("PUT", &path, Some(&admin()), &[], Some(patch))
            .await
    };
    let answer = put(json!({"accent": "#102030", "message": "Doors at eight"})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = put(json!({"logo": "/logo.svg", "picture": "/hall.jpg", "message": ""})).await;
    let expected = json!({"accent": "#102030", "logo": "/logo.svg", "picture": "/hall.jpg"});
    assert_eq!(
        (&answer.body["event_id"], &answer.body["appearance"]),
        (&json!(app.event), &expected)
    );
    assert_eq!(
        app.send("GET", &page, None, &[], None).await.body["appearance"],
        expected
    );

    let bad = put(json!({"logo": "https://example.org/x.png"})).await;
    assert_eq!(
        (bad.status.as_u16(), bad.body["field"].as_str()),
        (422, Some("logo"))
    );
    let answer = app
        .send(
            "PUT",
            &path,
            Some(&token("ann")),
            &[],
            Some(json!({"accent": ""})),
        )
        .await;
    assert_eq!(answer.status.as_u16(), 403);
    let nobody = format!("/admin/events/{}/appearance", uuid::Uuid::new_v4());
    let answer = app
        .send(
            "PUT",
            &nobody,
            Some(&admin()),
            &[],
            Some(json!({"accent": ""})),
        )
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (404, "EVENT_NOT_FOUND")
    );
}

#[tokio::test]
async fn audit_log_names_no_secret() {
    let app = TestApp::open().await;
    let event = app.event;
    app.send(
        "PUT",
        &format!("/admin/events/{event}/queue"),
        Some(&admin()),
        &[],
        Some(json!({"state": "paused"})),
    )
    .await;
    let look = json!({"accent": "#102030"});
    app.send(
        "PUT",
        &format!("/admin/events/{event}/appearance"),
        Some(&admin()),
        &[],
        Some(look),
    )
    .await;
    let sync = app
        .send(
            "POST",
            "/admin/sync-inventory",
            Some(&admin()),
            &[],
            Some(json!({"event_id": event})),
        )
        .await;
    assert_eq!(sync.status, 200);
    let audit = app
        .get(&format!("/admin/audit?event_id={event}"), &admin())
        .await
        .body;
    let entries = audit["entries"].as_array().unwrap();
    let actions: Vec<_> = entries
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "inventory_synced",
            "sync_inventory",
            "change_appearance",
            "change_queue",
            "create_event"
        ]
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry["operator"] == "operator" && entry["event_id"] == json!(event)),
        "{audit}"
    );
    assert_eq!(entries[3]["before"], json!({"state": "open"}));
    assert_eq!(entries[3]["after"], json!({"state": "paused"}));
    assert!(!audit.to_string().contains(&admin()[..20]), "no token");

    let page = app.get("/admin/audit?limit=2", &admin()).await.body;
    assert_eq!(page["next"], page["entries"][1]["audit_id"]);
    let rest = app
        .get(
            &format!("/admin/audit?limit=200&before={}", page["next"]),
            &admin(),
        )
        .await
        .body;
    assert_eq!(
        (rest["entries"].as_array().unwrap().len(), &rest["next"]),
        (3, &json!(null))
    );
    let bad = app.get("/admin/audit?limit=0", &admin()).await;
    assert_eq!(
        (bad.status.as_u16(), bad.body["field"].as_str()),
        (422, Some("limit"))
    );
    assert_eq!(
        app.get("/admin/audit", &token("ann")).await.status.as_u16(),
        403
    );
}

#[tokio::test]
async fn removal_of_user_is_audited() {
    let app = TestApp::open().await;
    let mut gateway = app.signals.listen(&"g1".parse().unwrap()).await.unwrap();
    let (user, event_id) = (
        "uid=Ann Lee,ou=People".parse::<UserId>().unwrap(),
        app.event,
    );
    let presence = Presence::Node("g1".parse().unwrap());
    let join = Join {
        event_id,
        user: user.clone(),
        presence,
        ticket: None,
    };

    app.engine.join(&join, app.clock.now()).await.unwrap();
    let path = format!("/admin/events/{event_id}/queue/places/uid=Ann%20Lee,ou=People");
    let visitor = app
        .send("DELETE", &path, Some(&token("ann")), &[], None)
        .await;

    assert_eq!(
        (visitor.status.as_u16(), visitor.code()),
        (403, "FORBIDDEN")
    );

    let removed = app.send("DELETE", &path, Some(&admin()), &[], None).await;
    assert_eq!(
        removed.body,
        json!({"event_id": event_id, "user_id": user, "removed": true})
    );

    let told = loop {
        if let ListenerEvent::Signal(signal) = gateway.next().await
            && let Signal::Removals { users, .. } = *signal
        {
            break users;
        }
    };
    assert_eq!(told, [(user, Removal::Left)]);
    assert_eq!(app.engine.status(event_id).await.unwrap().total, 0);

    let entry = app.get("/admin/audit", &admin()).await.body["entries"][0].clone();
    assert_eq!(
        (
            &entry["action"],
            &entry["operator"],
            &entry["before"]["user_id"]
        ),
        (
            &json!("remove_place"),
            &json!("operator"),
            &json!("uid=Ann Lee,ou=People")
        )
    );

    let again = app.send("DELETE", &path, Some(&admin()), &[], None).await;
    assert_eq!((again.status.as_u16(), again.code()), (404, "NOT_IN_QUEUE"));

    let unknown = format!("/admin/events/{}/queue/places/ann", uuid::Uuid::new_v4());
    let answer = app
        .send("DELETE", &unknown, Some(&admin()), &[], None)
        .await;

    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (404, "EVENT_NOT_FOUND")
    );
}

#[tokio::test]
async fn null_is_never_more_than_was_asked_for() {
    let app = TestApp::open().await;
    let answer = app
        .send(
            "POST",
            "/admin/sync-inventory",
            Some(&admin()),
            &[],
            Some(json!({"event_id": null})),
        )
        .await;

    assert_eq!(
        (answer.status.as_u16(), answer.body["field"].as_str()),
        (422, Some("event_id")),
        "{answer:?}"
    );

    let path = format!("/admin/events/{}/queue", app.event);
    let put = async |body: serde_json::Value| {
        let answer = app
            .send("PUT", &path, Some(&admin()), &[], Some(body))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };

    assert_eq!(put(json!({"message": "Soon"})).await["message"], "Soon");
    assert_eq!(
        put(json!({"burst": 7.0})).await["message"],
        "Soon",
        "what is left out stays"
    );

    let set = put(json!({"message": null, "burst": null})).await;
    assert_eq!(
        (&set["message"], &set["burst"]),
        (&json!(null), &json!(7)),
        "null removes a text"
    );
}

#[tokio::test]
async fn if_match_keeps_anothers_change() {
    let app = TestApp::open().await;
    let path = format!("/admin/events/{}/queue", app.event);
    let put = async |operator: &str, if_match: Option<&str>, patch: serde_json::Value| {
        let headers: Vec<_> = if_match.map(|tag| ("if-match", tag)).into_iter().collect();
        let token = admin_named(operator);
        app.send("PUT", &path, Some(&token), &headers, Some(patch))
            .await
    };

    let seen = app.get(&path, &admin()).await;
    let tag = format!("\"{}\"", seen.body["revision"].as_str().unwrap());
    assert_eq!(seen.etag.as_deref(), Some(&*tag));

    let olgas = put("olga", Some(&tag), json!({"rate_per_second": 7})).await;
    assert_eq!(olgas.status, 200, "{olgas:?}");
    assert_ne!(olgas.etag.as_deref(), Some(&*tag));

    let refused = put("pete", Some(&tag), json!({"rate_per_second": 3})).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (412, "PRECONDITION_FAILED")
    );
    let conflict = &refused.body["conflict"];
    assert_eq!(
        (
            &conflict["current"]["rate_per_second"],
            &conflict["changed_by"],
            &conflict["revision"]
        ),
        (&json!(7.0), &json!("olga"), &olgas.body["revision"])
    );
    assert!(conflict["changed_at"].is_string());
    assert_eq!(
        app.get(&path, &admin()).await.body["rate_per_second"],
        json!(7.0)
    );

    let current = format!("\"{}\"", conflict["revision"].as_str().unwrap());
    for (if_match, rate) in [(Some(&*current), 3.0), (None, 4.0), (Some("*"), 5.0)] {
        let set = put("pete", if_match, json!({"rate_per_second": rate})).await;
        assert_eq!(
            (set.status.as_u16(), &set.body["rate_per_second"]),
            (200, &json!(rate)),
            "{if_match:?}"
        );
    }

    let malformed = put("pete", Some("unquoted"), json!({"burst": 1})).await;
    assert_eq!(
        (malformed.status.as_u16(), malformed.body["field"].as_str()),
        (422, Some("If-Match"))
    );
}

#[tokio::test]
async fn if_match_holds_for_appearance() {
    let app = TestApp::open().await;
    let path = format!("/admin/events/{}/appearance", app.event);
    let put = async |tag: &str, patch: serde_json::Value| {
        let headers = [("if-match", tag)];
        app.send("PUT", &path, Some(&admin()), &headers, Some(patch))
            .await
    };

    let listed = app.get("/admin/events", &admin()).await.body;
    let revision = listed["events"][0]["appearance_revision"].as_str().unwrap();
    let tag = format!("\"{revision}\"");
    let first = put(&tag, json!({"accent": "#102030"})).await;
    assert_eq!(first.status, 200, "{first:?}");

    let second = put(&tag, json!({"accent": "#405060"})).await;
    assert_eq!(second.code(), "PRECONDITION_FAILED");
    assert_eq!(
        second.body["conflict"]["current"],
        json!({"accent": "#102030"})
    );
    let again = put(first.etag.as_deref().unwrap(), json!({"accent": "#405060"})).await;
    assert_eq!(again.body["appearance"], json!({"accent": "#405060"}));
}
