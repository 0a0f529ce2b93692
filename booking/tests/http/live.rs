//! Live figures for operators.

use std::time::Duration;

use serde_json::{Value, json};
use waitingroom_domain::{
    clock::Clock, ids::UserId, overload_throttle::BookingLoad, presence::Presence,
};
use waitingroom_messaging::process_registry::{GuestMajority, Process, ProcessStatus, Role};

use super::app::{Stream, TestApp, admin, admin_for, token};
use crate::single_action::{Join, SingleAction};

fn path(app: &TestApp) -> String {
    format!("/admin/events/{}/live", app.event)
}

/// Waits for a moment of which this holds.
async fn until(stream: &mut Stream, holds: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..10 {
        let (name, moment) = stream.next().await.expect("the stream goes on");
        assert_eq!(name, "live");
        if holds(&moment) {
            return moment;
        }
    }
    panic!("it never was so");
}

#[tokio::test]
async fn an_event_is_seen_as_it_is() {
    let app = TestApp::open().await;
    app.reserved("ann", 0, 3).await;
    let bought = app.reserved("bob", 1, 1).await;
    let confirm = format!(
        "/bookings/{}/confirm",
        bought["booking_id"].as_str().unwrap()
    );
    assert_eq!(app.post(&confirm, &token("bob")).await.status, 200);
    app.pass("cid").await;
    let mut stream = app
        .stream(&format!("{}/stream", path(&app)), Some(&admin()))
        .await;
    // A moment may lie between somebody's place and their pass.
    let seen =
        |moment: &Value| moment["totals"]["released"] == 3 && moment["figures"]["sold"] == 1.0;
    let moment = until(&mut stream, seen).await;
    let figures = &moment["figures"];
    assert_eq!(
        (&figures["held"], &figures["free"], &figures["line"]),
        (&json!(3.0), &json!(18.0), &json!(0.0))
    );
    assert_eq!(
        (&figures["active"], &figures["max_active"]),
        (&json!(1.0), &json!(1000.0))
    );
    assert_eq!(
        (&figures["rate_set"], &figures["rate_effective"]),
        (&json!(50.0), &json!(50.0))
    );
    let zone = &moment["zones"][0];
    assert_eq!(
        (&zone["zone"], &zone["sold"], &zone["held"], &zone["free"]),
        (&json!("Stalls"), &json!(0), &json!(3), &json!(17))
    );

    let queue = format!("/admin/events/{}/queue", app.event);
    app.send(
        "PUT",
        &queue,
        Some(&admin()),
        &[],
        Some(json!({"state": "paused"})),
    )
    .await;
    let paused = until(&mut stream, |moment| {
        moment["settings"]["state"] == "paused"
    })
    .await;
    assert_eq!(paused["figures"]["rate_effective"], 0.0);
    let told = app.get(&path(&app), &admin()).await.body;
    let (at, held) = (
        told["history"]["at_ms"].as_array().unwrap(),
        told["history"]["held"].as_array().unwrap(),
    );
    assert!(
        !at.is_empty() && at.len() == held.len() && held.last() == Some(&json!(3.0)),
        "{told}"
    );
}

#[tokio::test]
async fn every_process_is_seen_until_it_is_gone() {
    let app = TestApp::open().await;
    let booking = BookingLoad {
        reserves_per_second: 20.0,
        reserve_p95_ms: Some(9.5),
        ..BookingLoad::default()
    };

    let process = |name: &str, roles| Process {
        node: name.parse().unwrap(),
        roles,
        version: "1".into(),
        started_at: Clock::System.now(),
        settings: Default::default(),
    };

    for (process, connections, booking) in [
        (process("gw-1", vec![Role::Gateway]), 70, None),
        (process("gw-2", vec![Role::Gateway]), 30, None),
        (process("booking-1", vec![Role::Booking]), 5, Some(booking)),
    ] {
        let memory_bytes = Some(1_000_000);
        let guest_majority = (connections == 70).then(|| GuestMajority {
            network: "203.0.113.0/24".into(),
            percent: 97,
        });
        app.board
            .publish(&ProcessStatus {
                process,
                connections,
                memory_bytes,
                live_tasks: 9,
                booking,
                guest_majority,
            })
            .await
            .unwrap();
    }

    let nodes = app.get("/admin/nodes", &admin()).await.body;
    let names: Vec<_> = nodes["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| &node["node"])
        .collect();

    assert_eq!(names, ["booking-1", "gw-1", "gw-2"]);
    assert_eq!(
        nodes["nodes"][1]["guest_majority"],
        json!({"network": "203.0.113.0/24", "percent": 97})
    );
    assert!(nodes["nodes"][2].get("guest_majority").is_none());
    assert_eq!(
        (&nodes["booking"]["reserve_p95_ms"], &nodes["pace"]),
        (&json!(9.5), &json!(1.0))
    );

    let mut stream = app
        .stream(&format!("{}/stream", path(&app)), Some(&admin()))
        .await;
    let figures = until(&mut stream, |moment| {
        moment["nodes"].as_array().unwrap().len() == 3
    })
    .await["figures"]
        .clone();

    assert_eq!(
        (&figures["connections"], &figures["memory_bytes"]),
        (&json!(100.0), &json!(3_000_000.0))
    );
    assert_eq!(
        (&figures["reserve_p95_ms"], &figures["reserves_per_second"]),
        (&json!(9.5), &json!(20.0))
    );
}

#[tokio::test]
async fn stream_ends_with_operator_token() {
    let app = TestApp::open().await;
    let stream = format!("{}/stream", path(&app));

    for path in [&path(&app), &stream, &"/admin/nodes".to_owned()] {
        assert_eq!(
            app.send("GET", path, None, &[], None).await.status.as_u16(),
            401
        );
        assert_eq!(app.get(path, &token("ann")).await.status.as_u16(), 403);
    }

    let mut short = app
        .stream(&stream, Some(&admin_for(Duration::from_secs(2))))
        .await;
    assert!(short.next().await.is_some());

    let ended = async { while short.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(6), ended)
        .await
        .expect("it ends with the token");

    let mut drained = app.stream(&stream, Some(&admin())).await;
    app.drain();

    let ended = async { while drained.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(6), ended)
        .await
        .expect("it ends with the process");
}

#[tokio::test]
async fn says_why_queue_stands_still() {
    let app = TestApp::open().await;
    let mut stream = app
        .stream(&format!("{}/stream", path(&app)), Some(&admin()))
        .await;
    let worker = async || {
        let process = Process {
            node: "worker-1".parse().unwrap(),
            roles: vec![Role::QueueWorker],
            version: "1".into(),
            started_at: Clock::System.now(),
            settings: Default::default(),
        };
        let status = ProcessStatus {
            process,
            connections: 0,
            memory_bytes: None,
            live_tasks: 1,
            booking: None,
            guest_majority: None,
        };
        app.board.publish(&status).await.unwrap();
    };
    let set = async |patch: Value| {
        let queue = format!("/admin/events/{}/queue", app.event);
        let changed = app
            .send("PUT", &queue, Some(&admin()), &[], Some(patch))
            .await;
        assert_eq!(changed.status, 200);
    };
    let mut reason = async |expected: &str| {
        worker().await;
        until(&mut stream, |moment| moment["admission"] == expected).await
    };

    reason("empty").await;
    let (event_id, user) = (app.event, "ann".parse::<UserId>().unwrap());
    let node = "g1".parse().unwrap();
    let join = Join {
        event_id,
        user: user.clone(),
        presence: Presence::Node("g1".parse().unwrap()),
        ticket: None,
    };
    app.engine.join(&join, app.clock.now()).await.unwrap();
    reason("releasing").await;

    app.engine
        .detach(event_id, &user, &node, app.clock.now())
        .await
        .unwrap();
    let away = reason("all_absent").await;
    assert_eq!(
        (&away["figures"]["line"], &away["figures"]["absent"]),
        (&json!(1.0), &json!(1.0))
    );
    assert_eq!(
        away["forecast"],
        json!({"no_queue_forecast": "stands_still", "no_seats_forecast": "stands_still"})
    );

    set(json!({"rate_per_second": 0})).await;
    reason("rate_zero").await;
    set(json!({"state": "paused"})).await;
    let paused = reason("paused").await;
    let listed = app.get("/admin/events", &admin()).await.body;
    let now = &listed["events"][0]["now"];
    assert_eq!(
        (&now["line"], &now["absent"], &now["admission"]),
        (&json!(1), &json!(1), &json!("paused"))
    );
    assert_eq!(
        listed["events"][0]["queue_revision"],
        paused["queue_revision"]
    );
}

#[tokio::test]
async fn history_has_three_ranges() {
    let app = TestApp::open().await;
    for (range, step) in [("15m", 1), ("1h", 20), ("6h", 20)] {
        let live = app
            .get(&format!("{}?range={range}", path(&app)), &admin())
            .await
            .body;
        assert_eq!(live["history_step_seconds"], json!(step), "{live}");
        assert!(live["history"]["line"].is_array());
    }
    let bad = app.get(&format!("{}?range=1d", path(&app)), &admin()).await;
    assert_eq!(
        (bad.status.as_u16(), bad.body["field"].as_str()),
        (422, Some("range"))
    );
}
