//! Clients that stop reading or answering: each is closed in time, with its code, and keeps its
//! place.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use stanchion_tests::{
    EventBuilder, PositionStream, Rest, Socket, SocketEvent, Stack, Visitor, eventually, shopping,
    tokens,
};
use tokio::sync::Notify;
use waitingroom_server::protocol::ServerMessage;

async fn ended(gateway: &Rest, reason: &str) {
    let metric = format!("stanchion_websocket_disconnects_total{{reason=\"{reason}\"}}");
    let what = format!("a socket to end: {reason}");
    eventually(&what, || async {
        (gateway.metric(&metric).await > 0.0).then_some(())
    })
    .await;
}

/// A client that does not answer pings is closed; one that only listens is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closes_silent_client() {
    let stack = Stack::embedded_with(&[("STANCHION_HEARTBEAT_MS", "200")]).await;
    let sale = EventBuilder::new(&[10])
        .paused()
        .create(&stack.operator())
        .await;
    let (ann, bob) = (Visitor::new("ann"), Visitor::new("bob"));
    let mut vanished = Socket::open(stack.gateway_url(0), &ann).await;
    let (ticket, _) = vanished.queue(&sale.event, None).await;
    let mut listening = Socket::open(stack.gateway_url(0), &bob).await;
    listening.queue(&sale.event, None).await;

    // `vanished` is not read, so its pings are not answered.
    let gateway = stack.gateway(0);
    let gone = ended(&gateway, "heartbeat missed");
    tokio::pin!(gone);
    loop {
        tokio::select! {
            () = &mut gone => break,
            heard = listening.next_event_within(Duration::from_millis(50)) => {
                assert!(!matches!(heard, Some(SocketEvent::Closed(_))), "bob listens");
            }
        }
    }
    assert_eq!(vanished.close_code().await, Some(4012));
    let mut back = Socket::open(stack.gateway_url(0), &ann).await;
    let (again, position) = back.queue(&sale.event, Some(&ticket)).await;
    let number = |ticket: &str| tokens::ticket_number(ticket, &ann.name, &sale.event);
    assert_eq!(
        (number(&again), position),
        (number(&ticket), 1),
        "the place is kept"
    );
    assert!(!matches!(
        listening
            .next_event_within(Duration::from_millis(100))
            .await,
        Some(SocketEvent::Closed(_))
    ));
}

/// A reader that stands still is closed, what waits for it is bounded, and its pass is there when
/// it comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_pass_when_slow_client_is_closed() {
    let stack = Stack::embedded().await;
    let sale = EventBuilder::new(&[10])
        .paused()
        .create(&stack.operator())
        .await;
    let ann = Visitor::new("ann");
    let mut slow = Socket::open_narrow(stack.gateway_url(0), &ann).await;
    slow.queue(&sale.event, None).await;

    let full = Arc::new(Notify::new());
    let talking = {
        let (operator, sale, full) = (stack.operator(), sale.clone(), Arc::clone(&full));
        async move {
            // Long messages, until they fit nowhere any more: in no buffer of ours, of the kernel,
            // of the client.
            for round in 0..100 {
                let message = format!("{round} {}", "ก".repeat(490));
                sale.set_queue(&operator, json!({"message": message}))
                    .await
                    .expect(200);
            }
            sale.open(&operator).await;
            full.notify_one();
        }
    };
    let gateway = stack.gateway(0);
    tokio::join!(talking, ended(&gateway, "slow reader"));
    full.notified().await;

    let (code, bytes) = slow.drained().await;
    assert_eq!(code, Some(4008));
    assert!(bytes < 100 * 1024, "{bytes} bytes had been waiting");
    let mut back = Socket::open(stack.gateway_url(0), &ann).await;
    // A user who was absent at their turn is first now, and has the pass with the next tick.
    back.send_json(json!({"type": "join", "event_id": sale.event}))
        .await;
    back.until("the pass", |message| {
        matches!(message, ServerMessage::Pass { .. }).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_stream_when_pass_is_used() {
    let stack = Stack::embedded_with(&[("STANCHION_HEARTBEAT_MS", "200")]).await;
    let sale = EventBuilder::new(&[10]).create(&stack.operator()).await;
    let ann = Visitor::new("ann");
    let gateway = stack.gateway(0).by(&ann);

    sale.join(&gateway).await.expect(201);
    let mut stream = PositionStream::open(&gateway, &sale).await;
    let pass = loop {
        let (event, place) = stream
            .next()
            .await
            .expect("the stream goes on until the pass was used");
        if let (true, Some(pass)) = (event == "position", place["queue_pass"].as_str()) {
            break stanchion_tests::Admission::new(&ann, &sale.event, pass);
        }
    };

    shopping::reserve(&stack.booking(0), &pass, &sale.wish(0, 1))
        .await
        .expect(201);

    while let Some((event, data)) = stream.next().await {
        assert_ne!(event, "error", "{data}");
    }
}
