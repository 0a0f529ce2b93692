//! One WebSocket connection: one task, no split, no channel; a coalescing slot says what to write next.

mod guard;
mod introduction;
mod session;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{
        State,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::{IntoResponse, Response},
};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use waitingroom::{
    problem::{Code, Problem},
    wire::{CloseCode, MAX_FRAME_BYTES, SUBPROTOCOL, ServerMessage},
};

use crate::Gateway;

/// A client that does not take a frame for this long is closed; its place and pass are safe.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// Time for the closing handshake; after it the connection is dropped.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// The library keeps a read buffer of this size per connection; its default of 128 KiB costs 137 KB of memory each.
const READ_BUFFER_BYTES: usize = 1024;
/// Most bytes that wait to be written to one connection.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// Why a connection ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The client closed or vanished.
    Gone,
    /// We close it.
    Close(CloseCode),
}

/// The connection's place among the listener's; kept for as long as the connection lives.
type Place = Option<Extension<Arc<OwnedSemaphorePermit>>>;

pub(crate) async fn upgrade(
    State(gateway): State<Gateway>,
    place: Place,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) => accept(gateway, place, upgrade),
        Err(_) => Problem::new(Code::Malformed, "this path answers WebSocket handshakes only").into_response(),
    }
}

fn accept(gateway: Gateway, place: Place, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_BYTES + MAX_FRAME_BYTES)
        .max_message_size(MAX_FRAME_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .on_upgrade(move |mut socket| {
            let lifecycle = gateway.0.with.lifecycle.clone();
            let stopped = lifecycle.clone();
            lifecycle.track(async move {
                let _place = place;
                // By reference: a future keeps a second place for every value that it is handed.
                tokio::select! { () = converse(&gateway, &mut socket) => {}, () = stopped.stopped() => {} }
            })
        })
}

async fn converse(gateway: &Gateway, socket: &mut WebSocket) {
    metrics::gauge!("stanchion_sockets").increment(1.0);
    let end = match Box::pin(introduction::meet(gateway, socket)).await {
        Ok(introduced) => session::serve(gateway, socket, introduced).await,
        Err(end) => end,
    };
    metrics::gauge!("stanchion_sockets").decrement(1.0);
    let reason = match end {
        End::Gone => "gone",
        End::Close(code) => {
            Box::pin(close(socket, code)).await;
            code.reason()
        }
    };
    metrics::counter!("stanchion_socket_ends_total", "reason" => reason).increment(1);
}

/// Answers the client's close frame. The library puts the answer in the queue when it reads the frame, and writes it on the
/// next read.
async fn answer_close(socket: &mut WebSocket) -> End {
    let _ = timeout(CLOSE_DEADLINE, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    End::Gone
}

async fn send(socket: &mut WebSocket, message: &ServerMessage) -> Result<(), End> {
    write(socket, Message::Text(message.to_json().into())).await
}

async fn write(socket: &mut WebSocket, message: Message) -> Result<(), End> {
    match timeout(WRITE_DEADLINE, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Close(CloseCode::SlowReader)),
    }
}

async fn close(socket: &mut WebSocket, code: CloseCode) {
    let frame = CloseFrame { code: code.code(), reason: Utf8Bytes::from_static(code.reason()) };
    let said = timeout(WRITE_DEADLINE, socket.send(Message::Close(Some(frame)))).await;
    if matches!(said, Ok(Ok(()))) {
        // The client's own close frame ends the connection in order; one that does not send it is dropped.
        let _ = timeout(CLOSE_DEADLINE, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }
}
