//! What survives: the loss of the engine, and of what it was told.

use std::{sync::Arc, time::Duration};

use booking::{
    model::audit::AuditContext,
    store::{AsOf::Fixed, Transition, TransitionRequest},
};
use serde_json::json;
use waitingroom::{
    absence::Presence,
    engine::{SharedEngine, memory::MemoryEngine},
    line::{QueuePatch, QueueSettings, SaleState},
    seats::{Reserve, ReserveOutcome, SeatSnapshot, ZoneSeats},
};

use super::shop::{Shop, admin, token};

#[tokio::test]
async fn seats_and_line_come_back_from_the_database() {
    let shop = Shop::open().await;
    let held = shop.reserved("ann", 0, 3).await;
    let bought = shop.reserved("bob", 1, 2).await;
    shop.post(
        &format!(
            "/bookings/{}/confirm",
            bought["booking_id"].as_str().unwrap()
        ),
        &token("bob"),
    )
    .await;
    let wait = async {
        while shop.store.checkpoint(shop.event).await.unwrap().head < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wait)
        .await
        .expect("the line is written down each second");
    let engine: SharedEngine = Arc::new(MemoryEngine::new());
    let again = shop.restarted(engine).await;
    assert_eq!(again.left().await, [17, 0]);
    let status = again.engine.status(again.event).await.unwrap();
    assert!(status.sequence >= 1_000_002 && status.head >= 2);
    let confirm = format!("/bookings/{}/confirm", held["booking_id"].as_str().unwrap());
    assert_eq!(again.post(&confirm, &token("ann")).await.status, 200);
}

#[tokio::test]
async fn settings_that_never_reached_the_engine_do_after_a_restart() {
    let shop = Shop::open().await;
    let patch = QueuePatch {
        state: Some(SaleState::Paused),
        ..QueuePatch::default()
    };
    let act = AuditContext {
        operator: "operator".parse().unwrap(),
        at: shop.clock.now(),
    };
    shop.store
        .patch_queue(shop.event, &patch, &act)
        .await
        .unwrap();
    let engine = shop.engine.clone();
    let shop = shop.restarted(engine).await;
    shop.until_state(SaleState::Paused).await;
}

#[tokio::test]
async fn an_engine_with_older_settings_is_given_those_of_the_database() {
    let shop = Shop::open().await;
    let stale = QueueSettings {
        state: SaleState::Closed,
        ..QueueSettings::default()
    };
    shop.engine.configure(shop.event, &stale).await.unwrap();
    shop.until_state(SaleState::Open).await;
}

#[tokio::test]
async fn an_event_that_the_engine_lost_while_running_is_rebuilt_for_the_request() {
    let shop = Shop::open().await;
    shop.reserved("ann", 0, 3).await;
    let pass = shop.pass("bob").await;
    shop.engine.remove(shop.event).await.unwrap();
    let answer = shop.reserve("bob", &pass, Some("k1"), 0, 2).await;
    assert_eq!(
        answer.status, 201,
        "a pass of the lost line is live: {answer:?}"
    );
    assert_eq!(shop.left().await, [15, 2]);
}

#[tokio::test]
async fn a_pass_is_used_once_the_database_has_its_booking() {
    let shop = Shop::open().await;
    let (ann, pass, now) = (
        "ann".parse().unwrap(),
        shop.pass("ann").await,
        shop.clock.now(),
    );
    let place = shop
        .engine
        .resume(shop.event, &ann, &Presence::Poll, now)
        .await
        .unwrap()
        .unwrap();
    let grant = place.grant.unwrap();
    // A hold whose commit never comes, of an instance that is gone.
    let lost = Reserve {
        event_id: shop.event,
        user: ann,
        zone_id: shop.zones[0].parse().unwrap(),
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
        shop.engine.reserve(&lost, now).await.unwrap(),
        ReserveOutcome::Held
    );
    let undecided = shop.reserve("ann", &pass, Some("k2"), 0, 2).await;
    assert_eq!(
        (undecided.status.as_u16(), undecided.code()),
        (503, "UNAVAILABLE")
    );

    shop.wait(9).await;
    let given_back = async {
        loop {
            let answer = shop.reserve("ann", &pass, Some("k2"), 0, 2).await;
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
    let used = shop.reserve("ann", &pass, Some("k3"), 0, 2).await;
    assert_eq!((used.status.as_u16(), used.code()), (409, "PASS_USED"));
}

#[tokio::test]
async fn a_used_pass_stays_used_when_the_engine_has_forgotten_it() {
    let shop = Shop::open().await;
    let pass = shop.pass("ann").await;
    let first = shop.reserve("ann", &pass, Some("k1"), 0, 2).await;
    let cancel = format!(
        "/bookings/{}/cancel",
        first.body["booking_id"].as_str().unwrap()
    );
    assert_eq!(shop.post(&cancel, &token("ann")).await.status, 200);
    shop.engine.remove(shop.event).await.unwrap();
    let again = shop.reserve("ann", &pass, None, 0, 2).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "PASS_USED"));
    shop.engine.remove(shop.event).await.unwrap();
    let retry = shop.reserve("ann", &pass, Some("k1"), 0, 2).await;
    assert_eq!(
        (retry.status.as_u16(), retry.code()),
        (409, "BOOKING_NOT_PENDING"),
        "the attempt is known, and cancelled"
    );
    assert_eq!(
        shop.left().await,
        [20, 2],
        "what could not be stored was given back"
    );
}

#[tokio::test]
async fn a_settlement_that_the_engine_missed_is_made_good() {
    let shop = Shop::open().await;
    let [ann, bob] = [
        shop.reserved("ann", 0, 3).await,
        shop.reserved("bob", 1, 1).await,
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
    shop.store
        .apply_transitions(&wishes, Fixed(shop.clock.now()))
        .await
        .unwrap();
    assert_eq!(shop.left().await, [17, 1]);
    shop.clock.advance(Duration::from_secs(609));
    shop.until_left(&[20, 1]).await;
}

#[tokio::test]
async fn drift_is_found_by_the_database_and_corrected() {
    let shop = Shop::open().await;
    shop.reserved("ann", 1, 2).await;
    let zones = shop
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
    shop.engine
        .load_seats(shop.event, &wrong, shop.clock.now())
        .await
        .unwrap();
    let drift = shop.get("/admin/inventory-status", &admin()).await.body["drift"].clone();
    assert_eq!(drift, json!(20));
    let pass = shop.pass("bob").await;
    let refused = shop.reserve("bob", &pass, None, 1, 1).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (503, "UNAVAILABLE")
    );
    assert!(refused.retry_after.is_some());
    shop.until_left(&[20, 0]).await;
    let answer = shop.reserve("bob", &pass, None, 1, 1).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (409, "INSUFFICIENT_SEATS"),
        "the pass is live: {answer:?}"
    );
}

#[tokio::test]
async fn reset_leaves_an_empty_house() {
    let shop = Shop::open().await;
    shop.reserved("ann", 0, 3).await;
    booking::seed::reset(&shop.store, &shop.engine)
        .await
        .unwrap();
    assert_eq!(shop.left().await, [20, 2]);
    assert_eq!(shop.get("/bookings", &token("ann")).await.body["total"], 0);
    shop.reserved("ann", 0, 4).await;
}

#[tokio::test]
async fn seeds_are_sown_once() {
    let shop = Shop::open().await;
    let now = shop.clock.now();
    let size = booking::seed::SeedSize::default();
    assert_eq!(
        booking::seed::seed_load_test(&shop.store, size, now)
            .await
            .unwrap(),
        3
    );
    assert_eq!(
        booking::seed::seed_load_test(&shop.store, size, now)
            .await
            .unwrap(),
        0
    );
    assert!(booking::seed::seed_demo(&shop.store, now).await.unwrap());
    assert!(!booking::seed::seed_demo(&shop.store, now).await.unwrap());
    let synced = shop.post("/admin/sync-inventory", &admin()).await.body;
    assert_eq!(
        (&synced["events"], &synced["zones"]),
        (&json!(5), &json!(2 + 45 + 8))
    );
    let event = booking::seed::load_test_event_id(2);
    let answer = shop
        .send("GET", &format!("/events/{event}"), None, &[], None)
        .await;
    assert_eq!(answer.body["shows"][2]["zones"][4]["available"], 20_000);
    assert_eq!(
        answer.body["shows"][2]["zones"][4]["zone_id"],
        "b0000000-0000-0006-0005-000000000000"
    );
}

#[tokio::test]
async fn an_attempt_is_one_booking_whatever_is_started_again() {
    let shop = Shop::open().await;
    let pass = shop.pass("ann").await;
    let made = shop.reserve("ann", &pass, Some("k"), 0, 2).await.body["booking_id"].clone();
    assert!(made.is_string());
    let booking = shop.restarted(Arc::clone(&shop.engine)).await;
    let both = shop.restarted(Arc::new(MemoryEngine::new())).await;
    shop.engine.remove(shop.event).await.unwrap();
    for shop in [&shop, &booking, &both] {
        let attempts = (0..8).map(|_| shop.reserve("ann", &pass, Some("k"), 0, 2));
        for answer in futures_util::future::join_all(attempts).await {
            assert_eq!(
                (answer.status.as_u16(), &answer.body["booking_id"]),
                (201, &made),
                "{answer:?}"
            );
        }
        shop.until_left(&[18, 2]).await;
    }
}
