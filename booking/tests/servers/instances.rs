//! Two instances on one database and one engine.

use std::sync::Arc;

use booking::store::SharedStore;
use futures_util::{StreamExt, future::join_all, stream};
use serde_json::{Value, json};
use waitingroom_engine::{
    SharedEngine, memory::InMemoryEngine, redis::RedisEngine, redis_connection::RedisServers,
};

use crate::{
    app::{TestApp, admin, token},
    databases,
};

macro_rules! with_each_engine {
    ($($name:ident,)*) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::two_instances(std::sync::Arc::new(super::InMemoryEngine::new())).await).await;
            })*
        }
        mod in_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::two_instances(super::redis().await).await).await;
            })*
        }
    };
}

with_each_engine! {
    two_instances_leave_no_drift,
    change_reaches_other_instance,
    availability_reaches_other_instance,
    dashboard_counts_other_instance,
    rebuild_during_sale_loses_nothing,
    a_hold_ends_once_whoever_sweeps,
    rebuilds_lost_engine_while_running,
}

pub(crate) async fn redis() -> SharedEngine {
    let url = std::env::var("STANCHION_TEST_REDIS_URL").expect(
        "STANCHION_TEST_REDIS_URL is not set: run `make test`, or tests/services/run COMMAND",
    );
    let prefix = format!("t{}:", uuid::Uuid::new_v4().simple());
    let servers = RedisServers::parse(&url).unwrap();
    Arc::new(RedisEngine::connect(&servers, &prefix).await.unwrap())
}

pub(crate) async fn two_instances(engine: SharedEngine) -> [TestApp; 2] {
    let store: SharedStore = databases::postgres().await;
    let first = TestApp::open_with(store, engine).await;
    let second = first.restarted(Arc::clone(&first.engine)).await;
    [first, second]
}

pub(crate) fn path(booking: &Value, transition: &str) -> String {
    format!(
        "/bookings/{}/{transition}",
        booking["booking_id"].as_str().unwrap()
    )
}

async fn two_instances_leave_no_drift(apps: [TestApp; 2]) {
    let mut passes = Vec::new();
    for number in 0..60 {
        passes.push((
            format!("u{number}"),
            apps[0].pass(&format!("u{number}")).await,
        ));
    }

    // Each user at both instances at once, with one key: one booking each.
    let both = |(user, pass): (String, String)| {
        let apps = &apps;
        async move {
            let zone = usize::from(user.ends_with('7'));
            let [one, other] = &apps;
            let answers =
                join_all([one, other].map(|app| app.reserve(&user, &pass, Some("k"), zone, 1)))
                    .await;
            (user, answers)
        }
    };
    let answers: Vec<_> = stream::iter(passes)
        .map(both)
        .buffer_unordered(30)
        .collect()
        .await;

    let mut bookings = Vec::new();
    for (user, answers) in answers {
        let codes: Vec<_> = answers
            .iter()
            .map(|answer| (answer.status.as_u16(), answer.code().to_owned()))
            .collect();
        assert!(
            codes[0].0 == codes[1].0,
            "both answers are the same: {codes:?}"
        );
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
        let (user, booking, apps) = (user.clone(), booking.clone(), &apps);
        async move {
            let user = token(&user);
            let (confirm, cancel) = (path(&booking, "confirm"), path(&booking, "cancel"));
            let answers = [apps[0].post(&confirm, &user), apps[1].post(&cancel, &user)];
            join_all(answers)
                .await
                .iter()
                .map(|answer| answer.status.as_u16())
                .collect::<Vec<_>>()
        }
    };

    for answers in join_all(bookings.iter().map(decide)).await {
        assert!(
            answers == [200, 409] || answers == [409, 200],
            "{answers:?}"
        );
    }

    let status = apps[1].get("/admin/inventory-status", &admin()).await.body;
    assert_eq!(status["drift"], json!(0), "{status}");
}

async fn change_reaches_other_instance([first, second]: [TestApp; 2]) {
    let queue = format!("/admin/events/{}/queue", first.event);
    let put = first
        .send(
            "PUT",
            &queue,
            Some(&admin()),
            &[],
            Some(json!({"state": "closed"})),
        )
        .await;

    assert_eq!(put.status, 200);
    let follows = async {
        while second.get(&queue, &admin()).await.body["state"] != "closed" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };

    tokio::time::timeout(std::time::Duration::from_secs(5), follows)
        .await
        .expect("the other instance follows");
}

async fn availability_reaches_other_instance([first, second]: [TestApp; 2]) {
    let path = format!("/events/{}/availability/stream", first.event);
    let mut stream = second.stream(&path, None).await;
    assert_eq!(stream.next().await.unwrap().1["zones"][0]["available"], 20);
    first.reserved("ann", 0, 4).await;
    assert_eq!(stream.next().await.unwrap().1["zones"][0]["available"], 16);
}

async fn dashboard_counts_other_instance([first, second]: [TestApp; 2]) {
    let path = format!("/admin/events/{}/live", first.event);
    let before = second.get(&path, &admin()).await.body["totals"]["joined"]
        .as_u64()
        .unwrap();

    for number in 0..7 {
        first.pass(&format!("u{number}")).await;
    }

    let mut stream = second
        .stream(&format!("{path}/stream"), Some(&admin()))
        .await;
    let counted = async {
        loop {
            let (_, moment) = stream.next().await.unwrap();
            // A figure may be taken between the last user's place and their pass.
            if moment["totals"]["released"] == before + 7 {
                break moment["totals"].clone();
            }
        }
    };

    let totals = tokio::time::timeout(std::time::Duration::from_secs(5), counted)
        .await
        .expect("counted over all nodes");
    assert_eq!(totals["joined"], before + 7, "{totals}");
}

async fn rebuild_during_sale_loses_nothing(apps: [TestApp; 2]) {
    let mut passes = Vec::new();
    for number in 0..20 {
        passes.push((
            format!("u{number}"),
            apps[0].pass(&format!("u{number}")).await,
        ));
    }

    let buy = |(number, (user, pass)): (usize, (String, String))| {
        let app = &apps[number % 2];
        async move {
            loop {
                let answer = app.reserve(&user, &pass, Some("k"), 0, 1).await;
                match answer.status.as_u16() {
                    503 => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                    _ => return (user, answer),
                }
            }
        }
    };
    let sales = stream::iter(passes)
        .enumerate()
        .map(buy)
        .buffer_unordered(4)
        .collect::<Vec<_>>();

    let syncs = async {
        for number in 0..6 {
            let synced = apps[number % 2]
                .post("/admin/sync-inventory", &admin())
                .await;
            assert_eq!(synced.status, 200, "{synced:?}");
        }
    };
    let (sales, ()) = futures_util::future::join(sales, syncs).await;

    assert!(sales.iter().all(|(_, answer)| answer.status == 201));
    let cancels = sales.iter().map(|(user, answer)| {
        let (user, path) = (token(user), path(&answer.body, "cancel"));
        let app = &apps[0];
        async move { app.post(&path, &user).await.status }
    });

    let (cancelled, _) = futures_util::future::join(
        join_all(cancels),
        apps[1].post("/admin/sync-inventory", &admin()),
    )
    .await;
    assert!(cancelled.iter().all(|status| *status == 200));

    let status = apps[1].get("/admin/inventory-status", &admin()).await.body;
    assert_eq!(status["drift"], json!(0), "{status}");
    assert_eq!(apps[0].left().await, [20, 2]);
}

async fn a_hold_ends_once_whoever_sweeps(apps: [TestApp; 2]) {
    let kept = apps[0].reserved("ann", 0, 2).await;
    for number in 0..5 {
        apps[number % 2].reserved(&format!("u{number}"), 0, 3).await;
    }

    assert_eq!(
        apps[0]
            .post(&path(&kept, "confirm"), &token("ann"))
            .await
            .status,
        200
    );
    assert_eq!(apps[0].left().await, [3, 2]);
    apps[0].clock.advance(std::time::Duration::from_secs(601));
    apps[0].until_left(&[18, 2]).await;

    let status = apps[1].get("/admin/inventory-status", &admin()).await.body;
    assert_eq!(status["drift"], json!(0), "{status}");
}

async fn rebuilds_lost_engine_while_running(apps: [TestApp; 2]) {
    let held = apps[0].reserved("ann", 0, 2).await;
    let pass = apps[0].pass("bob").await;

    apps[0].engine.remove(apps[0].event).await.unwrap();
    let rebuilt = async {
        // Open comes first, its seats a moment later.
        while !apps[0]
            .engine
            .seats(apps[0].event)
            .await
            .is_ok_and(|zones| !zones.is_empty())
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };

    tokio::time::timeout(std::time::Duration::from_secs(5), rebuilt)
        .await
        .expect("found by the periodic look");
    apps[0].until_left(&[18, 2]).await;
    assert_eq!(
        apps[1].reserve("bob", &pass, None, 0, 1).await.status,
        201,
        "a pass of the lost line counts"
    );
    assert_eq!(
        apps[1]
            .post(&path(&held, "cancel"), &token("ann"))
            .await
            .status,
        200
    );
    assert_eq!(apps[0].left().await, [19, 2]);
}
