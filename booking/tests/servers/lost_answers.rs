//! The connection to the database ends in the middle of a commit: afterwards pass, seats and
//! booking agree.

use std::{sync::Arc, time::Duration};

use booking::store::postgres::PostgresStore;
use serde_json::json;

use crate::{
    app::{TestApp, admin},
    databases::own_database,
    interceptor::{Cut, Interceptor},
};

/// An app whose connection to the database is cut when `mallory` reserves.
async fn shop_behind(cut: Cut) -> (TestApp, Interceptor) {
    let direct = own_database().await;
    let (credentials, address_and_path) = direct
        .rsplit_once('@')
        .unwrap_or(("postgres://postgres", &direct));
    let (address, path) = address_and_path.split_once('/').unwrap();
    let address = if address.contains(':') {
        address.to_owned()
    } else {
        format!("{address}:5432")
    };

    let interceptor = Interceptor::start(address, "mallory", cut).await;
    let url = format!("{credentials}@127.0.0.1:{}/{path}", interceptor.port);
    let app = TestApp::open_on(Arc::new(PostgresStore::open(&url, 4).await.unwrap())).await;

    (app, interceptor)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_commit_with_lost_answer() {
    let (app, interceptor) = shop_behind(Cut::Answer).await;
    let pass = app.pass("mallory").await;

    interceptor.arm();
    let found = app.reserve("mallory", &pass, Some("k1"), 0, 2).await;

    assert!(interceptor.has_cut());
    assert_eq!(found.status, 201, "{found:?}");

    let again = app.reserve("mallory", &pass, Some("k1"), 0, 2).await;
    assert_eq!(
        (again.status.as_u16(), &again.body["booking_id"]),
        (201, &found.body["booking_id"]),
        "{again:?}"
    );
    app.clock.advance(Duration::from_secs(9));
    app.until_left(&[18, 2]).await;

    let drift = app.get("/admin/inventory-status", &admin()).await.body["drift"].clone();
    assert_eq!(drift, json!(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_commit_gets_tombstone_before_503() {
    let (app, interceptor) = shop_behind(Cut::Request).await;
    let pass = app.pass("mallory").await;

    interceptor.arm();
    let lost = app.reserve("mallory", &pass, Some("k1"), 0, 2).await;

    assert!(interceptor.has_cut());
    assert_eq!(
        (lost.status.as_u16(), lost.code()),
        (503, "UNAVAILABLE"),
        "{lost:?}"
    );
    assert_eq!(
        app.left().await,
        [20, 2],
        "seats and pass are back when the refusal is told"
    );

    let retry = app.reserve("mallory", &pass, Some("k1"), 0, 2).await;
    assert_eq!(retry.status, 201, "the pass is live again: {retry:?}");
}
