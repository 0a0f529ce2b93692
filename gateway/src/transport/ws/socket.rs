//! A client's socket: reads frames, writes messages in time, and closes.

use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Bytes;
use futures_util::{SinkExt, StreamExt, poll};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, Utf8Bytes, error::CapacityError, protocol::CloseFrame},
};
use waitingroom_server::{
    problem::Problem,
    protocol::{CloseCode, ServerMessage},
};

use super::message_rate_limit::{RateLimitedStream, is_rate_limit_error};

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
pub(super) enum Disconnect {
    /// The client closed or vanished.
    Gone,
    /// The gateway closes it.
    Close(CloseCode),
}

/// A frame from the client.
pub(super) enum Frame {
    Text(Utf8Bytes),
    Binary,
    /// The client closes; to be answered by [`ClientSocket::echo_close`].
    Close,
    /// A ping, which the library has replied to, or a pong.
    Control,
}

/// See the module's documentation.
pub(super) struct ClientSocket(WebSocketStream<RateLimitedStream>);

impl ClientSocket {
    pub(super) fn new(stream: WebSocketStream<RateLimitedStream>) -> Self {
        Self(stream)
    }

    /// Waits for the next frame.
    pub(super) async fn next_frame(&mut self) -> Result<Frame, Disconnect> {
        poll_fn(|context| self.poll_frame(context)).await
    }

    /// Polls for the next frame.
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Frame, Disconnect>> {
        self.0.poll_next_unpin(context).map(|frame| match frame {
            Some(Ok(Message::Text(text))) => Ok(Frame::Text(text)),
            Some(Ok(Message::Binary(_))) => Ok(Frame::Binary),
            Some(Ok(Message::Close(_))) => Ok(Frame::Close),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(Frame::Control),
            Some(Err(error)) => Err(protocol_error(&error)),
            None => Err(Disconnect::Gone),
        })
    }

    pub(super) async fn send(&mut self, message: &ServerMessage) -> Result<(), Disconnect> {
        self.feed(message).await?;
        self.flush().await
    }

    pub(super) async fn send_problem(
        &mut self,
        problem: &Problem,
        message_ref: Option<String>,
    ) -> Result<(), Disconnect> {
        self.send(&error_message(problem, message_ref)).await
    }

    /// Queues a message that [`ClientSocket::flush`] sends.
    pub(super) async fn feed(&mut self, message: &ServerMessage) -> Result<(), Disconnect> {
        let text = Message::Text(message.to_json().into());
        with_write_timeout(self.0.feed(text)).await
    }

    /// Queues the message for a problem.
    pub(super) async fn feed_problem(
        &mut self,
        problem: &Problem,
        message_ref: Option<String>,
    ) -> Result<(), Disconnect> {
        self.feed(&error_message(problem, message_ref)).await
    }

    /// Queues a ping.
    pub(super) async fn feed_ping(&mut self) -> Result<(), Disconnect> {
        with_write_timeout(self.0.feed(Message::Ping(Bytes::new()))).await
    }

    pub(super) async fn flush(&mut self) -> Result<(), Disconnect> {
        with_write_timeout(self.0.flush()).await
    }

    /// Echoes the client's close frame: the library queues the echo when it reads the frame, and
    /// writes it on the next read.
    pub(super) async fn echo_close(&mut self) -> Disconnect {
        let _ = timeout(CLOSE_TIMEOUT, async {
            while let Some(Ok(_)) = self.0.next().await {}
        })
        .await;
        Disconnect::Gone
    }

    pub(super) async fn close(&mut self, code: CloseCode) {
        let frame = CloseFrame {
            code: code.code().into(),
            reason: Utf8Bytes::from_static(code.reason()),
        };
        let sent = timeout(WRITE_TIMEOUT, self.0.send(Message::Close(Some(frame)))).await;
        if matches!(sent, Ok(Ok(()))) {
            let _ = timeout(CLOSE_TIMEOUT, self.finish_close()).await;
        }
    }

    /// Waits for the client's own close frame. If its frames cannot be read any more, as after one
    /// that is too large, the bytes are read and discarded: dropping a connection with unread bytes
    /// resets it, and browsers then lose the close frame before they report it.
    async fn finish_close(&mut self) {
        // After an error the library reports the end of the stream, even if bytes follow.
        while let Some(Ok(_)) = self.0.next().await {}

        let stream = self.0.get_mut().raw();
        let _ = stream.shutdown().await; // nothing follows the close frame
        let mut bytes = vec![0; DISCARD_BUFFER_BYTES];
        let mut left = MAX_DISCARDED_BYTES;
        while let Ok(read @ 1..) = stream.read(&mut bytes).await
            && read <= left
        {
            left -= read;
        }
    }
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

fn error_message(problem: &Problem, message_ref: Option<String>) -> ServerMessage {
    ServerMessage::Error {
        code: problem.code.as_str().to_owned(),
        message: problem.detail.clone(),
        r#ref: message_ref,
    }
}

/// The end of a connection whose read failed: a frame beyond the limits, or too many frames, close
/// it; any other error means that the client is gone.
fn protocol_error(error: &Error) -> Disconnect {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) | Error::Utf8(_) => {
            Disconnect::Close(CloseCode::BadMessage)
        }
        Error::Io(error) if is_rate_limit_error(error) => Disconnect::Close(CloseCode::TooMany),
        _ => Disconnect::Gone,
    }
}
