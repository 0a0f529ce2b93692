//! Opening, configuring and forgetting an event.

use std::time::Duration;

use uuid::Uuid;
use waitingroom_domain::{
    presence::Presence,
    queue::{Counters, QueueSettings, SettingValues},
    seats::{SeatSnapshot, Settlement},
};
use waitingroom_engine::{EngineError, JoinOutcome, SharedEngine, TickScope};

use super::sale::{Sale, at, node, opening, quick, user};
use crate::single_action::{Join, SingleAction};

pub(crate) async fn an_event_that_is_not_open_is_unknown(engine: SharedEngine) {
    let (event, now, ann) = (Uuid::new_v4().into(), Sale::START, user("ann"));
    let join = Join {
        event_id: event,
        user: ann.clone(),
        presence: Presence::Poll,
        ticket: None,
    };

    let settlement = [(Uuid::nil().into(), Settlement::Released)];
    let snapshot = SeatSnapshot::default();
    let unknown =
        |answer: Result<(), EngineError>| assert!(matches!(answer, Err(EngineError::UnknownEvent)));

    unknown(engine.status(event).await.map(drop));
    unknown(engine.configure(event, &quick()).await);
    unknown(engine.join(&join, now).await.map(drop));
    unknown(
        engine
            .resume(event, &ann, &Presence::Poll, now)
            .await
            .map(drop),
    );
    unknown(engine.detach(event, &ann, &node("n1"), now).await);
    unknown(engine.leave(event, &ann, now).await.map(drop));
    unknown(
        engine
            .acknowledge(event, &ann, &"p".parse().unwrap(), now)
            .await
            .map(drop),
    );
    unknown(engine.report_node(event, &node("n1"), now).await.map(drop));
    unknown(
        engine
            .release(event, "b", 1, Default::default(), TickScope::Full, now)
            .await
            .map(drop),
    );
    unknown(engine.settle(event, &settlement, now).await);
    unknown(
        engine
            .stale_holds(event, now, Duration::ZERO, 1)
            .await
            .map(drop),
    );
    unknown(engine.seats(event).await.map(drop));
    unknown(engine.begin_sync(event, now).await.map(drop));
    unknown(engine.load_seats(event, &snapshot, now).await);
    engine.remove(event).await.unwrap();

    assert_eq!(engine.events().await.unwrap(), []);
}

pub(crate) async fn opening_again_changes_nothing(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    sale.join("ann").await;

    let mut again = opening(
        QueueSettings {
            max_active: 7,
            ..quick()
        },
        sale.now(),
    );
    (again.epoch, again.sequence) = ("later".parse().unwrap(), 500);

    let epoch = sale
        .engine
        .open(sale.event, &again, sale.now())
        .await
        .unwrap();
    assert_eq!(epoch.as_str(), "now");

    let status = sale.status().await;
    assert_eq!((status.settings, status.epoch.as_str()), (quick(), "now"));
    assert_eq!(
        (status.sequence, status.total, status.seats_left),
        (1, 1, 100)
    );
}

pub(crate) async fn a_removed_event_is_forgotten(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    let other = Sale::open(sale.engine.clone(), quick()).await;
    let held = sale.hold("ann", 2).await;
    sale.join("bob").await;
    other.join("bob").await;
    sale.engine.remove(sale.event).await.unwrap();
    assert_eq!(sale.engine.events().await.unwrap(), [other.event]);
    assert!(matches!(
        sale.engine.status(sale.event).await,
        Err(EngineError::UnknownEvent)
    ));
    assert_eq!(other.status().await.total, 1);

    let mut again = opening(quick(), sale.now());
    again.epoch = "later".parse().unwrap();
    sale.engine
        .open(sale.event, &again, sale.now())
        .await
        .unwrap();
    let status = sale.status().await;
    assert_eq!(
        (
            status.sequence,
            status.total,
            status.active,
            status.seats_left
        ),
        (0, 0, 0, 0)
    );
    sale.settle(held.booking_id, Settlement::Released).await;
    assert_eq!(sale.seats_left().await, 0);
}

pub(crate) async fn settings_are_answered_as_they_were_given(engine: SharedEngine) {
    let sale = Sale::open(engine, quick()).await;
    // Every setting differs from its default, whichever there are.
    let largest: serde_json::Map<String, serde_json::Value> = QueueSettings::descriptions()
        .iter()
        .map(|setting| {
            let value = match setting.values {
                SettingValues::Choice(ref names) => names[names.len() - 1].into(),
                SettingValues::Integer { max, .. } => max.into(),
                SettingValues::Number { max, .. } => max.into(),
                SettingValues::Text { .. } => "Geduld\nbitte \u{1f3ab}".into(),
            };
            (setting.name.to_owned(), value)
        })
        .collect();
    let patch = serde_json::from_value(largest.into()).unwrap();
    let largest = quick().with(&patch).unwrap();
    let given = QueueSettings {
        rate_per_second: 0.1 + 0.2,
        grace_seconds: 0,
        ..largest.clone()
    };

    sale.configure(given.clone()).await;
    assert_eq!(sale.status().await.settings, given);
    assert_eq!(sale.release().await.progress.settings, given);
    sale.configure(largest.clone()).await;
    assert_eq!(sale.status().await.settings, largest);
    sale.configure(quick()).await;

    assert_eq!(sale.status().await.settings, quick());
}

pub(crate) async fn time_never_runs_backwards(engine: SharedEngine) {
    let settings = QueueSettings {
        rate_per_second: 1.0,
        burst: 1,
        ..QueueSettings::default()
    };
    let sale = Sale::open(engine, settings).await;

    for name in ["ann", "bob", "cem"] {
        sale.join(name).await;
    }

    assert_eq!(sale.release().await.granted.len(), 1);
    sale.wait(1_000).await;
    assert_eq!(
        sale.release().await.granted[0].payload.issued_at,
        sale.now()
    );
    sale.leap(-5_000);
    assert_eq!(sale.release().await.granted.len(), 0);
    sale.leap(5_000);
    assert_eq!(sale.release().await.granted.len(), 0);

    let JoinOutcome::Same(place) = sale.try_join("cem", Presence::Poll, None).await else {
        panic!("cem has a place")
    };
    assert_eq!(place.position, 1);
}

pub(crate) async fn counters_tell_what_happened(engine: SharedEngine) {
    let times = QueueSettings {
        claim_window_seconds: 5,
        pass_ttl_seconds: 20,
        grace_seconds: 100,
        ..quick()
    };
    let sale = Sale::open(engine, times.clone()).await;
    assert_eq!(sale.status().await.counters, Counters::default());
    for name in ["ann", "bob", "cid", "dan"] {
        sale.join(name).await;
    }
    sale.join("ann").await; // the same place
    sale.leave("dan").await;
    sale.leave("dan").await; // nothing any more
    let granted = sale.release().await.granted;
    sale.acknowledge("ann", &granted[0].payload).await;
    sale.hold("eve", 1).await; // joined, released, used
    let so_far = Counters {
        joined: 5,
        released: 4,
        left: 1,
        ..Counters::default()
    };
    let status = sale.status().await;
    assert_eq!((status.counters, status.absent), (so_far, 0));

    sale.wait(6_000).await; // bob and cid have not claimed theirs
    sale.release_at_most(0).await;
    let status = sale.status().await;
    assert_eq!(
        (status.counters, status.absent),
        (
            Counters {
                unclaimed: 2,
                ..so_far
            },
            2
        )
    );
    sale.wait(15_000).await; // ann has not used hers
    sale.release_at_most(0).await;
    sale.wait(100_000).await; // bob and cid have not come back
    sale.release_at_most(0).await;
    let counted = Counters {
        unclaimed: 2,
        expired: 1,
        dropped: 2,
        ..so_far
    };
    let status = sale.status().await;
    assert_eq!((status.counters, status.absent), (counted, 0));
    sale.engine
        .open(sale.event, &opening(times, sale.now()), sale.now())
        .await
        .unwrap();
    assert_eq!(
        sale.status().await.counters,
        counted,
        "opening an open line again begins nothing anew"
    );
}

pub(crate) async fn re_taken_places_count_as_joined(engine: SharedEngine) {
    let mut lost = opening(quick(), Sale::START);
    (lost.sequence, lost.head) = (500, 100);
    let sale = Sale::open_as(engine, &lost).await;
    sale.try_join("ann", at("n1"), Some(("earlier", 200))).await;
    sale.try_join("bob", at("n1"), Some(("earlier", 200))).await; // not twice: a new number
    sale.join("cid").await;
    assert_eq!(sale.status().await.counters.joined, 3);
}
