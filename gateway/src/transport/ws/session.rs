//! The second phase of a connection: the client speaks, the mailbox speaks, the clock speaks; whoever
//! is first is served.

mod auto_hold;
mod inbound;
mod outbound;

use std::{future::poll_fn, sync::Arc, task::Poll};

use axum::body::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt, future::BoxFuture};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message, error::CapacityError};
use waitingroom::{
    ids::{EventId, IdempotencyKey},
    line::Grant,
    problem::Problem,
    wire::{CloseCode, ServerMessage},
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

/// A client that is not heard of for this many heartbeats is taken for gone.
const IDLE_TIMEOUT_HEARTBEATS: f64 = 2.5;

/// One event that the connection follows.
struct EventSubscription {
    /// Dropping it detaches the connection.
    room: RoomSubscription,
    /// The pass last given, to be acknowledged and handed to booking.
    pass: Option<Arc<Grant>>,
    /// What the user wants, where they said so.
    auto_hold: Option<Box<AutoHoldState>>,
    /// Where a guest's place is counted.
    _guest_connection: Option<Box<GuestConnection>>,
}

impl EventSubscription {
    fn event(&self) -> EventId {
        self.room.event()
    }
}

/// What booking answered to a `reserve`.
type ReserveReply = (
    IdempotencyKey,
    Result<serde_json::Map<String, serde_json::Value>, BookingClientError>,
);

/// Who speaks next.
enum SessionEvent {
    Frame(Option<Result<Message, Error>>),
    Wake(WakeReasons),
    Reserve(ReserveReply),
    AutoHold(AutoHoldEvent),
}

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
    /// The session of a client that has introduced itself.
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

    /// Serves whoever speaks next, until the end. Only receiving and waiting is ever cancelled,
    /// never a write. What is done about it lives in a box while it is done.
    pub(super) async fn run(&mut self, socket: &mut Socket) -> Disconnect {
        if let Err(end) = Box::pin(self.on_start(socket)).await {
            return end;
        }
        loop {
            let step: BoxFuture<'_, Result<(), Disconnect>> = match self.next(socket).await {
                SessionEvent::Frame(frame) => Box::pin(self.on_frame(socket, frame)),
                SessionEvent::Wake(due) => Box::pin(self.on_wake(socket, due)),
                SessionEvent::Reserve(answer) => Box::pin(self.send_reserve_reply(socket, answer)),
                SessionEvent::AutoHold(wished) => Box::pin(self.send_auto_hold(socket, wished)),
            };
            if let Err(end) = step.await {
                return end;
            }
        }
    }

    /// A client that did not wait for its welcome is told it together with the answer: one write
    /// for both.
    async fn on_start(&mut self, socket: &mut Socket) -> Result<(), Disconnect> {
        if let Some(frame) = socket.next().now_or_never() {
            self.on_frame(socket, frame).await?;
        }
        flush(socket).await
    }

    fn next(&mut self, socket: &mut Socket) -> impl Future<Output = SessionEvent> {
        poll_fn(|context| {
            if let Poll::Ready(due) = self.mailbox.poll_wake(context) {
                return Poll::Ready(SessionEvent::Wake(due));
            }
            if let Some(Poll::Ready(answer)) = self
                .pending_reserve
                .as_mut()
                .map(|answer| answer.poll_unpin(context))
            {
                self.pending_reserve = None;
                return Poll::Ready(SessionEvent::Reserve(answer));
            }
            if let Some(Poll::Ready(wished)) = self
                .pending_hold
                .as_mut()
                .map(|wished| wished.poll_unpin(context))
            {
                self.pending_hold = None;
                return Poll::Ready(SessionEvent::AutoHold(wished));
            }
            socket.poll_next_unpin(context).map(SessionEvent::Frame)
        })
    }

    /// Does what the mailbox says is due.
    async fn on_wake(&mut self, socket: &mut Socket, due: WakeReasons) -> Result<(), Disconnect> {
        if due.contains(WakeReasons::UPDATES) {
            self.send_updates(socket).await?;
        }
        if due.contains(WakeReasons::HEARTBEAT) {
            self.send_heartbeat(socket).await?;
        }
        if due.contains(WakeReasons::DRAIN_NOTICE) {
            let after_ms =
                u64::try_from(self.mailbox.drain_delay().as_millis()).unwrap_or(u64::MAX);
            send(socket, &ServerMessage::Reconnect { after_ms }).await?;
        }
        if due.contains(WakeReasons::CLOSE) {
            Err(Disconnect::Close(CloseCode::Drain))
        } else {
            Ok(())
        }
    }

    /// A message for the client's code and a ping for its network stack: browsers answer the ping
    /// by themselves.
    async fn send_heartbeat(&mut self, socket: &mut Socket) -> Result<(), Disconnect> {
        if self.last_received_at.elapsed()
            > self
                .gateway
                .0
                .config
                .heartbeat
                .mul_f64(IDLE_TIMEOUT_HEARTBEATS)
        {
            return Err(Disconnect::Close(CloseCode::HeartbeatMissed));
        }
        feed(socket, &ServerMessage::Heartbeat).await?;
        with_write_timeout(socket.feed(Message::Ping(Bytes::new()))).await?;
        flush(socket).await
    }
}

/// A refusal as the socket says it.
pub(super) fn error_message(problem: &Problem, about: Option<String>) -> ServerMessage {
    ServerMessage::Error {
        code: problem.code.as_str().to_owned(),
        message: problem.detail.clone(),
        r#ref: about,
    }
}

/// What a failed read means: a frame beyond the limits, or too many, are the client's fault, all
/// else is a vanished client.
pub(super) fn protocol_error(error: &Error) -> Disconnect {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) | Error::Utf8(_) => {
            Disconnect::Close(CloseCode::BadMessage)
        }
        Error::Io(error) if is_rate_limit_error(error) => Disconnect::Close(CloseCode::TooMany),
        _ => Disconnect::Gone,
    }
}
