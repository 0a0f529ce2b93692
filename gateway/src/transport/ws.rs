//! One WebSocket connection: one task, no split, no channel; a coalescing mailbox says what to write
//! next.

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
use waitingroom::{
    problem::Problem,
    wire::{CloseCode, ServerMessage},
};

pub(crate) use self::handshake::Handshake;
#[cfg(any(test, feature = "measure"))]
pub(crate) use self::session::position_message;
use self::{handshake::Socket, session::Session};
use crate::state::Gateway;

/// A client that does not take a frame for this long is closed; its place and pass are safe.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the closing handshake; after it the connection is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes that are still read of a client that is told why its connection ends: what a browser may
/// have under way.
const MAX_DISCARDED_BYTES: usize = 8 * 1024 * 1024;
/// So many at once.
const DISCARD_BUFFER_BYTES: usize = 16 * 1024;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disconnect {
    /// The client closed or vanished.
    Gone,
    /// We close it.
    Close(CloseCode),
}

/// The connection's place among the listener's; kept for as long as the connection lives.
type PermitExtension = Option<Extension<waitingroom::http::Place>>;

/// What a connection keeps of its request: its place, and where it comes from.
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
    let origin = Box::new((
        permit,
        gateway.0.guest_rate_limiter.request_address(peer, &headers),
    ));
    let lifecycle = gateway.0.deps.lifecycle.clone();
    tokio::spawn(lifecycle.track(serve_connection(gateway, origin, connection)));
    response
}

/// A connection's life. What happens once, or seldom, happens in a box: its task would otherwise
/// keep room for the largest of these steps all its life.
async fn serve_connection(gateway: Gateway, origin: ConnectionContext, connection: OnUpgrade) {
    let clock = gateway.0.deps.clock.clone();
    let Some(mut socket) = Box::pin(handshake::open(connection, clock)).await else {
        return;
    };
    run(&gateway, &mut socket, &origin.1).await;
    drop(origin); // the place is kept until here
}

async fn run(gateway: &Gateway, socket: &mut Socket, address: &IpAddr) {
    metrics::gauge!("stanchion_sockets").increment(1.0);
    let mut session = Box::pin(authenticate::authenticate(gateway, socket, *address))
        .await
        .map(|client| Session::new(gateway, client));
    let end = match &mut session {
        Ok(session) => session.run(socket).await,
        Err(end) => *end,
    };
    drop(session); // whoever has ended is absent at once, however long closing takes
    metrics::gauge!("stanchion_sockets").decrement(1.0);
    let reason = match end {
        Disconnect::Gone => "gone",
        Disconnect::Close(code) => code.reason(),
    };
    metrics::counter!("stanchion_socket_ends_total", "reason" => reason).increment(1);
    if let Disconnect::Close(code) = end {
        Box::pin(close(socket, code)).await;
    }
}

/// Answers the client's close frame. The library puts the answer in the queue when it reads the
/// frame, and writes it on the next read.
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

/// Says something that [`flush`] sends.
async fn feed(socket: &mut Socket, message: &ServerMessage) -> Result<(), Disconnect> {
    with_write_timeout(socket.feed(text(message))).await
}

async fn flush(socket: &mut Socket) -> Result<(), Disconnect> {
    with_write_timeout(socket.flush()).await
}

fn text(message: &ServerMessage) -> Message {
    Message::Text(message.to_json().into())
}

/// A timer is set only for a write that has to wait: nearly none has to.
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
    let said = timeout(WRITE_TIMEOUT, socket.send(Message::Close(Some(frame)))).await;
    if matches!(said, Ok(Ok(()))) {
        let _ = timeout(CLOSE_TIMEOUT, finish_close(socket)).await;
    }
}

/// The client's own close frame ends the connection in order; one that does not send it is dropped.
/// Where its frames cannot be read any more, as after one that is too large, the bytes are: a
/// connection that is dropped while some are unread is reset, and with that browsers forget the
/// close frame before they have told it.
async fn finish_close(socket: &mut Socket) {
    // After an error the library says that nothing follows, whatever does.
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

    /// Every user who waits costs this much, all the time: a step that is awaited outside of a box
    /// shows here.
    #[test]
    fn a_waiting_connection_keeps_room_for_waiting_only() {
        let size = size(serve_connection);
        assert!(size <= 640, "{size} bytes");
    }
}
