//! Two instances on one database and one engine.

use std::sync::Arc;

use booking::store::SharedStore;
use futures_util::{StreamExt, future::join_all, stream};
use serde_json::{Value, json};

use crate::{
    databases,
    shop::{Shop, admin, token},
};

async fn two_instances() -> [Shop; 2] {
    let store: SharedStore = databases::postgres().await;
    let first = Shop::open_on(store).await;
    let second = first.restarted(Arc::clone(&first.engine)).await;
    [first, second]
}

fn path(booking: &Value, verb: &str) -> String {
    format!("/bookings/{}/{verb}", booking["booking_id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_over_two_instances_leaves_no_drift() {
    let shops = two_instances().await;
    let mut passes = Vec::new();
    for number in 0..60 {
        passes.push((format!("u{number}"), shops[0].pass(&format!("u{number}")).await));
    }
    // Each user at both instances at once, with one key: one booking each.
    let both = |(user, pass): (String, String)| {
        let shops = &shops;
        async move {
            let zone = usize::from(user.ends_with('7'));
            let [one, other] = &shops;
            let answers = join_all([one, other].map(|shop| shop.reserve(&user, &pass, Some("k"), zone, 1))).await;
            (user, answers)
        }
    };
    let answers: Vec<_> = stream::iter(passes).map(both).buffer_unordered(30).collect().await;
    let mut bookings = Vec::new();
    for (user, answers) in answers {
        let codes: Vec<_> = answers.iter().map(|answer| (answer.status.as_u16(), answer.code().to_owned())).collect();
        assert!(codes[0].0 == codes[1].0, "both answers are the same: {codes:?}");
        match codes[0].0 {
            201 => {
                assert_eq!(answers[0].body["booking_id"], answers[1].body["booking_id"]);
                bookings.push((user, answers[0].body.clone()));
            }
            _ => assert_eq!(codes[0].1, "INSUFFICIENT_SEATS"),
        }
    }
    assert_eq!(bookings.len(), 22, "20 seats in one zone, 2 in the other");
    // Confirm here and cancel there, at once: one of them wins.
    let decide = |(user, booking): &(String, Value)| {
        let (user, booking, shops) = (user.clone(), booking.clone(), &shops);
        async move {
            let user = token(&user);
            let (confirm, cancel) = (path(&booking, "confirm"), path(&booking, "cancel"));
            let answers = [shops[0].post(&confirm, &user), shops[1].post(&cancel, &user)];
            join_all(answers).await.iter().map(|answer| answer.status.as_u16()).collect::<Vec<_>>()
        }
    };
    for answers in join_all(bookings.iter().map(decide)).await {
        assert!(answers == [200, 409] || answers == [409, 200], "{answers:?}");
    }
    let status = shops[1].get("/admin/inventory-status", &admin()).await.body;
    assert_eq!(status["drift"], json!(0), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_at_one_instance_reaches_the_other() {
    let [first, second] = two_instances().await;
    let queue = format!("/admin/events/{}/queue", first.event);
    let put = first.send("PUT", &queue, Some(&admin()), &[], Some(json!({"state": "closed"}))).await;
    assert_eq!(put.status, 200);
    let follows = async {
        while second.get(&queue, &admin()).await.body["state"] != "closed" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), follows).await.expect("the other instance follows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_in_the_middle_of_a_sale_loses_nothing() {
    let shops = two_instances().await;
    let mut passes = Vec::new();
    for number in 0..20 {
        passes.push((format!("u{number}"), shops[0].pass(&format!("u{number}")).await));
    }
    let buy = |(number, (user, pass)): (usize, (String, String))| {
        let shop = &shops[number % 2];
        async move {
            loop {
                let answer = shop.reserve(&user, &pass, Some("k"), 0, 1).await;
                match answer.status.as_u16() {
                    503 => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                    _ => return (user, answer),
                }
            }
        }
    };
    let sales = stream::iter(passes).enumerate().map(buy).buffer_unordered(4).collect::<Vec<_>>();
    let syncs = async {
        for number in 0..6 {
            let synced = shops[number % 2].post("/admin/sync-inventory", &admin()).await;
            assert_eq!(synced.status, 200, "{synced:?}");
        }
    };
    let (sales, ()) = futures_util::future::join(sales, syncs).await;
    assert!(sales.iter().all(|(_, answer)| answer.status == 201));
    let cancels = sales.iter().map(|(user, answer)| {
        let (user, path) = (token(user), path(&answer.body, "cancel"));
        let shop = &shops[0];
        async move { shop.post(&path, &user).await.status }
    });
    let (cancelled, _) =
        futures_util::future::join(join_all(cancels), shops[1].post("/admin/sync-inventory", &admin())).await;
    assert!(cancelled.iter().all(|status| *status == 200));
    let status = shops[1].get("/admin/inventory-status", &admin()).await.body;
    assert_eq!(status["drift"], json!(0), "{status}");
    assert_eq!(shops[0].left().await, [20, 2]);
}
