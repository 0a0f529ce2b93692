//! The WebSocket of a client: one task for each connection, without a split or a channel; a mailbox
//! holds what is written next.

mod authenticate;
mod handshake;
mod rate_limit;
mod session;

use std::{
    net::{IpAddr, SocketAddr},
    pin::pin,
    task::Poll,
    time::Duration,
};

use axum::{
    Extension,
    extract::{ConnectInfo, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use futures_util::{SinkExt, StreamExt, poll};
use hyper::upgrade::OnUpgrade;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes, protocol::CloseFrame};
use waitingroom_server::{
    problem::Problem,
    protocol::{CloseCode, ServerMessage},
};

pub(crate) use self::handshake::Handshake;
#[cfg(any(test, feature = "measure"))]
pub(crate) use self::session::position_message;
use self::{handshake::Socket, session::Session};
use crate::state::Gateway;

/// A client that does not accept a frame for this long is disconnected; its place and pass are
/// kept.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the closing handshake; after it the connection is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Max bytes that are still read, and discarded, after the close frame: as much as a browser may
/// have sent already.
const MAX_DISCARDED_BYTES: usize = 8 * 1024 * 1024;
/// Size of the buffer that they are read into.
const DISCARD_BUFFER_BYTES: usize = 16 * 1024;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disconnect {
    /// The client closed or vanished.
    Gone,
    /// The gateway closes it.
    Close(CloseCode),
}

/// The listener's permit for the connection, held for as long as the connection lives.
type PermitExtension = Option<Extension<waitingroom_server::http::ConnectionPermit>>;

/// What a connection keeps of its request: the permit and the client's address.
type ConnectionContext = Box<(PermitExtension, IpAddr)>;

pub(crate) async fn upgrade(
    State(gateway): State<Gateway>,
    permit: PermitExtension,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    handshake: Result<Handshake, Problem>,
) -> Response {
    let (response, connection) = match handshake {
        Ok(handshake) => handshake.respond(),
        Err(problem) => return problem.into_response(),
    };
    let address = gateway.0.guest_rate_limiter.request_address(peer, &headers);
    let context = Box::new((permit, address));

    let lifecycle = gateway.0.deps.lifecycle.clone();
    tokio::spawn(lifecycle.track(serve_connection(gateway, context, connection)));
    response
}

/// A connection from upgrade to close. Rare steps run in a box: otherwise the task would reserve
/// room for the largest of them for as long as the connection waits.
async fn serve_connection(gateway: Gateway, context: ConnectionContext, connection: OnUpgrade) {
    let clock = gateway.0.deps.clock.clone();
    let Some(mut socket) = Box::pin(handshake::open(connection, clock)).await else {
        return;
    };

    run(&gateway, &mut socket, &context.1).await;
    drop(context); // the permit is held until here
}

async fn run(gateway: &Gateway, socket: &mut Socket, address: &IpAddr) {
    metrics::gauge!(crate::metric_definitions::WEBSOCKET_CONNECTIONS).increment(1.0);
    let mut session = Box::pin(authenticate::authenticate(gateway, socket, *address))
        .await
        .map(|client| Session::new(gateway, client));
    let disconnect = match &mut session {
        Ok(session) => session.run(socket).await,
        Err(disconnect) => *disconnect,
    };

    // Detaches the connection before it is closed: closing may take a while.
    drop(session);
    metrics::gauge!(crate::metric_definitions::WEBSOCKET_CONNECTIONS).decrement(1.0);
    let reason = match disconnect {
        Disconnect::Gone => "gone",
        Disconnect::Close(code) => code.reason(),
    };
    metrics::counter!(crate::metric_definitions::WEBSOCKET_DISCONNECTS, "reason" => reason)
        .increment(1);

    if let Disconnect::Close(code) = disconnect {
        Box::pin(close(socket, code)).await;
    }
}

/// Echoes the client's close frame: the library queues the echo when it reads the frame, and writes
/// it on the next read.
async fn echo_close(socket: &mut Socket) -> Disconnect {
    let _ = timeout(CLOSE_TIMEOUT, async {
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    Disconnect::Gone
}

async fn send(socket: &mut Socket, message: &ServerMessage) -> Result<(), Disconnect> {
    feed(socket, message).await?;
    flush(socket).await
}

/// Queues a message that [`flush`] sends.
async fn feed(socket: &mut Socket, message: &ServerMessage) -> Result<(), Disconnect> {
    with_write_timeout(socket.feed(text(message))).await
}

async fn flush(socket: &mut Socket) -> Result<(), Disconnect> {
    with_write_timeout(socket.flush()).await
}

fn text(message: &ServerMessage) -> Message {
    Message::Text(message.to_json().into())
}

/// Sets a timer only if the write has to wait, which is rare.
async fn with_write_timeout(
    write: impl Future<Output = Result<(), Error>>,
) -> Result<(), Disconnect> {
    let mut write = pin!(write);
    let written = match poll!(&mut write) {
        Poll::Ready(written) => Ok(written),
        Poll::Pending => Box::pin(timeout(WRITE_TIMEOUT, write)).await,
    };

    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Disconnect::Gone),
        Err(_) => Err(Disconnect::Close(CloseCode::SlowReader)),
    }
}

async fn close(socket: &mut Socket, code: CloseCode) {
    let frame = CloseFrame {
        code: code.code().into(),
        reason: Utf8Bytes::from_static(code.reason()),
    };
    let sent = timeout(WRITE_TIMEOUT, socket.send(Message::Close(Some(frame)))).await;
    if matches!(sent, Ok(Ok(()))) {
        let _ = timeout(CLOSE_TIMEOUT, finish_close(socket)).await;
    }
}

/// Waits for the client's own close frame. If its frames cannot be read any more, as after one that
/// is too large, the bytes are read and discarded: dropping a connection with unread bytes resets
/// it, and browsers then lose the close frame before they report it.
async fn finish_close(socket: &mut Socket) {
    // After an error the library reports the end of the stream, even if bytes follow.
    while let Some(Ok(_)) = socket.next().await {}

    let stream = socket.get_mut().raw();
    let _ = stream.shutdown().await; // nothing follows the close frame
    let mut bytes = vec![0; DISCARD_BUFFER_BYTES];
    let mut left = MAX_DISCARDED_BYTES;
    while let Ok(read @ 1..) = stream.read(&mut bytes).await
        && read <= left
    {
        left -= read;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F: Future>(_: fn(Gateway, ConnectionContext, OnUpgrade) -> F) -> usize {
        size_of::<F>()
    }

    /// The memory of each waiting connection: a step that is awaited outside of a box shows here.
    #[test]
    fn reserves_little_memory_while_waiting() {
        let size = size(serve_connection);
        assert!(size <= 640, "{size} bytes");
    }
}
