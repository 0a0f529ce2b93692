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
    Disconnect, Socket, authenticate::AuthenticatedClient, flush, in_time, rate_limit::is_too_many,
    say, send,
};
use crate::{
    Gateway,
    booking_client::BookingClientError,
    connection::mailbox::{Mailbox, WakeReasons},
    guests::places::GuestConnection,
    queue_service::RoomSubscription,
};

/// A client that is not heard of for this many heartbeats is taken for gone.
const SILENT_HEARTBEATS: f64 = 2.5;

/// One event that the connection follows.
struct EventSubscription {
    /// Dropping it detaches the connection.
    attachment: RoomSubscription,
    /// The pass last given, to be acknowledged and handed to booking.
    pass: Option<Arc<Grant>>,
    /// What the user wants, where they said so.
    wish: Option<Box<AutoHoldState>>,
    /// Where a guest's place is counted.
    _stay: Option<Box<GuestConnection>>,
}

impl EventSubscription {
    fn event(&self) -> EventId {
        self.attachment.event()
    }
}

/// What booking answered to a `reserve`.
type ReserveReply = (
    IdempotencyKey,
    Result<serde_json::Map<String, serde_json::Value>, BookingClientError>,
);

/// Who speaks next.
enum SessionEvent {
    Client(Option<Result<Message, Error>>),
    Mailbox(WakeReasons),
    Booking(ReserveReply),
    AutoHold(AutoHoldEvent),
}

pub(super) struct Session<'a> {
    gateway: &'a Gateway,
    client: Box<AuthenticatedClient>,
    mailbox: Arc<Mailbox>,
    followed: Vec<EventSubscription>,
    reservation: Option<BoxFuture<'static, ReserveReply>>,
    wishing: Option<BoxFuture<'static, AutoHoldEvent>>,
    heard_at: Instant,
}

impl<'a> Session<'a> {
    /// The session of a client that has introduced itself.
    pub(super) fn new(gateway: &'a Gateway, client: Box<AuthenticatedClient>) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        gateway.0.pulse.register(&mailbox);
        Self {
            gateway,
            client,
            mailbox,
            followed: Vec::new(),
            reservation: None,
            wishing: None,
            heard_at: Instant::now(),
        }
    }

    /// Serves whoever speaks next, until the end. Only receiving and waiting is ever cancelled,
    /// never a write. What is done about it lives in a box while it is done.
    pub(super) async fn serve(&mut self, socket: &mut Socket) -> Disconnect {
        if let Err(end) = Box::pin(self.begin(socket)).await {
            return end;
        }
        loop {
            let step: BoxFuture<'_, Result<(), Disconnect>> = match self.next(socket).await {
                SessionEvent::Client(frame) => Box::pin(self.hear(socket, frame)),
                SessionEvent::Mailbox(due) => Box::pin(self.attend(socket, due)),
                SessionEvent::Booking(answer) => Box::pin(self.tell_reservation(socket, answer)),
                SessionEvent::AutoHold(wished) => Box::pin(self.tell_wish(socket, wished)),
            };
            if let Err(end) = step.await {
                return end;
            }
        }
    }

    /// A client that did not wait for its welcome is told it together with the answer: one write
    /// for both.
    async fn begin(&mut self, socket: &mut Socket) -> Result<(), Disconnect> {
        if let Some(frame) = socket.next().now_or_never() {
            self.hear(socket, frame).await?;
        }
        flush(socket).await
    }

    fn next(&mut self, socket: &mut Socket) -> impl Future<Output = SessionEvent> {
        poll_fn(|context| {
            if let Poll::Ready(due) = self.mailbox.poll_wake(context) {
                return Poll::Ready(SessionEvent::Mailbox(due));
            }
            if let Some(Poll::Ready(answer)) = self
                .reservation
                .as_mut()
                .map(|answer| answer.poll_unpin(context))
            {
                self.reservation = None;
                return Poll::Ready(SessionEvent::Booking(answer));
            }
            if let Some(Poll::Ready(wished)) = self
                .wishing
                .as_mut()
                .map(|wished| wished.poll_unpin(context))
            {
                self.wishing = None;
                return Poll::Ready(SessionEvent::AutoHold(wished));
            }
            socket.poll_next_unpin(context).map(SessionEvent::Client)
        })
    }

    /// Does what the mailbox says is due.
    async fn attend(&mut self, socket: &mut Socket, due: WakeReasons) -> Result<(), Disconnect> {
        if due.contains(WakeReasons::UPDATES) {
            self.tell_news(socket).await?;
        }
        if due.contains(WakeReasons::HEARTBEAT) {
            self.beat(socket).await?;
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
    async fn beat(&mut self, socket: &mut Socket) -> Result<(), Disconnect> {
        if self.heard_at.elapsed() > self.gateway.0.config.heartbeat.mul_f64(SILENT_HEARTBEATS) {
            return Err(Disconnect::Close(CloseCode::HeartbeatMissed));
        }
        say(socket, &ServerMessage::Heartbeat).await?;
        in_time(socket.feed(Message::Ping(Bytes::new()))).await?;
        flush(socket).await
    }
}

/// A refusal as the socket says it.
pub(super) fn error(problem: &Problem, about: Option<String>) -> ServerMessage {
    ServerMessage::Error {
        code: problem.code.as_str().to_owned(),
        message: problem.detail.clone(),
        r#ref: about,
    }
}

/// What a failed read means: a frame beyond the limits, or too many, are the client's fault, all
/// else is a vanished client.
pub(super) fn broken(error: &Error) -> Disconnect {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) | Error::Utf8(_) => {
            Disconnect::Close(CloseCode::BadMessage)
        }
        Error::Io(error) if is_too_many(error) => Disconnect::Close(CloseCode::TooMany),
        _ => Disconnect::Gone,
    }
}
