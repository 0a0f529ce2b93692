//! The second phase of a connection: handles frames from the client, updates from its mailbox, and
//! booking's replies, one at a time.

mod auto_hold;
mod inbound;
mod outbound;

use std::{future::poll_fn, sync::Arc, task::Poll};

use axum::body::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt, future::BoxFuture};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message, error::CapacityError};
use waitingroom_domain::{
    ids::{EventId, IdempotencyKey},
    queue::Grant,
};
use waitingroom_server::{
    problem::Problem,
    protocol::{CloseCode, ServerMessage},
};

use self::auto_hold::{AutoHoldEvent, AutoHoldState};
#[cfg(any(test, feature = "measure"))]
pub(crate) use self::outbound::position_message;
use super::{
    Disconnect, Socket, authenticate::AuthenticatedClient, feed, flush,
    rate_limit::is_rate_limit_error, send, with_write_timeout,
};
use crate::{
    booking_client::BookingClientError,
    connection::mailbox::{Mailbox, WakeReasons},
    guests::places::GuestConnection,
    queue_service::RoomSubscription,
    state::Gateway,
};

/// A client that sends nothing for this many heartbeats is disconnected.
const IDLE_TIMEOUT_HEARTBEATS: f64 = 2.5;

/// A connection's subscription to one event.
struct EventSubscription {
    /// Detaches the connection when dropped.
    room: RoomSubscription,
    /// The last pass, to be acknowledged and handed to booking.
    pass: Option<Arc<Grant>>,
    /// Seat preferences, if the user has some.
    auto_hold: Option<Box<AutoHoldState>>,
    /// Keeps a guest's place counted.
    _guest_connection: Option<Box<GuestConnection>>,
}

impl EventSubscription {
    fn event(&self) -> EventId {
        self.room.event()
    }
}

/// Booking's reply to a `reserve`.
type ReserveReply = (
    IdempotencyKey,
    Result<serde_json::Map<String, serde_json::Value>, BookingClientError>,
);

/// What the session handles next.
enum SessionEvent {
    Frame(Option<Result<Message, Error>>),
    Wake(WakeReasons),
    Reserve(ReserveReply),
    AutoHold(AutoHoldEvent),
}

/// The session of an authenticated client.
pub(super) struct Session<'a> {
    gateway: &'a Gateway,
    client: Box<AuthenticatedClient>,
    mailbox: Arc<Mailbox>,
    subscriptions: Vec<EventSubscription>,
    pending_reserve: Option<BoxFuture<'static, ReserveReply>>,
    pending_hold: Option<BoxFuture<'static, AutoHoldEvent>>,
    last_received_at: Instant,
}

impl<'a> Session<'a> {
    /// A session without subscriptions.
    pub(super) fn new(gateway: &'a Gateway, client: Box<AuthenticatedClient>) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        gateway.0.heartbeat_wheel.register(&mailbox);

        Self {
            gateway,
            client,
            mailbox,
            subscriptions: Vec::new(),
            pending_reserve: None,
            pending_hold: None,
            last_received_at: Instant::now(),
        }
    }

    /// Handles events until the connection ends. Only receiving and waiting is ever cancelled,
    /// never a write. Each event is handled in a box that lives only as long: the session's own
    /// future stays small.
    pub(super) async fn run(&mut self, socket: &mut Socket) -> Disconnect {
        if let Err(disconnect) = Box::pin(self.on_start(socket)).await {
            return disconnect;
        }

        loop {
            let handling: BoxFuture<'_, Result<(), Disconnect>> = match self
                .next_event(socket)
                .await
            {
                SessionEvent::Frame(frame) => Box::pin(self.on_frame(socket, frame)),
                SessionEvent::Wake(reasons) => Box::pin(self.on_wake(socket, reasons)),
                SessionEvent::Reserve(reply) => Box::pin(self.send_reserve_reply(socket, reply)),
                SessionEvent::AutoHold(progress) => Box::pin(self.send_auto_hold(socket, progress)),
            };
            if let Err(disconnect) = handling.await {
                return disconnect;
            }
        }
    }

    /// A client that did not wait for `connected` gets it together with the reply: one write for
    /// both.
    async fn on_start(&mut self, socket: &mut Socket) -> Result<(), Disconnect> {
        if let Some(frame) = socket.next().now_or_never() {
            self.on_frame(socket, frame).await?;
        }
        flush(socket).await
    }

    /// Waits for the next event: updates first, frames from the client last.
    fn next_event(&mut self, socket: &mut Socket) -> impl Future<Output = SessionEvent> {
        poll_fn(|context| {
            if let Poll::Ready(reasons) = self.mailbox.poll_wake(context) {
                return Poll::Ready(SessionEvent::Wake(reasons));
            }

            if let Some(Poll::Ready(reply)) = self
                .pending_reserve
                .as_mut()
                .map(|reply| reply.poll_unpin(context))
            {
                self.pending_reserve = None;
                return Poll::Ready(SessionEvent::Reserve(reply));
            }

            if let Some(Poll::Ready(progress)) = self
                .pending_hold
                .as_mut()
                .map(|progress| progress.poll_unpin(context))
            {
                self.pending_hold = None;
                return Poll::Ready(SessionEvent::AutoHold(progress));
            }

            socket.poll_next_unpin(context).map(SessionEvent::Frame)
        })
    }

    /// Handles the reasons for which the mailbox has woken the connection.
    async fn on_wake(
        &mut self,
        socket: &mut Socket,
        reasons: WakeReasons,
    ) -> Result<(), Disconnect> {
        if reasons.contains(WakeReasons::UPDATES) {
            self.send_updates(socket).await?;
        }

        if reasons.contains(WakeReasons::HEARTBEAT) {
            self.send_heartbeat(socket).await?;
        }

        if reasons.contains(WakeReasons::DRAIN_NOTICE) {
            let after_ms =
                u64::try_from(self.mailbox.drain_delay().as_millis()).unwrap_or(u64::MAX);
            send(socket, &ServerMessage::Reconnect { after_ms }).await?;
        }

        if reasons.contains(WakeReasons::CLOSE) {
            Err(Disconnect::Close(CloseCode::Drain))
        } else {
            Ok(())
        }
    }

    /// A message for the client's code, and a ping for its network stack: browsers reply to pings
    /// themselves.
    async fn send_heartbeat(&mut self, socket: &mut Socket) -> Result<(), Disconnect> {
        let heartbeat = self.gateway.0.config.heartbeat;
        if self.last_received_at.elapsed() > heartbeat.mul_f64(IDLE_TIMEOUT_HEARTBEATS) {
            return Err(Disconnect::Close(CloseCode::HeartbeatMissed));
        }

        feed(socket, &ServerMessage::Heartbeat).await?;
        with_write_timeout(socket.feed(Message::Ping(Bytes::new()))).await?;
        flush(socket).await
    }
}

/// The socket's message for a problem.
pub(super) fn error_message(problem: &Problem, message_ref: Option<String>) -> ServerMessage {
    ServerMessage::Error {
        code: problem.code.as_str().to_owned(),
        message: problem.detail.clone(),
        r#ref: message_ref,
    }
}

/// The end of a connection whose read failed: a frame beyond the limits, or too many frames, close
/// it; any other error means that the client is gone.
pub(super) fn protocol_error(error: &Error) -> Disconnect {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) | Error::Utf8(_) => {
            Disconnect::Close(CloseCode::BadMessage)
        }
        Error::Io(error) if is_rate_limit_error(error) => Disconnect::Close(CloseCode::TooMany),
        _ => Disconnect::Gone,
    }
}
