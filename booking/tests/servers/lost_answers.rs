//! The connection to the database ends in the middle of a commit: afterwards pass, seats and
//! booking agree.

use std::{sync::Arc, time::Duration};

use booking::store::postgres::PostgresStore;
use serde_json::json;

use crate::{
    databases::own_database,
    interceptor::{Cut, Interceptor},
    shop::{Shop, admin},
};

/// A shop whose connection to the database is cut when `mallory` reserves.
async fn shop_behind(cut: Cut) -> (Shop, Interceptor) {
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
    let shop = Shop::open_on(Arc::new(PostgresStore::open(&url, 4).await.unwrap())).await;
    (shop, interceptor)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_found_and_told() {
    let (shop, interceptor) = shop_behind(Cut::Answer).await;
    let pass = shop.pass("mallory").await;
    interceptor.arm();
    let found = shop.reserve("mallory", &pass, Some("k1"), 0, 2).await;
    assert!(interceptor.has_cut());
    assert_eq!(found.status, 201, "{found:?}");
    let again = shop.reserve("mallory", &pass, Some("k1"), 0, 2).await;
    assert_eq!(
        (again.status.as_u16(), &again.body["booking_id"]),
        (201, &found.body["booking_id"]),
        "{again:?}"
    );
    shop.clock.advance(Duration::from_secs(9));
    shop.until_left(&[18, 2]).await;
    let drift = shop.get("/admin/inventory-status", &admin()).await.body["drift"].clone();
    assert_eq!(drift, json!(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_never_arrived_is_made_impossible_before_it_is_refused() {
    let (shop, interceptor) = shop_behind(Cut::Request).await;
    let pass = shop.pass("mallory").await;
    interceptor.arm();
    let lost = shop.reserve("mallory", &pass, Some("k1"), 0, 2).await;
    assert!(interceptor.has_cut());
    assert_eq!(
        (lost.status.as_u16(), lost.code()),
        (503, "UNAVAILABLE"),
        "{lost:?}"
    );
    assert_eq!(
        shop.left().await,
        [20, 2],
        "seats and pass are back when the refusal is told"
    );
    let retry = shop.reserve("mallory", &pass, Some("k1"), 0, 2).await;
    assert_eq!(retry.status, 201, "the pass is live again: {retry:?}");
}
