//! The second phase of a connection: the client speaks, the slot speaks, the clock speaks; whoever is first is served.

mod hearing;
mod telling;

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use futures_util::future::BoxFuture;
use rand::Rng;
use tokio::time::{Instant, sleep_until};
use waitingroom::{
    ids::{EventId, IdempotencyKey},
    line::Grant,
    problem::Problem,
    wire::{CloseCode, ServerMessage},
};

use super::{End, guard::Guard, introduction::Introduced, send, write};
use crate::{Gateway, booking_client::Refusal, desk::Attachment, registry::Slot};

/// A client that is not heard of for this many heartbeats is taken for gone.
const SILENT_HEARTBEATS: f64 = 2.5;

/// One event that the connection follows.
struct Followed {
    event: EventId,
    /// The pass last given, to be acknowledged and handed to booking.
    pass: Option<Grant>,
    #[expect(dead_code, reason = "held for its end: dropping it detaches the connection")]
    attachment: Attachment,
}

/// What booking answered to a `reserve`.
type Reservation = (IdempotencyKey, Result<serde_json::Map<String, serde_json::Value>, Refusal>);

struct Session<'a> {
    gateway: &'a Gateway,
    client: Introduced,
    slot: Arc<Slot>,
    followed: Vec<Followed>,
    guard: Guard,
    reservation: Option<BoxFuture<'static, Reservation>>,
    heard_at: Instant,
    beat_at: Instant,
}

pub(super) async fn serve(gateway: &Gateway, socket: &mut WebSocket, client: Introduced) -> End {
    let now = Instant::now();
    let mut session = Session {
        gateway,
        client,
        slot: Arc::new(Slot::default()),
        followed: Vec::new(),
        guard: Guard::new(gateway.0.with.clock.now()),
        reservation: None,
        heard_at: now,
        beat_at: now + gateway.0.config.heartbeat,
    };
    loop {
        if let Err(end) = session.turn(socket).await {
            return end;
        }
    }
}

impl Session<'_> {
    /// Serves whoever speaks next. Only receiving and waiting is ever cancelled, never a write.
    ///
    /// What is done about it lives in a box while it is done: a connection mostly waits, and would otherwise keep room for the
    /// largest of these steps all its life.
    async fn turn(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let slot = Arc::clone(&self.slot);
        tokio::select! {
            frame = socket.recv() => {
                self.heard_at = Instant::now();
                Box::pin(self.hear(socket, frame)).await
            }
            () = slot.woken() => Box::pin(self.tell_news(socket)).await,
            reservation = reserved(&mut self.reservation) => Box::pin(self.tell_reservation(socket, reservation)).await,
            () = sleep_until(self.beat_at) => Box::pin(self.beat(socket)).await,
            () = self.gateway.0.with.lifecycle.draining() => Box::pin(self.send_away(socket)).await,
        }
    }

    /// A message for the client's code and a ping for its network stack: browsers answer the ping by themselves.
    async fn beat(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let heartbeat = self.gateway.0.config.heartbeat;
        if self.heard_at.elapsed() > heartbeat.mul_f64(SILENT_HEARTBEATS) {
            return Err(End::Close(CloseCode::HeartbeatMissed));
        }
        self.beat_at = Instant::now() + heartbeat;
        send(socket, &ServerMessage::Heartbeat).await?;
        write(socket, Message::Ping(axum::body::Bytes::new())).await
    }

    /// Tells the client when to come back and closes somewhere in the drain window, so that not everybody arrives elsewhere at
    /// once.
    async fn send_away(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let window = self.gateway.0.config.drain_window;
        let stay = window.mul_f64(rand::rng().random_range(0.0..1.0));
        let leave_at = Instant::now() + stay;
        while Instant::now() < leave_at {
            let slot = Arc::clone(&self.slot);
            tokio::select! {
                () = slot.woken() => self.tell_news(socket).await?,
                () = sleep_until(leave_at) => break,
            }
        }
        send(socket, &ServerMessage::Reconnect { after_ms: 0 }).await?;
        Err(End::Close(CloseCode::Drain))
    }
}

/// The answer to the reservation under way; never, where there is none.
async fn reserved(reservation: &mut Option<BoxFuture<'static, Reservation>>) -> Reservation {
    match reservation {
        Some(answer) => answer.await,
        None => std::future::pending().await,
    }
}

/// A refusal as the socket says it.
pub(super) fn error(problem: &Problem, about: Option<String>) -> ServerMessage {
    ServerMessage::Error { code: problem.code.as_str().to_owned(), message: problem.detail.clone(), r#ref: about }
}

/// What a failed read means: a frame beyond the limits is the client's fault, all else is a vanished client.
pub(super) fn broken(error: &axum::Error) -> End {
    use tokio_tungstenite::tungstenite::{Error, error::CapacityError};
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<Error>());
    match cause {
        Some(Error::Capacity(CapacityError::MessageTooLong { .. }) | Error::Utf8(_)) => {
            End::Close(CloseCode::BadMessage)
        }
        _ => End::Gone,
    }
}
