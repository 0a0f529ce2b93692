//! Time that users could not use, and limits that the engine has forgotten.

use std::{sync::Arc, time::Duration};

use waitingroom_domain::seats::ZoneSeats;
use waitingroom_engine::{RECOVERY_WINDOW, memory::InMemoryEngine};

use super::app::{TestApp, token};

#[tokio::test]
async fn hold_outlives_downtime_of_all_instances() {
    let app = TestApp::open_in_time().await;
    let held = app.reserved("ann", 0, 2).await;
    let path = format!("/bookings/{}", held["booking_id"].as_str().unwrap());

    app.stop().await;
    app.clock.advance(Duration::from_secs(600)); // nobody writes

    let again = app.restarted(Arc::clone(&app.engine)).await;
    let found = again.get(&path, &token("ann")).await.body;

    assert_eq!(found["status"], "reserved", "{found}");
    assert!(
        found["expires_at"].as_str().unwrap() > held["expires_at"].as_str().unwrap(),
        "{found}"
    );

    let pending = again.get("/bookings/pending", &token("ann")).await.body;
    assert_eq!(pending["bookings"][0]["expires_at"], found["expires_at"]);

    let confirmed = again.post(&format!("{path}/confirm"), &token("ann")).await;
    assert_eq!(
        (confirmed.status.as_u16(), &confirmed.body["status"]),
        (200, &"confirmed".into()),
        "{confirmed:?}"
    );
}

#[tokio::test]
async fn seat_limit_outlives_forgotten_user() {
    let app = TestApp::open().await;
    app.reserved("ann", 0, 3).await;

    let pass = app.pass("ann").await;
    let mut snapshot = app.store.snapshot(app.event).await.unwrap();

    snapshot.users.clear();
    app.engine
        .load_seats(app.event, &snapshot, app.clock.now())
        .await
        .unwrap();

    let refused = app.reserve("ann", &pass, Some("k"), 0, 2).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "USER_LIMIT_EXCEEDED"),
        "{refused:?}"
    );
    assert_eq!(refused.body["field"], "quantity");
    app.until_left(&[17, 2]).await;

    let allowed = app.reserve("ann", &pass, Some("k2"), 0, 1).await;
    assert_eq!(
        allowed.status, 201,
        "seats and pass were given back: {allowed:?}"
    );

    // Rebuilt, the engine refuses by itself.
    let forgotten = async {
        loop {
            let pass = app.pass("ann").await;
            let refused = app.reserve("ann", &pass, None, 0, 1).await;
            if refused.code() == "USER_LIMIT_EXCEEDED" {
                break refused;
            }
            assert_eq!(refused.status, 503, "while it is rebuilt: {refused:?}");
            app.engine
                .leave(app.event, &"ann".parse().unwrap(), app.clock.now())
                .await
                .unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(10), forgotten)
        .await
        .unwrap();

    assert_eq!(
        app.get("/bookings/summary", &token("ann")).await.body["reserved_seats"],
        4
    );
}

#[tokio::test]
async fn seat_limit_outlives_lost_engine() {
    let app = TestApp::open().await;
    app.reserved("ann", 0, 3).await;

    let again = app.restarted(Arc::new(InMemoryEngine::new())).await;
    again.wait(RECOVERY_WINDOW.as_secs()).await;
    let mut snapshot = again.store.snapshot(again.event).await.unwrap();

    // A replica that lacked the last bookings.
    snapshot.zones = again
        .zones
        .iter()
        .map(|zone| ZoneSeats {
            zone_id: zone.parse().unwrap(),
            available: 2,
        })
        .collect();
    (snapshot.users, snapshot.holds) = (Vec::new(), Vec::new());
    again
        .engine
        .load_seats(again.event, &snapshot, again.clock.now())
        .await
        .unwrap();

    let mut seats = 3;
    for attempt in 0..3 {
        let pass = again.pass("ann").await;
        let answer = again.reserve("ann", &pass, None, 0, 1).await;
        seats += u32::from(answer.status == 201);
        assert!(
            answer.status == 201 || answer.status == 409 || answer.status == 503,
            "{attempt}: {answer:?}"
        );
        again
            .engine
            .leave(again.event, &"ann".parse().unwrap(), again.clock.now())
            .await
            .unwrap();
    }

    assert_eq!(seats, 4, "one more, whoever counted");
}
