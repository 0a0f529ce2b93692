//! The third phase of a connection: handles frames from the client, updates from its mailbox, and
//! booking's replies, one at a time.

mod auto_hold;
mod inbound;
mod outbound;
mod pending_reply;
mod subscriptions;

use std::{future::poll_fn, sync::Arc, task::Poll};

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::Instrument;
use waitingroom_domain::{
    ids::{EventId, IdempotencyKey},
    queue::{Grant, Removal, SaleState},
};
use waitingroom_server::protocol::{CloseCode, SeatPreference, ServerMessage};

#[cfg(any(test, feature = "measure"))]
pub(crate) use self::outbound::position_message;
use self::{
    auto_hold::{AutoHoldEvent, AutoHoldReply},
    pending_reply::PendingReply,
    subscriptions::Subscriptions,
};
use super::{
    authenticate::{AuthenticatedClient, SocketUser},
    socket::{ClientSocket, Disconnect, Frame},
};
use crate::{
    auto_hold::{AutoHoldOutcome, idempotency_key},
    booking_client::{BookingClientError, UserCredentials},
    connection::mailbox::{Mailbox, PendingUpdates, RejectedAck, WakeReasons},
    place_presenter::removal_problem,
    transport::services::ConnectionServices,
};

/// A client that sends nothing for this many heartbeats is disconnected.
const IDLE_TIMEOUT_HEARTBEATS: f64 = 2.5;

/// Booking's reply to a `reserve`.
type ReserveReply = (
    IdempotencyKey,
    Result<Map<String, Value>, BookingClientError>,
);

/// What the session handles next.
enum SessionEvent {
    Frame(Result<Frame, Disconnect>),
    Wake(WakeReasons),
    Reserve(ReserveReply),
    AutoHold(AutoHoldEvent),
}

/// The session of an authenticated client.
pub(super) struct Session<'s> {
    services: &'s ConnectionServices,
    socket: &'s mut ClientSocket,
    user: Box<SocketUser>,
    mailbox: Arc<Mailbox>,
    subscriptions: Subscriptions,
    pending_reserve: PendingReply<ReserveReply>,
    pending_hold: PendingReply<AutoHoldEvent>,
    last_received_at: Instant,
}

impl<'s> Session<'s> {
    /// A session without subscriptions.
    pub(super) fn new(services: &'s ConnectionServices, client: AuthenticatedClient<'s>) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        services.heartbeat_wheel.register(&mailbox);

        Self {
            services,
            socket: client.socket,
            user: client.user,
            mailbox,
            subscriptions: Subscriptions::default(),
            pending_reserve: PendingReply::default(),
            pending_hold: PendingReply::default(),
            last_received_at: Instant::now(),
        }
    }

    /// Handles events until the connection ends. Only receiving and waiting is ever cancelled,
    /// never a write. Each event is handled in a box that lives only as long: the session's own
    /// future stays small.
    pub(super) async fn run(&mut self) -> Disconnect {
        if let Err(disconnect) = Box::pin(self.on_start()).await {
            return disconnect;
        }

        loop {
            let event = self.next_event().await;
            if let Err(disconnect) = self.on_event(event).await {
                return disconnect;
            }
        }
    }

    /// The span is that of one event: one of the whole session would cost each connection 88 bytes.
    fn on_event(&mut self, event: SessionEvent) -> BoxFuture<'_, Result<(), Disconnect>> {
        let span = tracing::debug_span!("session", user = %self.user.identity.user);
        match event {
            SessionEvent::Frame(frame) => Box::pin(self.on_frame(frame).instrument(span)),
            SessionEvent::Wake(reasons) => Box::pin(self.on_wake(reasons).instrument(span)),
            SessionEvent::Reserve(reply) => Box::pin(self.on_reserve_reply(reply).instrument(span)),
            SessionEvent::AutoHold(progress) => {
                Box::pin(self.on_auto_hold(progress).instrument(span))
            }
        }
    }

    /// A client that did not wait for `connected` gets it together with the reply: one write for
    /// both.
    async fn on_start(&mut self) -> Result<(), Disconnect> {
        if let Some(frame) = self.socket.next_frame().now_or_never() {
            self.on_event(SessionEvent::Frame(frame)).await?;
        }
        self.socket.flush().await
    }

    /// Waits for the next event: updates first, frames from the client last.
    fn next_event(&mut self) -> impl Future<Output = SessionEvent> {
        poll_fn(|context| {
            if let Poll::Ready(reasons) = self.mailbox.poll_wake(context) {
                return Poll::Ready(SessionEvent::Wake(reasons));
            }
            if let Poll::Ready(reply) = self.pending_reserve.poll(context) {
                return Poll::Ready(SessionEvent::Reserve(reply));
            }
            if let Poll::Ready(progress) = self.pending_hold.poll(context) {
                return Poll::Ready(SessionEvent::AutoHold(progress));
            }
            self.socket.poll_frame(context).map(SessionEvent::Frame)
        })
    }

    /// Handles the reasons for which the mailbox has woken the connection.
    async fn on_wake(&mut self, reasons: WakeReasons) -> Result<(), Disconnect> {
        if reasons.contains(WakeReasons::UPDATES) {
            self.send_updates().await?;
        }

        if reasons.contains(WakeReasons::HEARTBEAT) {
            self.send_heartbeat().await?;
        }

        if reasons.contains(WakeReasons::DRAIN_NOTICE) {
            let after_ms =
                u64::try_from(self.mailbox.drain_delay().as_millis()).unwrap_or(u64::MAX);
            self.socket
                .send(&ServerMessage::Reconnect { after_ms })
                .await?;
        }

        if reasons.contains(WakeReasons::CLOSE) {
            Err(Disconnect::Close(CloseCode::Drain))
        } else {
            Ok(())
        }
    }

    /// A message for the client's code, and a ping for its network stack: browsers reply to pings
    /// themselves.
    async fn send_heartbeat(&mut self) -> Result<(), Disconnect> {
        let heartbeat = self.services.heartbeat_wheel.heartbeat();
        if self.last_received_at.elapsed() > heartbeat.mul_f64(IDLE_TIMEOUT_HEARTBEATS) {
            return Err(Disconnect::Close(CloseCode::HeartbeatMissed));
        }

        self.socket.feed(&ServerMessage::Heartbeat).await?;
        self.socket.feed_ping().await?;
        self.socket.flush().await
    }

    /// Sends everything that waits in the mailbox.
    async fn send_updates(&mut self) -> Result<(), Disconnect> {
        for (event, updates) in self.mailbox.drain() {
            self.send_event_updates(event, updates).await?;
        }
        self.socket.flush().await
    }

    async fn send_event_updates(
        &mut self,
        event: EventId,
        updates: PendingUpdates,
    ) -> Result<(), Disconnect> {
        if let Some(settings) = updates.sale {
            let message = outbound::sale_message(event, &settings);
            self.socket.feed(&message).await?;
            if settings.state == SaleState::Closed {
                return Err(Disconnect::Close(CloseCode::EventClosed));
            }
        }

        if let Some(place) = updates.place {
            let presenter = &self.services.presenter;
            let message = presenter.place_message(event, &self.user.identity.user, &place);
            self.socket.feed(&message).await?;
        }
        if let Some(position) = updates.position {
            let message = outbound::position_message(event, position);
            self.socket.feed(&message).await?;
        }

        if let Some(rejected) = updates.rejected_ack {
            self.send_rejected_ack(event, *rejected).await?;
        }
        if let Some(lapse) = updates.removal {
            self.send_removal(event, lapse).await?;
        }

        // The pass comes last: it may wait for its automatic hold.
        match updates.pass {
            Some(grant) => self.send_pass(event, grant).await,
            None => Ok(()),
        }
    }

    async fn send_rejected_ack(
        &mut self,
        event: EventId,
        rejected: RejectedAck,
    ) -> Result<(), Disconnect> {
        if self.subscriptions.has_hold(&rejected.pass) {
            return Ok(());
        }

        let queue = &self.services.queue;
        let problem = queue.ack_problem(event, rejected.error).await;
        let message_ref = rejected.pass.to_string();
        self.socket.feed_problem(&problem, Some(message_ref)).await
    }

    async fn send_removal(&mut self, event: EventId, lapse: Removal) -> Result<(), Disconnect> {
        if lapse != Removal::Left {
            self.socket
                .feed_problem(&removal_problem(lapse), Some(event.to_string()))
                .await?;
        }
        self.subscriptions.remove(event);

        match lapse {
            // The place is kept: `join` returns to it.
            Removal::Unclaimed => Ok(()),
            Removal::Expired | Removal::Absent | Removal::Left => {
                self.socket
                    .feed(&ServerMessage::Left { event_id: event })
                    .await
            }
        }
    }

    /// Sends a pass, or starts its hold first. One hold at a time: the engine sends a pass again
    /// within a second, until it is acknowledged.
    async fn send_pass(&mut self, event: EventId, grant: Arc<Grant>) -> Result<(), Disconnect> {
        let to_hold = self.subscriptions.get_mut(event).and_then(|subscription| {
            subscription.pass = Some(Arc::clone(&grant));
            subscription.preferences_to_hold(&grant.pass_id)
        });

        match to_hold {
            None => self.send_pass_message(event, &grant).await,
            Some(_) if self.pending_hold.is_pending() => Ok(()),
            Some(preferences) => {
                self.start_auto_hold(event, grant, preferences);
                Ok(())
            }
        }
    }

    fn start_auto_hold(
        &mut self,
        event: EventId,
        grant: Arc<Grant>,
        preferences: Vec<SeatPreference>,
    ) {
        let service = Arc::clone(&self.services.auto_hold);
        let user = self.user.identity.user.clone();
        let credentials = self.credentials();
        let held_with = Arc::clone(&grant);
        let request = async move {
            let outcome = service
                .hold_first_available(&credentials, event, &user, &held_with, &preferences)
                .await;
            AutoHoldReply {
                event,
                grant: held_with,
                outcome,
            }
        };

        self.pending_hold
            .start(auto_hold::with_timeout(event, grant, request.boxed()));
    }

    /// Sends the pass or the seats that a hold was waited for.
    async fn on_auto_hold(&mut self, progress: AutoHoldEvent) -> Result<(), Disconnect> {
        match progress {
            AutoHoldEvent::Ready(reply) => {
                let (event, grant) = (reply.event, Arc::clone(&reply.grant));
                if self.keep_hold_outcome(reply) {
                    self.send_pass_message(event, &grant).await?;
                }
            }
            AutoHoldEvent::TimedOut(event, grant, request) => {
                self.pending_hold
                    .start(async move { AutoHoldEvent::ReadyLate(request.await) });
                self.send_pass_message(event, &grant).await?;
            }
            AutoHoldEvent::ReadyLate(reply) => {
                if let AutoHoldOutcome::Held(booking) = &reply.outcome {
                    let key = idempotency_key(&reply.grant.pass_id).to_string();
                    let message = outbound::reserved_message(key, booking.clone());
                    self.socket.feed(&message).await?;
                }
                self.keep_hold_outcome(reply);
            }
        }

        self.socket.flush().await
    }

    /// Keeps the result of a hold. False if the connection has left the event.
    fn keep_hold_outcome(&mut self, reply: AutoHoldReply) -> bool {
        let Some(subscription) = self.subscriptions.get_mut(reply.event) else {
            return false;
        };
        subscription.keep_hold_outcome(reply.grant.pass_id.clone(), reply.outcome);
        true
    }

    /// The pass, with the result of its hold if that is known.
    async fn send_pass_message(&mut self, event: EventId, grant: &Grant) -> Result<(), Disconnect> {
        let (hold, left) = self
            .subscriptions
            .get(event)
            .and_then(|subscription| subscription.hold_outcome(&grant.pass_id))
            .map(AutoHoldOutcome::message_parts)
            .unwrap_or_default();

        let user = &self.user.identity.user;
        let presenter = &self.services.presenter;
        let message = presenter.pass_message(event, user, grant, hold, left);
        self.socket.feed(&message).await
    }

    async fn on_reserve_reply(&mut self, reply: ReserveReply) -> Result<(), Disconnect> {
        let message = outbound::reserve_reply_message(reply);
        self.socket.send(&message).await
    }

    /// The user's credentials for booking.
    fn credentials(&self) -> UserCredentials {
        let SocketUser {
            identity,
            address,
            token,
        } = &*self.user;
        self.services.booking.credentials(token, identity, *address)
    }
}
