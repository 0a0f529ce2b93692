//! Tabs of one visitor on two gateways: one place, and each tab receives its changes.

use serde_json::json;
use stanchion_tests::{EventBuilder, Shape, Socket, SocketEvent, Stack, Visitor};
use waitingroom_server::protocol::ServerMessage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaves_in_all_tabs() {
    let stack = Stack::servers(Shape {
        gateways: 2,
        workers: 1,
        bookings: 1,
        ..Shape::default()
    })
    .await;
    let sale = EventBuilder::new(&[10])
        .paused()
        .create(&stack.operator())
        .await;
    let ann = Visitor::new("ann");
    let mut first = Socket::open(stack.gateway_url(0), &ann).await;
    let (ticket, _) = first.queue(&sale.event, None).await;

    // The other tab says all it has to say without waiting for its welcome.
    let mut other = Socket::silent(stack.gateway_url(1)).await;
    other
        .send_json(json!({"type": "connect", "token": ann.token}))
        .await;
    other
        .send_json(json!({"type": "join", "event_id": sale.event, "ticket": ticket}))
        .await;
    assert!(matches!(
        other.next_event().await,
        SocketEvent::Message(ServerMessage::Connected { .. })
    ));
    let place =
        |message| matches!(message, ServerMessage::Queued { position: 1, .. }).then_some(());
    other.until("the same place", place).await;

    first
        .send_json(json!({"type": "leave", "event_id": sale.event}))
        .await;
    let left = |message| matches!(message, ServerMessage::Left { .. }).then_some(());
    first.until("the leaving tab to be told", left).await;
    other
        .until("the tab on the other gateway to be told", left)
        .await;
}
