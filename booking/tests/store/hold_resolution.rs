//! Holds of which nobody knows whether they are bookings, and the clock that decides when they end.

use std::time::Duration;

use booking::{
    model::booking::{NewBooking, Status},
    store::{
        AsOf, BookingStore, EventStore, HoldResolution, InsertOutcome, SharedStore, Transition,
        TransitionOutcome, postgres::PostgresStore,
    },
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;
use waitingroom_domain::ids::BookingId;

use super::{
    databases::own_database,
    fixtures::{
        NOW, counters, event, messages, operator, reservation, status, stored_event,
        transition_request, with_key,
    },
};

pub(crate) async fn missing_booking_gets_tombstone(store: SharedStore) {
    let event = stored_event(&store, &[10]).await;
    let lost = with_key(reservation(&event, 0, "ann", 2), "k1", "f1");
    let (id, user) = (lost.booking.booking_id, lost.booking.user.clone());
    for _ in 0..2 {
        let resolutions = store.resolve_holds(event.event_id, &[id]).await.unwrap();
        assert_eq!(resolutions.get(&id), Some(&HoldResolution::Void));
    }

    // It is nothing that anybody sees.
    assert_eq!(store.booking(id).await.unwrap(), None);
    assert_eq!(
        store
            .apply_transitions(
                &[transition_request(&lost, Transition::Confirm)],
                AsOf::Fixed(NOW)
            )
            .await
            .unwrap(),
        [TransitionOutcome::NotFound]
    );
    assert!(!store.pass_is_used(&lost.pass_id).await.unwrap());
    assert_eq!(store.list(&user, None, 10, 0).await.unwrap().total, 0);
    assert!(store.summary(&user, None, NOW).await.unwrap().is_empty());
    assert!(
        store
            .expire_due(AsOf::Fixed(NOW.plus(Duration::from_secs(1 << 40))), 10)
            .await
            .unwrap()
            .is_empty()
    );
    let snapshot = store.snapshot(event.event_id).await.unwrap();
    assert!(snapshot.holds.is_empty() && snapshot.users.is_empty());
    assert_eq!(
        (
            messages(&store).await.len(),
            counters(&store, &event, 0).await
        ),
        (0, (0, 0))
    );

    // What comes late finds its place taken, with its neighbours or alone; the pass and the key are
    // as good as new.
    let neighbour = reservation(&event, 0, "bob", 1);
    let answers = store.insert(&[lost.clone(), neighbour]).await.unwrap();
    assert_eq!(answers, [InsertOutcome::Duplicate, InsertOutcome::Stored]);
    assert_eq!(
        store.insert(std::slice::from_ref(&lost)).await.unwrap(),
        [InsertOutcome::Duplicate]
    );
    let again = with_key(reservation(&event, 0, "ann", 2), "k1", "f1");
    let again = NewBooking {
        pass_id: lost.pass_id.clone(),
        ..again
    };
    assert_eq!(
        store.insert(std::slice::from_ref(&again)).await.unwrap(),
        [InsertOutcome::Stored]
    );
    assert_eq!(
        (
            messages(&store).await.len(),
            counters(&store, &event, 0).await
        ),
        (2, (3, 0))
    );
    store.reset().await.unwrap();
}

pub(crate) async fn existing_booking_gets_no_tombstone(store: SharedStore) {
    let event = stored_event(&store, &[10]).await;
    let [kept, bought] = ["ann", "bob"].map(|user| reservation(&event, 0, user, 1));
    let lost = reservation(&event, 0, "cat", 1);

    store.insert(&[kept.clone(), bought.clone()]).await.unwrap();
    store
        .apply_transitions(
            &[transition_request(&bought, Transition::Confirm)],
            AsOf::Fixed(NOW),
        )
        .await
        .unwrap();

    let ids = [&kept, &lost, &bought].map(|new| new.booking.booking_id);
    let resolutions = store.resolve_holds(event.event_id, &ids).await.unwrap();
    let expected = [
        HoldResolution::Booked(Status::Reserved),
        HoldResolution::Void,
        HoldResolution::Booked(Status::Confirmed),
    ];

    assert_eq!(ids.map(|id| resolutions[&id]), expected);
    assert_eq!(counters(&store, &event, 0).await, (1, 1));
}

/// The caller says when a hold ends, the database when that is.
pub(crate) async fn database_clock_decides_expiry(store: SharedStore) {
    let event = stored_event(&store, &[10]).await;
    let now = store.time().await.unwrap();
    let until = |user: &str, seconds: i64| {
        let mut new = reservation(&event, 0, user, 1);
        new.booking.expires_at =
            waitingroom_domain::clock::Timestamp::from_millis(now.millis() + seconds * 1_000);
        new
    };

    let [over, live] = [until("ann", -1), until("bob", 600)];
    store.insert(&[over.clone(), live.clone()]).await.unwrap();

    let outcomes = store
        .apply_transitions(
            &[transition_request(&over, Transition::Confirm)],
            AsOf::Database,
        )
        .await
        .unwrap();
    assert!(
        matches!(&outcomes[..], [TransitionOutcome::Unchanged(booking)] if booking.status == Status::Reserved),
        "{outcomes:?}"
    );

    let expired = store.expire_due(AsOf::Database, 10).await.unwrap();
    let expired: Vec<BookingId> = expired.iter().map(|booking| booking.booking_id).collect();

    assert_eq!(expired, [over.booking.booking_id]);
    let outcomes = store
        .apply_transitions(
            &[transition_request(&live, Transition::Confirm)],
            AsOf::Database,
        )
        .await
        .unwrap();

    let [TransitionOutcome::Changed(booking)] = &outcomes[..] else {
        panic!("{outcomes:?}")
    };
    let late = booking.confirmed_at.unwrap().since(now);

    assert!(
        late < Duration::from_secs(60),
        "{late:?} after the database's own time"
    );
}

/// A commit that hangs, as one that waits for a standby does, is waited for; those beside it are
/// not kept from their fate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_in_flight_is_resolved_later() {
    for commits in [true, false] {
        let url = own_database().await;
        let store = PostgresStore::open(&url, 2).await.unwrap();
        let event = event(&[10]);
        store.create_event(&event, &operator(NOW)).await.unwrap();
        let made: Vec<_> = (0..9)
            .map(|user| reservation(&event, 0, &format!("u{user}"), 1))
            .collect();
        let ids: Vec<_> = made.iter().map(|new| new.booking.booking_id).collect();
        let hanging = ids[5];

        let mut other = PgConnection::connect(&url).await.unwrap();
        let mut commit = other.begin().await.unwrap();
        let insert = "INSERT INTO bookings (booking_id, event_id, show_id, zone_id, user_id, quantity, unit_price, currency, status,
                pass_jti, created_at_ms, expires_at_ms)
            VALUES ($1, $2, $2, $3, 'u5', 1, 1, 'EUR', 'reserved', $4, 1, 2)";
        let zone = event.shows[0].zones[0].zone_id.uuid();
        let insert = sqlx::query(insert)
            .bind(hanging.uuid())
            .bind(event.event_id.uuid())
            .bind(zone);
        insert
            .bind(Uuid::new_v4().to_string())
            .execute(&mut *commit)
            .await
            .unwrap();

        let resolutions = store.resolve_holds(event.event_id, &ids).await.unwrap();
        assert_eq!(resolutions.get(&hanging), None, "nobody knows yet");
        assert_eq!(
            resolutions
                .values()
                .filter(|fate| **fate == HoldResolution::Void)
                .count(),
            8,
            "{resolutions:?}"
        );
        if commits {
            commit.commit().await.unwrap();
        } else {
            commit.rollback().await.unwrap();
        }
        let resolutions = store.resolve_holds(event.event_id, &ids).await.unwrap();
        let expected = if commits {
            HoldResolution::Booked(Status::Reserved)
        } else {
            HoldResolution::Void
        };
        assert_eq!(
            (resolutions.get(&hanging), resolutions.len()),
            (Some(&expected), 9)
        );
    }
}

#[tokio::test]
async fn sqlite_writer_survives_failed_commit() {
    let (store, file) = super::databases::sqlite_file().await;
    let event = stored_event(&store, &[10]).await;
    let mut vandal = sqlx::SqliteConnection::connect(&file.url()).await.unwrap();
    let broken =
        "CREATE TABLE broken (id INTEGER PRIMARY KEY, of INTEGER REFERENCES broken (id) DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER breaks AFTER INSERT ON bookings BEGIN INSERT INTO broken (of) VALUES (-1); END";

    sqlx::raw_sql(broken).execute(&mut vandal).await.unwrap();
    let first = reservation(&event, 0, "ann", 1);

    store
        .insert(std::slice::from_ref(&first))
        .await
        .unwrap_err();
    sqlx::raw_sql("DROP TRIGGER breaks")
        .execute(&mut vandal)
        .await
        .unwrap();

    for user in ["bob", "cat"] {
        let next = reservation(&event, 0, user, 1);
        assert_eq!(
            store.insert(std::slice::from_ref(&next)).await.unwrap(),
            [InsertOutcome::Stored]
        );
        assert_eq!(
            status(&store, next.booking.booking_id).await,
            Status::Reserved
        );
    }

    assert_eq!(store.booking(first.booking.booking_id).await.unwrap(), None);
    assert_eq!(counters(&store, &event, 0).await, (2, 0));
}
