//! A node at its connection limit still serves the users whose turn it is.

use serde_json::json;
use stanchion_tests::{EventBuilder, Socket, Stack, Visitor, wait::with_timeout};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use waitingroom_server::protocol::ServerMessage;

const CONNECTIONS: usize = 16;

/// On the embedded default booking is in the same process: a reservation needs no connection of its
/// own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reserves_over_socket_when_connections_are_full() {
    let limit = CONNECTIONS.to_string();
    let stack = Stack::embedded_with(&[("STANCHION_MAX_CONNECTIONS", &limit)]).await;
    let sale = EventBuilder::new(&[100])
        .paused()
        .create(&stack.operator())
        .await;
    let url = stack.gateway_url(0);
    let mut wishing = Socket::open(url, &Visitor::new("wishing")).await;
    let mut choosing = Socket::open(url, &Visitor::new("choosing")).await;
    let wish = json!([{"zone_id": sale.zones[0], "quantity": 2}]);
    wishing
        .send_json(json!({"type": "join", "event_id": sale.event, "wish": wish}))
        .await;
    let queued = |message| matches!(message, ServerMessage::Queued { .. }).then_some(());
    wishing.until("a place", queued).await;
    choosing.queue(&sale.event, None).await;
    let mut waiting = Vec::new();
    while let Some(socket) = enter(url, &Visitor::new(format!("waiting-{}", waiting.len()))).await {
        waiting.push(socket);
        assert!(waiting.len() < CONNECTIONS, "the house is never full");
    }

    sale.open(&stack.operator()).await;
    let held = wishing.until("seats with the pass", |message| match message {
        ServerMessage::Pass { hold, .. } => Some(hold),
        _ => None,
    });
    assert_eq!(held.await.expect("the wish is met")["quantity"], 2);
    let passed = |message| matches!(message, ServerMessage::Pass { .. }).then_some(());
    choosing.until("a pass", passed).await;
    choosing
        .send_json(json!({"type": "reserve", "event_id": sale.event, "show_id": sale.show, "zone_id": sale.zones[0],
            "quantity": 3, "idempotency_key": "k"}))
        .await;
    let reserved = choosing.until("an answer", |message| match message {
        ServerMessage::Reserved { booking, .. } => Some(Ok(booking)),
        ServerMessage::Error { code, .. } => Some(Err(code)),
        _ => None,
    });
    assert_eq!(reserved.await.expect("a booking")["quantity"], 3);
    assert!(
        enter(url, &Visitor::new("late")).await.is_none(),
        "the house is still full"
    );
}

/// A socket that only authenticates; nothing if the node is full.
async fn enter(url: &str, visitor: &Visitor) -> Option<TcpStream> {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the gateway listens");
    let handshake = format!(
        "GET /api/v1/ws HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );

    stream
        .write_all(handshake.as_bytes())
        .await
        .expect("a handshake is taken");

    let mut status = [0; 12];
    with_timeout("the answer", stream.read_exact(&mut status))
        .await
        .ok()?; // refused without a word

    if status != *b"HTTP/1.1 101" {
        assert_eq!(status, *b"HTTP/1.1 503");
        return None;
    }

    let hello = json!({"type": "connect", "token": visitor.token}).to_string();
    let mut frame = vec![0x81, 0xfe];

    frame.extend((hello.len() as u16).to_be_bytes());
    frame.extend([0; 4]); // a mask that changes nothing
    frame.extend(hello.as_bytes());
    stream.write_all(&frame).await.expect("a frame is taken");

    Some(stream)
}
