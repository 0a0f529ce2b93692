//! PostgreSQL that answers and cannot be written: known within seconds, told at once, and nobody's
//! hold runs out by it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use booking::store::{EventStore, Heartbeat, SharedStore, postgres::PostgresStore};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;
use waitingroom_engine::memory::InMemoryEngine;

use crate::{
    app::{TestApp, token},
    databases::own_database,
    instances::path,
};

async fn run(connection: &mut PgConnection, statement: String) {
    sqlx::query(AssertSqlSafe(statement))
        .execute(connection)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeat_fails_while_table_is_locked() {
    let url = own_database().await;
    let store = PostgresStore::open(&url, 2).await.unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();

    run(
        &mut other,
        "SET idle_in_transaction_session_timeout = 0".into(),
    )
    .await; // booking has the server end such transactions

    for table in ["bookings", "zones", "outbox", "heartbeat"] {
        let mut lock = other.begin().await.unwrap();
        run(&mut lock, format!("LOCK TABLE {table} IN SHARE MODE")).await;
        let began = Instant::now();
        assert!(store.write_heartbeat().await.is_err(), "{table}");
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{table}: the server gave up"
        );
        assert!(store.revision().await.is_ok(), "it can be read");
        lock.rollback().await.unwrap();
        while store
            .write_heartbeat()
            .await
            .unwrap()
            .is_some_and(|outage| outage.to < outage.from)
        {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeat_fails_without_write_rights() {
    let url = own_database().await;
    drop(PostgresStore::open(&url, 1).await.unwrap());

    let mut owner = PgConnection::connect(&url).await.unwrap();
    let role = format!("r{}", Uuid::new_v4().simple());

    run(&mut owner, format!("CREATE ROLE {role} LOGIN")).await;
    run(
        &mut owner,
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"),
    )
    .await;

    let store = PostgresStore::open(&url.replace("postgres@", &format!("{role}@")), 1)
        .await
        .unwrap();
    store.write_heartbeat().await.unwrap();

    for (right, table) in [
        ("INSERT", "bookings"),
        ("UPDATE", "zones"),
        ("INSERT", "outbox"),
        ("UPDATE", "heartbeat"),
    ] {
        run(&mut owner, format!("REVOKE {right} ON {table} FROM {role}")).await;
        assert!(store.write_heartbeat().await.is_err(), "{right} {table}");
        run(&mut owner, format!("GRANT {right} ON {table} TO {role}")).await;
        store.write_heartbeat().await.unwrap();
    }

    run(
        &mut owner,
        format!("ALTER ROLE {role} SET default_transaction_read_only = on"),
    )
    .await;
    run(
        &mut owner,
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"),
    )
    .await;

    for _ in 0..3 {
        assert!(
            store.write_heartbeat().await.is_err(),
            "the connection that was ended, and one that may only read"
        );
    }

    run(
        &mut owner,
        format!("ALTER ROLE {role} RESET default_transaction_read_only"),
    )
    .await;
    store
        .write_heartbeat()
        .await
        .expect("over a new connection");
    drop(store);

    run(&mut owner, format!("DROP OWNED BY {role}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hold_outlives_longer_outage() {
    let url = own_database().await;
    let store: SharedStore = Arc::new(PostgresStore::open(&url, 4).await.unwrap());
    let app = TestApp::open_with(store, Arc::new(InMemoryEngine::new())).await;
    let (held, left_alone) = (
        app.reserved("ann", 0, 2).await,
        app.reserved("bob", 0, 1).await,
    );
    let pass = app.pass("cy").await;
    let mut other = PgConnection::connect(&url).await.unwrap();

    // Booking has the server end such transactions of its role.
    run(
        &mut other,
        "SET idle_in_transaction_session_timeout = 0".into(),
    )
    .await;

    let mut lock = other.begin().await.unwrap();
    run(&mut lock, "LOCK TABLE bookings IN SHARE MODE".into()).await;

    let at_once = async {
        loop {
            let asked = Instant::now();
            let answer = app.reserve("cy", &pass, Some("k"), 0, 1).await;
            assert_eq!(answer.status, 503, "{answer:?}");
            if asked.elapsed() < Duration::from_millis(100) {
                break answer;
            }
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(6), at_once)
        .await
        .expect("refused at once");

    assert_eq!(answer.retry_after.as_deref(), Some("1"));
    app.clock.advance(Duration::from_secs(601));
    assert_eq!(
        app.post(&path(&held, "confirm"), &token("ann"))
            .await
            .status,
        503
    );

    // As if it had begun earlier: the last write is longer ago.
    let mut third = PgConnection::connect(&url).await.unwrap();
    run(
        &mut third,
        "UPDATE heartbeat SET beat_at_ms = beat_at_ms - 5000".into(),
    )
    .await;
    lock.rollback().await.unwrap();

    let over = Instant::now();
    let confirmed = async {
        loop {
            let answer = app.post(&path(&held, "confirm"), &token("ann")).await;
            if answer.status != 503 {
                break answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };

    let confirmed = tokio::time::timeout(Duration::from_secs(10), confirmed)
        .await
        .expect("it recovers by itself");
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    println!("confirmed {:?} after the outage", over.elapsed());

    let after = app
        .get(
            &format!("/bookings/{}", left_alone["booking_id"].as_str().unwrap()),
            &token("bob"),
        )
        .await
        .body;
    assert!(
        after["expires_at"].as_str().unwrap() > left_alone["expires_at"].as_str().unwrap(),
        "{after}"
    );

    // Given back, not given away: it ends.
    app.clock.advance(Duration::from_secs(60));
    app.until_left(&[18, 2]).await;
}
