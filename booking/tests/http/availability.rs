//! Seats left, as they change.

use booking::BookingConfig;
use serde_json::{Value, json};

use super::app::{Stream, TestApp, token};

fn path(app: &TestApp) -> String {
    format!("/events/{}/availability/stream", app.event)
}

async fn left(stream: &mut Stream) -> Vec<u64> {
    let (name, news) = stream.next().await.expect("the stream goes on");
    assert_eq!(name, "availability");
    news["zones"]
        .as_array()
        .unwrap()
        .iter()
        .map(|zone| zone["available"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn streams_availability_and_changes() {
    let app = TestApp::open().await;
    let mut stream = app.stream(&path(&app), None).await;
    let (_, first) = stream.next().await.unwrap();
    let zone =
        |at: usize, available: u32| json!({"zone_id": app.zones[at], "available": available});

    assert_eq!(
        first,
        json!({"event_id": app.event, "zones": [zone(0, 20), zone(1, 2)]})
    );

    let booking = app.reserved("ann", 0, 3).await;
    assert_eq!(left(&mut stream).await, [17, 2]);

    let told = std::time::Instant::now();
    let mut late = app.stream(&path(&app), None).await;

    assert_eq!(left(&mut late).await, [17, 2], "not what was true first");
    let cancel = format!(
        "/bookings/{}/cancel",
        booking["booking_id"].as_str().unwrap()
    );

    assert_eq!(app.post(&cancel, &token("ann")).await.status, 200);
    assert_eq!(left(&mut stream).await, [20, 2]);
    assert!(
        told.elapsed().as_millis() > 300,
        "not as fast as it changes: {:?}",
        told.elapsed()
    );
    assert_eq!(left(&mut late).await, [20, 2]);
}

#[tokio::test]
async fn streams_end_when_the_process_drains() {
    let app = TestApp::open().await;
    let mut stream = app.stream(&path(&app), None).await;

    stream.next().await.unwrap();
    app.drain();
    assert_eq!(stream.next().await, None);

    let answer = app.send("GET", &path(&app), None, &[], None).await;
    assert_eq!(
        (answer.status.as_u16(), answer.retry_after.as_deref()),
        (503, Some("1"))
    );
}

#[tokio::test]
async fn limits_readers_and_reuses_permits() {
    let first = TestApp::open().await;
    let app = first
        .with(BookingConfig {
            max_availability_readers: 2,
            ..BookingConfig::default()
        })
        .await;

    let streams = [
        app.stream(&path(&app), None).await,
        app.stream(&path(&app), None).await,
    ];
    let refused = app.send("GET", &path(&app), None, &[], None).await;

    assert_eq!(
        (
            refused.status.as_u16(),
            refused.code(),
            refused.retry_after.as_deref()
        ),
        (503, "UNAVAILABLE", Some("5"))
    );
    drop(streams);

    let mut again = app.stream(&path(&app), None).await;
    assert_eq!(left(&mut again).await, [20, 2]);
}

#[tokio::test]
async fn an_event_that_is_not_there_has_no_stream() {
    let app = TestApp::open().await;
    for (event, status) in [
        (Value::from(uuid::Uuid::new_v4().to_string()), 404),
        (json!("x"), 422),
    ] {
        let path = format!("/events/{}/availability/stream", event.as_str().unwrap());
        assert_eq!(
            app.send("GET", &path, None, &[], None)
                .await
                .status
                .as_u16(),
            status
        );
    }
}
