//! A WebSocket client of `stanchion.v1`.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_with_config,
    tungstenite::{
        Message, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig,
    },
};
use waitingroom_server::protocol::{SUBPROTOCOL, ServerMessage};

use crate::{visitor::Visitor, wait::with_timeout};

/// The smallest buffer of a client that reads slowly, in bytes.
const NARROW: u32 = 4 * 1024;

/// The next thing that a socket delivers.
#[derive(Debug, Clone, PartialEq)]
pub enum SocketEvent {
    /// A message.
    Message(ServerMessage),
    /// The end: the close code, if there was one.
    Closed(Option<u16>),
}

/// See the module's documentation.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The node it is connected to, once connected.
    pub node: String,
}

impl Socket {
    /// Connects without a message.
    pub async fn silent(url: &str) -> Self {
        let address = url.trim_start_matches("http://");
        let stream = with_timeout("a connection", TcpStream::connect(address))
            .await
            .expect("the gateway listens");
        Self::over(stream, url).await
    }

    /// Connects with the smallest receive buffer, and authenticates the visitor.
    pub async fn open_narrow(url: &str, visitor: &Visitor) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .set_recv_buffer_size(NARROW)
            .expect("a smaller buffer");

        let address = url
            .trim_start_matches("http://")
            .parse()
            .expect("the tests' gateways are addresses");
        let stream = with_timeout("a connection", socket.connect(address))
            .await
            .expect("the gateway listens");
        Self::over(stream, url).await.authenticated(visitor).await
    }

    async fn over(stream: TcpStream, url: &str) -> Self {
        let address = format!("{}/api/v1/ws", url.replacen("http", "ws", 1));
        let mut request = address.into_client_request().expect("a URL of a socket");
        request.headers_mut().insert(
            "sec-websocket-protocol",
            HeaderValue::from_static(SUBPROTOCOL),
        );

        // The default of 128 KiB for each of hundreds of sockets would be this process's memory,
        // not the server's.
        let config = WebSocketConfig::default().read_buffer_size(4 * 1024);
        stream.set_nodelay(true).expect("a socket that can be set");
        let connecting =
            client_async_with_config(request, MaybeTlsStream::Plain(stream), Some(config));
        let (stream, response) = with_timeout("a socket", connecting)
            .await
            .expect("the gateway takes sockets");
        let protocol = response
            .headers()
            .get("sec-websocket-protocol")
            .and_then(|name| name.to_str().ok());

        assert_eq!(
            protocol,
            Some(SUBPROTOCOL),
            "the gateway speaks this protocol"
        );
        Self {
            stream,
            node: String::new(),
        }
    }

    /// Connects and authenticates the visitor.
    pub async fn open(url: &str, visitor: &Visitor) -> Self {
        Self::silent(url).await.authenticated(visitor).await
    }

    async fn authenticated(mut self, visitor: &Visitor) -> Self {
        let socket = &mut self;
        socket
            .send_json(json!({"type": "connect", "token": visitor.token}))
            .await;

        match socket.next_event().await {
            SocketEvent::Message(ServerMessage::Connected { node, user_id, .. }) => {
                assert_eq!(user_id.as_str(), visitor.name);
                socket.node = node.to_string();
            }
            other => panic!("{} was not welcomed: {other:?}", visitor.name),
        }

        self
    }

    /// Sends a message.
    pub async fn send_json(&mut self, message: Value) {
        self.send(Message::text(message.to_string())).await;
    }

    /// Sends any frame. A frame that is too late is no failure: the reason is the next event.
    pub async fn send(&mut self, frame: Message) {
        let _ = with_timeout("a frame to be taken", self.stream.send(frame)).await;
    }

    /// The next message that is not a heartbeat, or the end.
    pub async fn next_event(&mut self) -> SocketEvent {
        with_timeout("a message", self.next()).await
    }

    /// The same; nothing if no event comes for this long.
    pub async fn next_event_within(&mut self, time: Duration) -> Option<SocketEvent> {
        tokio::time::timeout(time, self.next()).await.ok()
    }

    /// The next message as it is on the wire, heartbeats included.
    ///
    /// # Errors
    /// The close code, if the socket ends and there is one.
    pub async fn next_json(&mut self) -> Result<Value, Option<u16>> {
        loop {
            match with_timeout("a message", self.stream.next()).await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(text.as_str()).expect("messages are JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    async fn next(&mut self) -> SocketEvent {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => match parse(text.as_str()) {
                    ServerMessage::Heartbeat => {}
                    message => return SocketEvent::Message(message),
                },
                Some(Ok(Message::Close(frame))) => {
                    return SocketEvent::Closed(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return SocketEvent::Closed(None),
            }
        }
    }

    /// The first message that `wanted` accepts; drops the others. Panics if the socket ends before.
    pub async fn until<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(ServerMessage) -> Option<T>,
    ) -> T {
        with_timeout(what, async {
            loop {
                match self.next().await {
                    SocketEvent::Message(message) => {
                        if let Some(found) = wanted(message) {
                            return found;
                        }
                    }
                    SocketEvent::Closed(code) => panic!("closed ({code:?}) before: {what}"),
                }
            }
        })
        .await
    }

    /// Joins; the answer is `queued`, `pass` or `error`.
    pub async fn join(&mut self, event: &str, ticket: Option<&str>) -> ServerMessage {
        self.send_json(json!({"type": "join", "event_id": event, "ticket": ticket}))
            .await;
        self.until("the answer to a join", |message| {
            use ServerMessage::{Error, Pass, Queued};
            matches!(message, Queued { .. } | Pass { .. } | Error { .. }).then_some(message)
        })
        .await
    }

    /// Joins and is given a place to wait at: the ticket and the position.
    pub async fn queue(&mut self, event: &str, ticket: Option<&str>) -> (String, u64) {
        match self.join(event, ticket).await {
            ServerMessage::Queued {
                ticket, position, ..
            } => (ticket, position),
            other => panic!("wanted a place to wait at, got {other:?}"),
        }
    }

    /// The close code; drops all messages before.
    pub async fn close_code(&mut self) -> Option<u16> {
        with_timeout("the end of a socket", async {
            loop {
                if let SocketEvent::Closed(code) = self.next().await {
                    return code;
                }
            }
        })
        .await
    }

    /// Reads to the end: the close code, and the number of bytes.
    pub async fn drained(&mut self) -> (Option<u16>, usize) {
        let mut bytes = 0;
        with_timeout("the end of a socket", async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Close(frame))) => {
                        return (frame.map(|frame| frame.code.into()), bytes);
                    }
                    Some(Ok(message)) => bytes += message.len(),
                    Some(Err(_)) | None => return (None, bytes),
                }
            }
        })
        .await
    }

    /// Closes as a browser does when the page is left.
    pub async fn close(mut self) {
        let _ = self.stream.close(None).await; // the other side may have been first
        let _ = tokio::time::timeout(Duration::from_secs(5), self.close_code()).await;
    }
}

fn parse(text: &str) -> ServerMessage {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("the gateway said {text}: {error}"))
}
