//! Operators change a queue while it is full: state, rate, message; every gateway follows and
//! updates its clients.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stanchion_tests::{
    EventBuilder, Sale, Socket, SocketEvent, Stack, Visitor, eventually, simulated_users::queue_all,
};
use waitingroom_domain::queue::SaleState;
use waitingroom_server::protocol::ServerMessage;

/// Max time from the operator's request to the message at every client.
const FOLLOWS: Duration = Duration::from_secs(1);
/// Long enough for two releases a second to show.
const STANDSTILL: Duration = Duration::from_millis(1_500);

async fn applies_queue_settings_live(stack: &Stack) {
    let queue = json!({"rate_per_second": 2, "burst": 1, "message": "Welcome"});
    let sale = EventBuilder::new(&[1_000])
        .queue(queue)
        .create(&stack.operator())
        .await;
    let urls: Vec<String> = (0..stack.gateways())
        .map(|at| stack.gateway_url(at).to_owned())
        .collect();
    // The front is released meanwhile; these are far enough back to wait.
    for visitor in Visitor::many("front", 30) {
        sale.join(&stack.gateway(0).by(&visitor)).await.expect(201);
    }
    let mut watching = queue_all(&urls, &sale, &Visitor::many("watching", 6)).await;

    let asked = Instant::now();
    let paused = sale
        .set_queue(
            &stack.operator(),
            json!({"state": "paused", "message": "A short break"}),
        )
        .await;
    let paused = paused.expect(200);
    assert_eq!(
        (&paused["state"], &paused["rate_per_second"]),
        (&json!("paused"), &json!(2.0)),
        "the rest stays"
    );
    everyone_hears(
        &mut watching,
        asked,
        SaleState::Paused,
        Some("A short break"),
    )
    .await;
    stands_still(stack, &sale).await;

    let resumed =
        json!({"state": "open", "message": "", "rate_per_second": 10_000, "burst": 10_000});
    let asked = Instant::now();
    sale.set_queue(&stack.operator(), resumed).await.expect(200);
    everyone_hears(&mut watching, asked, SaleState::Open, None).await;
    for (visitor, socket, ..) in &mut watching {
        let pass = |message| matches!(message, ServerMessage::Pass { .. }).then_some(());
        socket
            .until(
                &format!("the pass of {} at the new rate", visitor.name),
                pass,
            )
            .await;
    }
    for at in 0..2 {
        let status = sale
            .status(&stack.gateway(at).by(&Visitor::new("watcher")))
            .await;
        assert_eq!(
            (&status["rate_per_second"], &status["message"]),
            (&json!(10_000.0), &Value::Null)
        );
    }
    the_end_of_a_sale(stack, &sale, &urls).await;
    refusals(stack, &sale).await;
}

async fn everyone_hears(
    watching: &mut [(Visitor, Socket, String, u64)],
    asked: Instant,
    state: SaleState,
    message: Option<&str>,
) {
    let deadline = asked + FOLLOWS;
    for (visitor, socket, ..) in watching {
        loop {
            let heard = socket
                .next_event_within(deadline.saturating_duration_since(Instant::now()))
                .await;
            let heard = heard.unwrap_or_else(|| {
                panic!("{} did not hear of {state:?} in {FOLLOWS:?}", visitor.name)
            });
            match heard {
                SocketEvent::Message(ServerMessage::Event {
                    state: heard,
                    message: said,
                    ..
                }) if heard == state => {
                    assert_eq!(said.as_deref(), message);
                    break;
                }
                SocketEvent::Message(_) => {}
                SocketEvent::Closed(code) => panic!("{} was closed: {code:?}", visitor.name),
            }
        }
    }
}

/// Time has to pass to see that nothing happens in it.
async fn stands_still(stack: &Stack, sale: &Sale) {
    let gateway = stack.gateway(0).by(&Visitor::new("watcher"));
    let before = line_of(&sale.status(&gateway).await);

    assert_eq!(
        (&before["state"], &before["message"]),
        (&json!("paused"), &json!("A short break"))
    );
    assert!(
        before["total_in_queue"]
            .as_u64()
            .is_some_and(|total| total > 0),
        "{before}"
    );

    tokio::time::sleep(STANDSTILL).await;
    assert_eq!(line_of(&sale.status(&gateway).await), before);

    sale.join(&stack.gateway(1).by(&Visitor::new("undeterred")))
        .await
        .expect(201);
}

/// The status without how booking is at this moment, which no operator sets.
fn line_of(status: &Value) -> Value {
    let mut line = status.clone();
    line.as_object_mut()
        .expect("a status is an object")
        .remove("rate_effective");
    line
}

async fn the_end_of_a_sale(stack: &Stack, sale: &Sale, urls: &[String]) {
    sale.set_queue(&stack.operator(), json!({"state": "paused"}))
        .await
        .expect(200);
    let late = queue_all(urls, sale, &Visitor::many("late", 2)).await;

    sale.set_queue(&stack.operator(), json!({"state": "closed"}))
        .await
        .expect(200);

    for (_, mut socket, ..) in late {
        assert_eq!(socket.close_code().await, Some(4505));
    }

    let closed = eventually("the gateway to know", || async {
        let answer = sale
            .join(&stack.gateway(1).by(&Visitor::new("too-late")))
            .await;
        (answer.status == 409).then_some(answer)
    });
    closed.await.expect_problem(409, "QUEUE_CLOSED");
}

async fn refusals(stack: &Stack, sale: &Sale) {
    let path = format!("/admin/events/{}/queue", sale.event);
    let before = stack.operator().get(&path).await.expect(200);
    let visitor = stack.booking(0).by(&Visitor::new("nosy"));
    visitor.get(&path).await.expect_problem(403, "FORBIDDEN");
    visitor
        .put(&path, &json!({"state": "open"}))
        .await
        .expect_problem(403, "FORBIDDEN");
    let invalid = [
        ("rate_per_second", json!(-1)),
        ("rate_per_second", json!(100_001)),
        ("rate_per_second", json!("fast")),
        ("burst", json!(0)),
        ("burst", json!(-5)),
        ("max_active", json!(0)),
        ("max_active", json!(1.5)),
        ("pass_ttl_seconds", json!(0)),
        ("pass_ttl_seconds", json!(86_401)),
        ("claim_window_seconds", json!(0)),
        ("grace_seconds", json!(86_401)),
        ("max_in_line", json!(0)),
        ("message", json!("x".repeat(501))),
        ("state", json!("ajar")),
        ("sate", json!("open")),
    ];
    for (field, value) in invalid {
        let answer = stack.operator().put(&path, &json!({field: value})).await;
        answer.expect_invalid_field(422, "INVALID_REQUEST", field);
    }
    let half_right = stack
        .operator()
        .put(&path, &json!({"rate_per_second": 7, "burst": 0}))
        .await;
    half_right.expect_invalid_field(422, "INVALID_REQUEST", "burst");

    assert_eq!(
        stack.operator().get(&path).await.expect(200),
        before,
        "a refused change changes nothing"
    );
    let unknown = format!("/admin/events/{}/queue", uuid::Uuid::new_v4());
    stack
        .operator()
        .put(&unknown, &json!({"state": "open"}))
        .await
        .expect_problem(404, "EVENT_NOT_FOUND");
}

crate::on_both!(applies_queue_settings_live);
