//! What survives: the loss of the engine, and of what it was told.

use std::{sync::Arc, time::Duration};

use booking::{
    model::{audit_log::AuditContext, revision::Precondition},
    store::{AsOf::Fixed, Transition, TransitionRequest},
};
use serde_json::json;
use waitingroom_domain::{
    presence::Presence,
    queue::{QueuePatch, QueueSettings, SaleState},
    seats::{Reserve, ReserveOutcome, SeatSnapshot, ZoneSeats},
};
use waitingroom_engine::{SharedEngine, memory::InMemoryEngine};

use super::app::{TestApp, admin, token};
use crate::single_action::SingleAction;

#[tokio::test]
async fn restores_seats_and_queue_from_database() {
    let app = TestApp::open().await;
    let held = app.reserved("ann", 0, 3).await;
    let bought = app.reserved("bob", 1, 2).await;

    app.post(
        &format!(
            "/bookings/{}/confirm",
            bought["booking_id"].as_str().unwrap()
        ),
        &token("bob"),
    )
    .await;

    let wait = async {
        while app
            .store
            .checkpoint(app.event)
            .await
            .unwrap()
            .is_none_or(|checkpoint| checkpoint.head < 2)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wait)
        .await
        .expect("the line is written down each second");

    let engine: SharedEngine = Arc::new(InMemoryEngine::new());
    let again = app.restarted(engine).await;

    assert_eq!(again.left().await, [17, 0]);
    let status = again.engine.status(again.event).await.unwrap();

    assert!(status.sequence >= 1_000_002 && status.head >= 2);
    let confirm = format!("/bookings/{}/confirm", held["booking_id"].as_str().unwrap());
    assert_eq!(again.post(&confirm, &token("ann")).await.status, 200);
}

#[tokio::test]
async fn restart_delivers_missed_settings() {
    let app = TestApp::open().await;
    let patch = QueuePatch {
        state: Some(SaleState::Paused),
        ..QueuePatch::default()
    };
    let act = AuditContext {
        operator: "operator".parse().unwrap(),
        at: app.clock.now(),
    };

    app.store
        .patch_queue(app.event, &patch, &Precondition::None, &act)
        .await
        .unwrap();

    let engine = app.engine.clone();
    let app = app.restarted(engine).await;
    app.until_state(SaleState::Paused).await;
}

#[tokio::test]
async fn corrects_outdated_engine_settings() {
    let app = TestApp::open().await;
    let stale = QueueSettings {
        state: SaleState::Closed,
        ..QueueSettings::default()
    };
    app.engine.configure(app.event, &stale).await.unwrap();
    app.until_state(SaleState::Open).await;
}

#[tokio::test]
async fn rebuilds_lost_event_for_request() {
    let app = TestApp::open().await;
    app.reserved("ann", 0, 3).await;

    let pass = app.pass("bob").await;
    app.engine.remove(app.event).await.unwrap();

    let answer = app.reserve("bob", &pass, Some("k1"), 0, 2).await;
    assert_eq!(
        answer.status, 201,
        "a pass of the lost line is live: {answer:?}"
    );
    assert_eq!(app.left().await, [15, 2]);
}

#[tokio::test]
async fn pass_is_used_once_booking_is_stored() {
    let app = TestApp::open().await;
    let (ann, pass, now) = (
        "ann".parse().unwrap(),
        app.pass("ann").await,
        app.clock.now(),
    );
    let place = app
        .engine
        .resume(app.event, &ann, &Presence::Poll, now)
        .await
        .unwrap()
        .unwrap();
    let grant = place.grant.unwrap();
    // A hold whose commit never comes, of an instance that is gone.
    let lost = Reserve {
        event_id: app.event,
        user: ann,
        zone_id: app.zones[0].parse().unwrap(),
        quantity: 1,
        pass_id: grant.pass_id,
        pass_epoch: place.epoch,
        pass_expires_at: grant.expires_at,
        idempotency: None,
        booking_id: uuid::Uuid::now_v7().into(),
        hold_expires_at: now.plus(Duration::from_secs(600)),
        user_limit: 10,
    };
    assert_eq!(
        app.engine.reserve(&lost, now).await.unwrap(),
        ReserveOutcome::Held
    );
    let undecided = app.reserve("ann", &pass, Some("k2"), 0, 2).await;
    assert_eq!(
        (undecided.status.as_u16(), undecided.code()),
        (503, "UNAVAILABLE")
    );

    app.wait(9).await;
    let given_back = async {
        loop {
            let answer = app.reserve("ann", &pass, Some("k2"), 0, 2).await;
            match answer.status.as_u16() {
                503 => tokio::time::sleep(Duration::from_millis(20)).await,
                _ => return answer,
            }
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), given_back)
        .await
        .expect("the pass is given back");
    assert_eq!(answer.status, 201, "{answer:?}");
    let used = app.reserve("ann", &pass, Some("k3"), 0, 2).await;
    assert_eq!((used.status.as_u16(), used.code()), (409, "PASS_USED"));
}

#[tokio::test]
async fn used_pass_outlives_lost_engine() {
    let app = TestApp::open().await;
    let pass = app.pass("ann").await;
    let first = app.reserve("ann", &pass, Some("k1"), 0, 2).await;
    let cancel = format!(
        "/bookings/{}/cancel",
        first.body["booking_id"].as_str().unwrap()
    );

    assert_eq!(app.post(&cancel, &token("ann")).await.status, 200);
    app.engine.remove(app.event).await.unwrap();

    let again = app.reserve("ann", &pass, None, 0, 2).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "PASS_USED"));
    app.engine.remove(app.event).await.unwrap();

    let retry = app.reserve("ann", &pass, Some("k1"), 0, 2).await;
    assert_eq!(
        (retry.status.as_u16(), retry.code()),
        (409, "BOOKING_NOT_PENDING"),
        "the attempt is known, and cancelled"
    );
    assert_eq!(
        app.left().await,
        [20, 2],
        "what could not be stored was given back"
    );
}

#[tokio::test]
async fn missed_settlement_is_repaired() {
    let app = TestApp::open().await;
    let [ann, bob] = [
        app.reserved("ann", 0, 3).await,
        app.reserved("bob", 1, 1).await,
    ];
    let wish = |booking: &serde_json::Value, user: &str, transition| TransitionRequest {
        booking_id: booking["booking_id"].as_str().unwrap().parse().unwrap(),
        user: user.parse().unwrap(),
        transition,
    };

    // Decided behind the engine's back.
    let wishes = [
        wish(&ann, "ann", Transition::Cancel),
        wish(&bob, "bob", Transition::Confirm),
    ];
    app.store
        .apply_transitions(&wishes, Fixed(app.clock.now()))
        .await
        .unwrap();
    assert_eq!(app.left().await, [17, 1]);
    app.clock.advance(Duration::from_secs(609));

    app.until_left(&[20, 1]).await;
}

#[tokio::test]
async fn drift_is_found_and_corrected() {
    let app = TestApp::open().await;
    app.reserved("ann", 1, 2).await;

    let zones = app
        .zones
        .iter()
        .map(|zone| ZoneSeats {
            zone_id: zone.parse().unwrap(),
            available: 20,
        })
        .collect();
    let wrong = SeatSnapshot {
        zones,
        ..SeatSnapshot::default()
    };

    app.engine
        .load_seats(app.event, &wrong, app.clock.now())
        .await
        .unwrap();

    let drift = app.get("/admin/inventory-status", &admin()).await.body["drift"].clone();
    assert_eq!(drift, json!(20));

    let pass = app.pass("bob").await;
    let refused = app.reserve("bob", &pass, None, 1, 1).await;

    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (503, "UNAVAILABLE")
    );
    assert!(refused.retry_after.is_some());
    app.until_left(&[20, 0]).await;

    let answer = app.reserve("bob", &pass, None, 1, 1).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (409, "INSUFFICIENT_SEATS"),
        "the pass is live: {answer:?}"
    );
}

#[tokio::test]
async fn reset_leaves_an_empty_house() {
    let app = TestApp::open().await;
    app.reserved("ann", 0, 3).await;
    booking::seed::reset(&app.store, &app.engine).await.unwrap();
    assert_eq!(app.left().await, [20, 2]);
    assert_eq!(app.get("/bookings", &token("ann")).await.body["total"], 0);
    app.reserved("ann", 0, 4).await;
}

#[tokio::test]
async fn seeds_are_sown_once() {
    let app = TestApp::open().await;
    let now = app.clock.now();
    let size = booking::seed::SeedSize::default();

    assert_eq!(
        booking::seed::seed_load_test(&app.store, size, now)
            .await
            .unwrap(),
        3
    );
    assert_eq!(
        booking::seed::seed_load_test(&app.store, size, now)
            .await
            .unwrap(),
        0
    );
    assert!(booking::seed::seed_demo(&app.store, now).await.unwrap());
    assert!(!booking::seed::seed_demo(&app.store, now).await.unwrap());

    let synced = app.post("/admin/sync-inventory", &admin()).await.body;
    assert_eq!(
        (&synced["events"], &synced["zones"]),
        (&json!(5), &json!(2 + 45 + 8))
    );

    let event = booking::seed::load_test_event_id(2);
    let answer = app
        .send("GET", &format!("/events/{event}"), None, &[], None)
        .await;

    assert_eq!(answer.body["shows"][2]["zones"][4]["available"], 20_000);
    assert_eq!(
        answer.body["shows"][2]["zones"][4]["zone_id"],
        "b0000000-0000-0006-0005-000000000000"
    );
}

#[tokio::test]
async fn attempt_is_one_booking_across_restarts() {
    let app = TestApp::open().await;
    let pass = app.pass("ann").await;
    let made = app.reserve("ann", &pass, Some("k"), 0, 2).await.body["booking_id"].clone();

    assert!(made.is_string());
    let booking = app.restarted(Arc::clone(&app.engine)).await;
    let both = app.restarted(Arc::new(InMemoryEngine::new())).await;

    app.engine.remove(app.event).await.unwrap();

    for app in [&app, &booking, &both] {
        let attempts = (0..8).map(|_| app.reserve("ann", &pass, Some("k"), 0, 2));
        for answer in futures_util::future::join_all(attempts).await {
            assert_eq!(
                (answer.status.as_u16(), &answer.body["booking_id"]),
                (201, &made),
                "{answer:?}"
            );
        }
        app.until_left(&[18, 2]).await;
    }
}
