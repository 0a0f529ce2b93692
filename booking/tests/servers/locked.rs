//! Somebody keeps a zone's row locked, and is gone: that zone stands still, and nothing else does.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use booking::store::{
    AsOf::Fixed, BookingStore, EventStore, InsertOutcome, SharedStore, Transition,
    TransitionOutcome, postgres::PostgresStore,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    app::{TestApp, token},
    databases::own_database,
    fixtures::{NOW, counters, event, later, operator, reservation, transition_request},
};

/// The first statement on a locked zone, with that on each zone by itself.
const FIRST: Duration = Duration::from_millis(2_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_zone_delays_only_its_requests() {
    let url = own_database().await;
    let store = Arc::new(PostgresStore::open(&url, 8).await.unwrap());
    let [event, elsewhere] = [event(&[50, 50]), event(&[50])];
    for event in [&event, &elsewhere] {
        store.create_event(event, &operator(NOW)).await.unwrap();
    }
    let of = |user: &str| {
        // Of several users: those of one user wait for each other, since all count against their
        // limit.
        let [first, second] = [1, 2].map(|of_them| format!("{user}-{of_them}"));
        [
            reservation(&event, 0, &first, 1),
            reservation(&event, 1, &second, 1),
            reservation(&elsewhere, 0, &first, 1),
        ]
    };
    let (due, wished) = (of("due"), of("wished"));
    let mut over = due.clone();
    over.iter_mut()
        .for_each(|new| new.booking.expires_at = later(1));
    store.insert(&over).await.unwrap();
    store.insert(&wished).await.unwrap();
    let shared: SharedStore = store.clone();

    // As behind a pooler: nothing is sure of the session.
    let mut other = PgConnection::connect(&url).await.unwrap();
    let forget = "DO $$ BEGIN EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET ALL', current_user, current_database()); END $$";
    sqlx::raw_sql(forget).execute(&mut other).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(end).execute(&mut other).await.unwrap();
    while shared.revision().await.is_err() {}
    let mut lock = other.begin().await.unwrap();
    let frozen = event.shows[0].zones[0].zone_id;
    let statement = format!("UPDATE zones SET name = name WHERE zone_id = '{frozen}'");
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut *lock)
        .await
        .unwrap();

    let began = Instant::now();
    let first = store.insert(&of("first")).await.unwrap();
    assert_eq!(
        first,
        [
            InsertOutcome::Unavailable,
            InsertOutcome::Stored,
            InsertOutcome::Stored
        ]
    );
    assert!(began.elapsed() < FIRST, "{:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(
        store.insert(&of("second")).await.unwrap(),
        [
            InsertOutcome::Unavailable,
            InsertOutcome::Stored,
            InsertOutcome::Stored
        ]
    );
    assert!(
        began.elapsed() < Duration::from_millis(450),
        "it is known by now: {:?}",
        began.elapsed()
    );

    let wishes: Vec<_> = wished
        .iter()
        .map(|new| transition_request(new, Transition::Confirm))
        .collect();
    let outcomes = store.apply_transitions(&wishes, Fixed(NOW)).await.unwrap();
    assert!(
        matches!(
            &outcomes[..],
            [
                TransitionOutcome::Unavailable,
                TransitionOutcome::Changed(_),
                TransitionOutcome::Changed(_)
            ]
        ),
        "{outcomes:?}"
    );
    let mut expired = Vec::new();
    while expired.len() < 2 {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "only {expired:?} have expired"
        );
        expired.extend(
            store
                .expire_due(Fixed(later(2)), 10)
                .await
                .unwrap()
                .into_iter()
                .map(|booking| booking.booking_id),
        );
    }
    assert!(
        !expired.contains(&due[0].booking.booking_id),
        "its zone is locked"
    );

    lock.rollback().await.unwrap();
    while store
        .expire_due(Fixed(later(2)), 10)
        .await
        .unwrap()
        .is_empty()
    {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the zone is free again"
        );
    }
    let outcomes = store
        .apply_transitions(&wishes[..1], Fixed(NOW))
        .await
        .unwrap();
    assert!(
        matches!(&outcomes[..], [TransitionOutcome::Changed(_)]),
        "{outcomes:?}"
    );
    assert_eq!(
        store.insert(&of("third")).await.unwrap(),
        [InsertOutcome::Stored; 3]
    );
    assert_eq!(counters(&shared, &event, 0).await, (1, 1));
    assert_eq!(counters(&shared, &event, 1).await, (3, 1));
}

/// A new session has the limits without a word from booking: those that a pooler opens have them
/// too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_get_limits_from_role() {
    let url = own_database().await;
    PostgresStore::open(&url, 2).await.unwrap();

    let mut session = PgConnection::connect(&url).await.unwrap();
    for (setting, expected) in [
        ("statement_timeout", "2s"),
        ("lock_timeout", "1s"),
        ("idle_in_transaction_session_timeout", "2s"),
    ] {
        let value = sqlx::query_scalar::<_, String>("SELECT current_setting($1)").bind(setting);
        assert_eq!(
            value.fetch_one(&mut session).await.unwrap(),
            expected,
            "{setting}"
        );
    }
}

/// They have connections of their own, too, and as few requests as one user may have wait for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_one_user_are_few_at_once() {
    let url = own_database().await;
    let store = PostgresStore::open(&url, 4).await.unwrap();
    let app = Arc::new(TestApp::open_on(Arc::new(store)).await);
    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut lock = other.begin().await.unwrap();

    sqlx::raw_sql("LOCK TABLE bookings IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .unwrap();

    let reads = (0..8).map(|_| {
        let app = Arc::clone(&app);
        tokio::spawn(async move { app.get("/bookings", &token("ann")).await })
    });
    let answers = futures_util::future::join_all(reads).await;
    let refused: Vec<_> = answers
        .iter()
        .map(|a| a.as_ref().unwrap())
        .filter(|a| a.code() == "RATE_LIMITED")
        .collect();

    assert_eq!(refused.len(), 4, "{answers:?}");
    assert!(
        refused
            .iter()
            .all(|answer| answer.status == 429 && answer.retry_after.is_some())
    );
    lock.rollback().await.unwrap();

    assert_eq!(app.get("/bookings", &token("ann")).await.status, 200);
}
