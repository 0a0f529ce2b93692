//! Frames that are not of the protocol.

use std::time::Duration;

use serde_json::{Value, json};
use stanchion_tests::{
    Sale, Socket, SocketEvent, Stack, Visitor,
    tokens::{self, JWT_SECRET},
    wait::{now_ms, with_timeout},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};
use waitingroom_server::protocol::ServerMessage;

const BAD_TOKEN: Option<u16> = Some(4500);
const BAD_MESSAGE: Option<u16> = Some(4501);
const NO_CONNECT: Option<u16> = Some(4502);
const TOO_MANY: Option<u16> = Some(4029);

pub(super) async fn are_checked(stack: &Stack, sale: &Sale) {
    before_the_introduction(stack, sale).await;
    after_it(stack, sale).await;
    too_large_to_be_read(stack).await;
    plain_http(stack).await;
}

async fn before_the_introduction(stack: &Stack, sale: &Sale) {
    let url = stack.gateway_url(0);
    let expired = tokens::signed(
        &json!({"sub": "ann", "exp": now_ms() / 1000 - 600}),
        JWT_SECRET,
    );
    let first_frames = [
        (Message::text("{"), BAD_MESSAGE),
        (Message::text("[]"), BAD_MESSAGE),
        (Message::text(""), BAD_MESSAGE),
        (Message::binary(&b"{}"[..]), BAD_MESSAGE),
        (
            Message::text(json!({"type": "join", "event_id": sale.event}).to_string()),
            BAD_MESSAGE,
        ),
        (
            Message::text(json!({"type": "connect"}).to_string()),
            BAD_MESSAGE,
        ),
        (
            Message::text(json!({"type": "connect", "token": 7}).to_string()),
            BAD_MESSAGE,
        ),
        (Message::text("x".repeat(17 * 1024)), BAD_MESSAGE),
        (
            Message::text(json!({"type": "connect", "token": "let-me-in"}).to_string()),
            BAD_TOKEN,
        ),
        (
            Message::text(json!({"type": "connect", "token": expired}).to_string()),
            BAD_TOKEN,
        ),
    ];
    for (frame, code) in first_frames {
        let mut socket = Socket::silent(url).await;
        let shown = format!("{frame:?}").chars().take(80).collect::<String>();
        socket.send(frame).await;
        assert_eq!(socket.close_code().await, code, "{shown}");
    }
    let mut shy = Socket::silent(url).await;

    assert_eq!(
        shy.close_code().await,
        NO_CONNECT,
        "who says nothing is not waited for"
    );
}

async fn after_it(stack: &Stack, sale: &Sale) {
    let url = stack.gateway_url(0);
    let visitor = Visitor::new("clumsy");
    let mut socket = Socket::open(url, &visitor).await;
    let unknown = uuid::Uuid::new_v4();
    let reserve = |quantity: Value| {
        json!({"type": "reserve", "event_id": sale.event, "show_id": sale.show, "zone_id": sale.zones[0],
            "quantity": quantity, "idempotency_key": "k"})
    };
    let refused = [
        (json!({"type": "join"}), "INVALID_REQUEST", "event_id"),
        (
            json!({"type": "join", "event_id": "x"}),
            "INVALID_REQUEST",
            "event_id",
        ),
        (
            json!({"type": "join", "event_id": unknown}),
            "EVENT_NOT_FOUND",
            "event_id",
        ),
        (
            json!({"type": "join", "event_id": sale.event, "wish": [{"zone_id": 1}]}),
            "INVALID_REQUEST",
            "zone_id",
        ),
        (json!({"type": "leave"}), "INVALID_REQUEST", "event_id"),
        (
            json!({"type": "leave", "event_id": sale.event}),
            "NOT_IN_QUEUE",
            "queue",
        ),
        (
            json!({"type": "ack", "pass_id": "p-1"}),
            "INVALID_REQUEST",
            "pass_id",
        ),
        (
            json!({"type": "ack", "pass_id": ["p-1"]}),
            "INVALID_REQUEST",
            "pass_id",
        ),
        (reserve(json!("two")), "INVALID_REQUEST", "quantity"),
        (reserve(json!(1)), "NOT_IN_QUEUE", "queue"),
        (
            json!({"type": "connect", "token": "again"}),
            "INVALID_REQUEST",
            "connected",
        ),
        (json!({"no": "type"}), "INVALID_REQUEST", "type"),
    ];
    for (message, code, names) in refused {
        socket.send_json(message.clone()).await;
        match socket.next_event().await {
            SocketEvent::Message(ServerMessage::Error {
                code: said,
                message: text,
                ..
            }) => {
                assert_eq!(said, code, "{message}");
                assert!(
                    text.contains(names),
                    "{message}: {text:?} says nothing of {names}"
                );
            }
            other => panic!("{message}: {other:?}"),
        }
    }
    // What a later version may know is let pass.
    socket
        .send_json(json!({"type": "dance", "event_id": 7}))
        .await;
    assert_eq!(
        socket.next_event_within(Duration::from_millis(300)).await,
        None
    );

    let frames = [
        (Message::text("{"), BAD_MESSAGE),
        (Message::binary(&b"{\"type\":\"ping\"}"[..]), BAD_MESSAGE),
        (
            Message::text(json!({"type": "ping", "padding": "x".repeat(17 * 1024)}).to_string()),
            BAD_MESSAGE,
        ),
    ];
    for (frame, code) in frames {
        let mut socket = Socket::open(url, &visitor).await;
        let shown = format!("{frame:?}").chars().take(80).collect::<String>();
        socket.send(frame).await;
        assert_eq!(socket.close_code().await, code, "{shown}");
    }
    let mut chatty = Socket::open(url, &visitor).await;
    for _ in 0..200 {
        chatty.send_json(json!({"type": "ping"})).await;
    }
    assert_eq!(chatty.close_code().await, TOO_MANY);
    // Frames that are no messages cost as much as those that are.
    let frame = |kind, last| Message::Frame(Frame::message(Vec::new(), kind, last));
    let floods = [
        ("pings", None, Message::Ping("1".into())),
        ("pongs", None, Message::Pong("1".into())),
        (
            "parts of a message",
            Some(frame(OpCode::Data(Data::Text), false)),
            frame(OpCode::Data(Data::Continue), false),
        ),
    ];
    for (what, first, next) in floods {
        let mut flooding = Socket::open(url, &visitor).await;
        if let Some(first) = first {
            flooding.send(first).await;
        }
        for _ in 0..200 {
            flooding.send(next.clone()).await;
        }
        assert_eq!(flooding.close_code().await, TOO_MANY, "{what}");
    }
    let mut calm = Socket::open(url, &visitor).await;
    for _ in 0..40 {
        calm.send(Message::Pong("1".into())).await;
    }
    assert_eq!(
        calm.next_event_within(Duration::from_millis(300)).await,
        None,
        "a few are let pass"
    );
}

/// The reason of the end arrives although more of what was too large is under way than anybody has
/// read: a connection that is dropped with unread bytes is reset, and the client may forget what it
/// was told before.
async fn too_large_to_be_read(stack: &Stack) {
    for bytes in [17 * 1024, 200 * 1024, 2 * 1024 * 1024] {
        let address = stack
            .gateway_url(0)
            .trim_start_matches("http://")
            .to_owned();
        let mut stream = TcpStream::connect(&address)
            .await
            .expect("the gateway listens");
        let handshake = format!(
            "GET /api/v1/ws HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: stanchion.v1\r\n\r\n"
        );
        stream
            .write_all(handshake.as_bytes())
            .await
            .expect("a handshake is taken");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(
                with_timeout("the answer", stream.read_u8())
                    .await
                    .expect("an answer"),
            );
        }
        let mut frame = vec![0x81, 0xff];
        frame.extend((bytes as u64).to_be_bytes());
        frame.extend([0; 4]); // a mask that changes nothing
        frame.resize(frame.len() + bytes, b'x');
        // All of it is sent before anything is read, as a browser does that hears of the end only
        // then.
        with_timeout("the frame to be taken", stream.write_all(&frame))
            .await
            .expect("bytes are read to the end");
        let mut told = Vec::new();
        with_timeout("the end", stream.read_to_end(&mut told))
            .await
            .expect("the connection ends in order");
        let code = told.windows(2).any(|pair| pair == 4501_u16.to_be_bytes());
        assert!(
            told.first() == Some(&0x88) && code,
            "{bytes} bytes: {told:?}"
        );
    }
}

async fn plain_http(stack: &Stack) {
    let answer = stack.gateway(0).get("/ws").await;
    let body = answer.expect_problem(400, "INVALID_REQUEST");
    assert!(
        body["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("Upgrade")),
        "{body}"
    );
}
