//! What only PostgreSQL can do to us.

use booking::store::{AsOf::Fixed, BookingStore, EventStore, postgres::PostgresStore};
use futures_util::future::join_all;
use sqlx::{Connection, PgConnection};

use crate::{
    databases::own_database,
    fixtures::{NOW, event, operator, reservation, stored_event},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_may_start_at_once() {
    let url = own_database().await;
    let opened = join_all((0..4).map(|_| PostgresStore::open(&url, 2))).await;
    for store in opened {
        store.unwrap().revision().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaces_closed_connections() {
    let url = own_database().await;
    let store = PostgresStore::open(&url, 4).await.unwrap();

    join_all((0..8).map(|_| store.revision())).await;
    let mut other = PgConnection::connect(&url).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";

    sqlx::query(end).execute(&mut other).await.unwrap();
    let mut failures = 0;

    while store.revision().await.is_err() {
        failures += 1;
        assert!(
            failures <= 4,
            "at most every connection of the pool fails once"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_rewrites_the_audit() {
    let url = own_database().await;
    let store: booking::store::SharedStore =
        std::sync::Arc::new(PostgresStore::open(&url, 2).await.unwrap());

    stored_event(&store, &[1]).await;
    let mut intruder = PgConnection::connect(&url).await.unwrap();

    for statement in [
        "UPDATE audit SET operator = 'nobody'",
        "DELETE FROM audit",
        "TRUNCATE audit",
    ] {
        let refused = sqlx::query(statement)
            .execute(&mut intruder)
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }

    assert_eq!(
        store.audit_records(None, i64::MAX, 9).await.unwrap().len(),
        1
    );
}

/// Whoever plans the sweep while the table is empty, once and for all, plans to read all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expiry_does_not_scan_grown_table() {
    let url = own_database().await;
    let store = PostgresStore::open(&url, 1).await.unwrap();
    let event = event(&[5_000]);

    store.create_event(&event, &operator(NOW)).await.unwrap();

    for _ in 0..10 {
        assert!(store.expire_due(Fixed(NOW), 500).await.unwrap().is_empty());
    }

    let rows: Vec<_> = (0..5_000)
        .map(|user| reservation(&event, 0, &format!("user-{user}"), 1))
        .collect();

    for batch in rows.chunks(200) {
        store.insert(batch).await.unwrap();
    }

    let mut other = PgConnection::connect(&url).await.unwrap();
    let (before, _) = scans_and_rows(&mut other).await;

    loop {
        assert!(store.expire_due(Fixed(NOW), 500).await.unwrap().is_empty());
        let (sweeps, rows_read) = scans_and_rows(&mut other).await;
        assert_eq!(rows_read, 0);
        if sweeps > before + 10 {
            return; // more than those on the empty table, which may be counted late
        }
    }
}

/// Looks into the index by time, and rows that were read without any index, as far as the server's
/// statistics know: they are late by a second.
async fn scans_and_rows(connection: &mut PgConnection) -> (i64, i64) {
    let counted = "SELECT indices.idx_scan, tables.seq_tup_read FROM pg_stat_user_indexes AS indices
        JOIN pg_stat_user_tables AS tables ON tables.relid = indices.relid WHERE indexrelname = 'bookings_due'";
    sqlx::query_as(counted).fetch_one(connection).await.unwrap()
}
