//! When the database fails: nothing is promised, and nothing is lost.

use std::{sync::Arc, time::Duration};

use booking::store::sqlite::SqliteStore;
use serde_json::json;
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;
use waitingroom_domain::seats::{SeatSnapshot, ZoneSeats};
use waitingroom_server::telemetry::{render_metrics, start_metrics};

use super::app::{TestApp, admin, token};

/// An app on a file, and a second connection to break it with.
async fn breakable() -> (TestApp, SqliteConnection, tempfile::File) {
    let file = tempfile::File(
        std::env::temp_dir().join(format!("stanchion-{}.db", Uuid::new_v4().simple())),
    );
    let app = TestApp::open_on(Arc::new(SqliteStore::open(&file.0).await.unwrap())).await;
    let vandal = SqliteConnection::connect(&format!("sqlite://{}", file.0.display()))
        .await
        .unwrap();
    (app, vandal, file)
}

mod tempfile {
    /// Removed at the end of its test.
    pub(super) struct File(pub(super) std::path::PathBuf);

    impl Drop for File {
        fn drop(&mut self) {
            for ending in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{ending}", self.0.display()));
            }
        }
    }
}

async fn run(vandal: &mut SqliteConnection, statement: &'static str) {
    sqlx::query(statement).execute(vandal).await.unwrap();
}

const FAIL_BOOKINGS: &str = "CREATE TRIGGER broken BEFORE INSERT ON bookings BEGIN SELECT RAISE(ABORT, 'disk on fire'); END";
const FAIL_DECISIONS: &str = "CREATE TRIGGER broken BEFORE UPDATE ON bookings BEGIN SELECT RAISE(ABORT, 'disk on fire'); END";
const FAIL_REBUILDS: &str = "CREATE TRIGGER broken BEFORE UPDATE OF sync_lease_until_ms ON events BEGIN SELECT RAISE(ABORT, 'disk on fire'); END";
const REPAIR: &str = "DROP TRIGGER broken";

#[tokio::test]
async fn failed_commit_releases_seats_and_pass() {
    let (app, mut vandal, _file) = breakable().await;
    let pass = app.pass("ann").await;

    run(&mut vandal, FAIL_BOOKINGS).await;
    let answer = app.reserve("ann", &pass, Some("k1"), 0, 2).await;

    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (503, "UNAVAILABLE")
    );
    assert_eq!(answer.retry_after.as_deref(), Some("1"));
    assert!(
        !answer.body.to_string().contains("fire"),
        "internals stay inside: {answer:?}"
    );
    assert_eq!(app.left().await, [20, 2]);
    run(&mut vandal, REPAIR).await;

    let again = app.reserve("ann", &pass, Some("k1"), 0, 2).await;
    assert_eq!(again.status, 201, "{again:?}");
    assert_eq!(app.left().await, [18, 2]);
}

#[tokio::test]
async fn a_decision_that_fails_changes_nothing() {
    let (app, mut vandal, _file) = breakable().await;
    let booking = app.reserved("ann", 0, 2).await;
    let confirm = format!(
        "/bookings/{}/confirm",
        booking["booking_id"].as_str().unwrap()
    );

    run(&mut vandal, FAIL_DECISIONS).await;
    let answer = app.post(&confirm, &token("ann")).await;

    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (503, "UNAVAILABLE")
    );
    run(&mut vandal, REPAIR).await;
    assert_eq!(
        app.post(&confirm, &token("ann")).await.body["status"],
        "confirmed"
    );

    let status = app.get("/admin/inventory-status", &admin()).await.body;
    assert_eq!(status["drift"], json!(0));
}

#[tokio::test]
async fn reservation_waits_during_rebuild() {
    let app = TestApp::open().await;
    let pass = app.pass("ann").await;

    app.engine
        .begin_sync(app.event, app.clock.now())
        .await
        .unwrap();

    let answer = app.reserve("ann", &pass, Some("k1"), 0, 2).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (503, "UNAVAILABLE")
    );
    assert!(answer.retry_after.is_some());
    assert_eq!(
        app.post("/admin/sync-inventory", &admin()).await.status,
        200
    );
    assert_eq!(
        app.reserve("ann", &pass, Some("k1"), 0, 2).await.status,
        201
    );
}

#[tokio::test]
async fn gone_client_keeps_pass_and_seats() {
    let (app, mut vandal, _file) = breakable().await;
    let pass = app.pass("ann").await;

    // Another writer holds the file for a while: the commit has to wait, and the client does not.
    run(&mut vandal, "BEGIN IMMEDIATE").await;
    let bob = app.pass("bob").await;
    let blocked = app.reserve("bob", &bob, None, 0, 1);
    let gone = async {
        app.until_left(&[19, 2]).await; // bob's seat is held: the commit is his
        let going = tokio::time::timeout(
            Duration::from_millis(100),
            app.reserve("ann", &pass, Some("k1"), 0, 2),
        )
        .await;
        assert!(
            going.is_err(),
            "the client gave up while its turn had not come"
        );
        run(&mut vandal, "ROLLBACK").await;
    };

    let (blocked, ()) = futures_util::future::join(blocked, gone).await;
    assert_eq!(blocked.status, 201, "{blocked:?}");
    app.until_left(&[19, 2]).await;

    assert_eq!(
        app.reserve("ann", &pass, Some("k1"), 0, 2).await.status,
        201
    );
}

#[tokio::test]
async fn rejects_at_once_while_commit_hangs() {
    let (app, mut vandal, _file) = breakable().await;
    let (bob, ann) = (app.pass("bob").await, app.pass("ann").await);

    run(&mut vandal, "BEGIN IMMEDIATE").await;
    let refused = async {
        loop {
            let began = std::time::Instant::now();
            let asked = app.reserve("ann", &ann, Some("k1"), 0, 2);
            if let Ok(answer) = tokio::time::timeout(Duration::from_millis(300), asked).await {
                return (answer, began.elapsed());
            }
        }
    };

    let (stuck, (refused, waited)) =
        futures_util::future::join(app.reserve("bob", &bob, None, 0, 1), async {
            let refused = tokio::time::timeout(Duration::from_secs(4), refused)
                .await
                .expect("refused while the commit hangs");
            run(&mut vandal, "ROLLBACK").await;
            refused
        })
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (503, "UNAVAILABLE")
    );
    assert_eq!(refused.retry_after.as_deref(), Some("1"));
    assert!(waited < Duration::from_millis(300), "{waited:?}");

    // The commit that hung either went through in the end, or was given up and its seats given
    // back.
    let taken = u32::from(stuck.status == 201);
    assert!(taken == 1 || stuck.status == 503, "{stuck:?}");

    let goes_on = async {
        while app.reserve("ann", &ann, Some("k1"), 0, 2).await.status != 201 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), goes_on)
        .await
        .expect("and then it goes on");
    app.until_left(&[18 - taken, 2]).await;
}

/// How often a step of this task failed in this process.
fn failures(task: &str) -> u64 {
    let name = format!("stanchion_booking_task_failures_total{{task=\"{task}\"}} ");
    let metrics = render_metrics();
    metrics
        .lines()
        .find_map(|line| line.strip_prefix(&name)?.parse().ok())
        .unwrap_or(0)
}

#[tokio::test]
async fn rebuild_is_retried_until_it_succeeds() {
    start_metrics(&[]);
    let (app, mut vandal, _file) = breakable().await;
    let zones = app
        .zones
        .iter()
        .map(|zone| ZoneSeats {
            zone_id: zone.parse().unwrap(),
            available: 9,
        })
        .collect();

    let wrong = SeatSnapshot {
        zones,
        ..SeatSnapshot::default()
    };
    app.engine
        .load_seats(app.event, &wrong, app.clock.now())
        .await
        .unwrap();
    run(&mut vandal, FAIL_REBUILDS).await;

    let pass = app.pass("bob").await;
    let refused = app.reserve("bob", &pass, None, 1, 4).await;

    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (503, "UNAVAILABLE"),
        "the database has two"
    );

    let failed = async {
        while failures("rebuild") == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), failed)
        .await
        .expect("the first rebuild fails");
    assert_eq!(app.left().await, [9, 9]);
    run(&mut vandal, REPAIR).await;

    app.until_left(&[20, 2]).await;
}

/// The repair gave the hold back meanwhile: a row that is no booking has its place.
#[tokio::test]
async fn late_reservation_keeps_pass() {
    const GIVEN_BACK: &str = "CREATE TRIGGER given_back BEFORE INSERT ON bookings WHEN NEW.status = 'reserved' BEGIN
        INSERT INTO bookings SELECT NEW.booking_id, NEW.event_id, NEW.show_id, NEW.zone_id, '', 1, 0, 'XXX', 'void', 'void:' || hex(NEW.booking_id),
            NULL, NULL, 0, 0, NULL; END";
    let (app, mut vandal, _file) = breakable().await;
    let pass = app.pass("ann").await;

    run(&mut vandal, GIVEN_BACK).await;
    let late = app.reserve("ann", &pass, Some("k1"), 0, 2).await;

    assert_eq!(
        (late.status.as_u16(), late.code()),
        (503, "UNAVAILABLE"),
        "{late:?}"
    );
    assert_eq!(app.left().await, [20, 2]);
    run(&mut vandal, "DROP TRIGGER given_back").await;
    assert_eq!(app.get("/bookings", &token("ann")).await.body["total"], 0);
    assert_eq!(
        app.reserve("ann", &pass, Some("k1"), 0, 2).await.status,
        201,
        "pass and key are as good as new"
    );
}
