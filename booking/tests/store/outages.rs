//! The heartbeat, and time that is given back.

use std::time::Duration;

use booking::{
    model::booking::{Booking, NewBooking},
    store::{AsOf::Fixed, Outage, SharedStore, Transition},
};
use sqlx::{Connection, Executor, SqliteConnection};
use waitingroom_domain::clock::Timestamp;

use super::databases::sqlite_file;
use super::fixtures::{NOW, later, reservation, stored_event, transition_request};
use crate::wait::eventually;

async fn found(store: &SharedStore, new: &NewBooking) -> Booking {
    store
        .booking(new.booking.booking_id)
        .await
        .unwrap()
        .unwrap()
}

async fn all_given_back(store: &SharedStore, from: Timestamp, to: Timestamp) -> u64 {
    let mut holds = 0;
    loop {
        let prolonged = store.extend_holds(Outage { from, to }).await.unwrap();
        holds += prolonged.holds;
        if prolonged.is_complete {
            return holds;
        }
    }
}

pub(crate) async fn regular_heartbeats_owe_nothing(store: SharedStore) {
    for _ in 0..5 {
        assert_eq!(store.write_heartbeat().await.unwrap(), None);
    }
}

pub(crate) async fn outage_is_owed_until_holds_extended(store: SharedStore) {
    let event = stored_event(&store, &[10]).await;
    let now = waitingroom_domain::clock::Clock::System.now();
    let mut held = reservation(&event, 0, "ann", 1);

    (held.booking.created_at, held.booking.expires_at) = (now, now.plus(Duration::from_secs(1)));
    store.insert(std::slice::from_ref(&held)).await.unwrap();
    assert_eq!(store.write_heartbeat().await.unwrap(), None);

    // The database's clock decides, and it has been read after the heartbeat was written.
    let written = store.time().await.unwrap();
    eventually(
        "an outage, which is longer than three seconds",
        async || {
            let gap = store.time().await.unwrap().since(written);
            (gap > Duration::from_secs(3)).then_some(())
        },
    )
    .await;

    let outage = store
        .write_heartbeat()
        .await
        .unwrap()
        .expect("nobody wrote for more than three seconds");
    assert!(outage.to.since(outage.from) > Duration::from_secs(3));
    assert_eq!(
        store.write_heartbeat().await.unwrap(),
        Some(outage),
        "also by whoever comes next"
    );
    assert_eq!(all_given_back(&store, outage.from, outage.to).await, 1);
    assert_eq!(store.write_heartbeat().await.unwrap(), None);

    let ends = found(&store, &held).await.expires_at;
    assert!(
        ends > outage.to && ends <= held.booking.expires_at.plus(outage.to.since(outage.from)),
        "{ends}"
    );
    assert_eq!(
        store.expire_due(Fixed(outage.to), 10).await.unwrap().len(),
        0
    );
}

pub(crate) async fn holds_are_extended_by_outage(store: SharedStore) {
    let event = stored_event(&store, &[100]).await;
    let hold = |user: &str, created: u64, ends: u64| {
        let mut new = reservation(&event, 0, user, 1);
        (new.booking.created_at, new.booking.expires_at) = (later(created), later(ends));
        new
    };

    let (through, ended, during) = (
        hold("through", 0, 70),
        hold("ended", 0, 50),
        hold("during", 60, 120),
    );
    let (within, bought) = (hold("within", 0, 55), hold("bought", 0, 600));
    let made = [
        through.clone(),
        ended.clone(),
        during.clone(),
        within.clone(),
        bought.clone(),
    ];

    store.insert(&made).await.unwrap();
    store
        .apply_transitions(
            &[transition_request(&bought, Transition::Confirm)],
            Fixed(NOW),
        )
        .await
        .unwrap();
    assert_eq!(all_given_back(&store, later(50), later(80)).await, 3);
    assert_eq!(
        all_given_back(&store, later(50), later(80)).await,
        0,
        "once"
    );

    let ends = |new: NewBooking| {
        let store = store.clone();
        async move { found(&store, &new).await.expires_at }
    };
    assert_eq!(ends(through.clone()).await, later(100));
    assert_eq!(ends(ended).await, later(50), "before it began");
    assert_eq!(ends(during).await, later(140), "it was made in the middle");
    assert_eq!(ends(within).await, later(85));
    assert_eq!(ends(bought).await, later(600));
    // An outage that went on before all was given back.
    assert_eq!(all_given_back(&store, later(50), later(90)).await, 3);
    assert_eq!(ends(through.clone()).await, later(110));
    // Ten minutes at most.
    assert_eq!(all_given_back(&store, later(91), later(2_000)).await, 3);
    assert_eq!(ends(through.clone()).await, later(70 + 600));
    assert_eq!(all_given_back(&store, later(2_000), later(3_000)).await, 0);

    let confirmed = store
        .apply_transitions(
            &[transition_request(&through, Transition::Confirm)],
            Fixed(later(669)),
        )
        .await
        .unwrap();
    assert!(
        matches!(
            confirmed.as_slice(),
            [booking::store::TransitionOutcome::Changed(_)]
        ),
        "{confirmed:?}"
    );
}

pub(crate) async fn instances_extend_holds_once(store: SharedStore) {
    let event = stored_event(&store, &[20_000]).await;
    let made: Vec<_> = (0..6_000)
        .map(|user| reservation(&event, 0, &format!("u{user}"), 1))
        .collect();

    for batch in made.chunks(100) {
        store.insert(batch).await.unwrap();
    }

    let many = futures_util::future::join_all(
        (0..3).map(|_| all_given_back(&store, later(10), later(40))),
    )
    .await;
    assert_eq!(many.iter().sum::<u64>(), 6_000, "{many:?}");

    let snapshot = store.snapshot(event.event_id).await.unwrap();
    assert!(
        snapshot
            .holds
            .iter()
            .all(|hold| hold.expires_at == later(630))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_outage_ends_when_lock_is_free() {
    let (store, file) = sqlite_file().await;
    assert_eq!(store.write_heartbeat().await.unwrap(), None);
    let written = store.time().await.unwrap();

    let mut other = SqliteConnection::connect(&file.url()).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();

    // A write waits for the lock for two seconds at most.
    let gap_exceeds = async |seconds: u64| {
        eventually("time without a write", async || {
            let gap = store.time().await.unwrap().since(written);
            (gap > Duration::from_secs(seconds)).then_some(())
        })
        .await;
    };
    gap_exceeds(2).await;
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.write_heartbeat().await }
    });
    gap_exceeds(3).await;

    let released = store.time().await.unwrap();
    other.execute("COMMIT").await.unwrap();

    let outage = waiting.await.unwrap().unwrap().unwrap();
    assert!(
        outage.to >= released,
        "{} before {released}: the time of the wait is not given back",
        outage.to
    );
}
