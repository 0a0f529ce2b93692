//! Frames and messages from the client.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};
use waitingroom_domain::{
    ids::{EventId, PassId},
    queue::Place,
};
use waitingroom_server::{
    problem::{Code, Problem},
    protocol::{
        ClientMessage, CloseCode, JoinQueue, ReserveSeats, ServerMessage, check_preferences,
    },
};

use super::{EventSubscription, Session, error_message, protocol_error};
use crate::{
    booking_client::UserCredentials,
    connection::mailbox::MAX_EVENTS_PER_CONNECTION,
    queue_service::PresentedTicket,
    transport::ws::{Disconnect, Socket, echo_close, flush, send},
};

/// Result of a join.
enum JoinReply {
    Place(Place),
    /// Seats that an automatic hold got while the user was connected to another gateway: the user
    /// needs no place.
    AlreadyHeld(Map<String, Value>),
}

impl Session<'_> {
    pub(super) async fn on_frame(
        &mut self,
        socket: &mut Socket,
        frame: Option<Result<Message, Error>>,
    ) -> Result<(), Disconnect> {
        self.last_received_at = Instant::now();

        let text = match frame {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => return Err(Disconnect::Close(CloseCode::BadMessage)),
            Some(Ok(Message::Close(_))) => return Err(echo_close(socket).await),
            None => return Err(Disconnect::Gone),
            Some(Err(error)) => return Err(protocol_error(&error)),
        };

        match ClientMessage::parse(&text) {
            Ok(message) => self.on_message(socket, message).await,
            Err(problem) => {
                send(socket, &error_message(&problem, None)).await?;
                if problem.code == Code::Malformed {
                    Err(Disconnect::Close(CloseCode::BadMessage))
                } else {
                    Ok(())
                }
            }
        }
    }

    async fn on_message(
        &mut self,
        socket: &mut Socket,
        message: ClientMessage,
    ) -> Result<(), Disconnect> {
        if let Some(message_ref) = self.expired_token_ref(&message) {
            let problem = Problem::new(
                Code::TokenExpired,
                "the token of this connection has expired; connect with another",
            );
            return send(socket, &error_message(&problem, Some(message_ref))).await;
        }

        match message {
            ClientMessage::Join(join) => self.join(socket, join).await,
            ClientMessage::Ack(ack) => self.acknowledge(socket, ack.pass_id).await,
            ClientMessage::Reserve(request) => self.reserve(socket, request).await,
            ClientMessage::Leave(leave) => self.leave(socket, leave.event_id).await,
            ClientMessage::Ping => send(socket, &ServerMessage::Heartbeat).await,
            ClientMessage::Connect(_) => {
                let problem = Problem::new(Code::InvalidField, "you are connected already");
                send(socket, &error_message(&problem, None)).await
            }
            ClientMessage::Unknown => Ok(()),
        }
    }

    /// The `ref` of a message that needs a valid token, if the connection's token has expired. The
    /// user's places and the connection stay.
    fn expired_token_ref(&self, message: &ClientMessage) -> Option<String> {
        let message_ref = match message {
            ClientMessage::Join(join) => join.event_id.to_string(),
            ClientMessage::Reserve(request) => request.idempotency_key.to_string(),
            _ => return None,
        };

        self.client
            .identity
            .is_over(self.gateway.0.deps.clock.now())
            .then_some(message_ref)
    }

    async fn join(&mut self, socket: &mut Socket, join: JoinQueue) -> Result<(), Disconnect> {
        let event = join.event_id;
        match self.subscribe(&join).await {
            Ok(JoinReply::AlreadyHeld(booking)) => {
                self.send_previous_hold(socket, event, booking).await
            }
            Ok(JoinReply::Place(Place {
                grant: Some(grant), ..
            })) => {
                self.send_pass(socket, event, Arc::new(grant)).await?;
                flush(socket).await
            }
            Ok(JoinReply::Place(place)) => {
                let user = &self.client.identity.user;
                let message = self.gateway.place_message(event, user, &place);
                send(socket, &message).await
            }
            Err(problem) => send(socket, &error_message(&problem, Some(event.to_string()))).await,
        }
    }

    /// Takes or finds the user's place, and subscribes the connection to the event.
    async fn subscribe(&mut self, join: &JoinQueue) -> Result<JoinReply, Problem> {
        check_preferences("wish", join.wish.as_deref().unwrap_or_default())?;
        let event = join.event_id;
        let is_subscribed = self.subscription(event).is_some();
        if !is_subscribed && self.subscriptions.len() >= MAX_EVENTS_PER_CONNECTION {
            return Err(Problem::new(
                Code::RateLimited,
                "one connection may follow at most 8 events",
            ));
        }

        // Until the connection is attached, the end of another one does not make the user absent.
        let gateway = self.gateway;
        let user = self.client.identity.user.clone();
        let _pending_attach = gateway.begin_attach(event, &user);
        let presented = PresentedTicket {
            ticket: join.ticket.as_deref(),
            position: join.position,
        };
        let identity = &self.client.identity;
        let presence = gateway.node_presence();
        let (is_new, place) = gateway
            .join_within_limits(event, identity, self.client.address, presence, presented)
            .await?;

        // A user that has the seats already needs no place.
        if is_new && let Some(booking) = self.previous_hold(join).await {
            let _ = gateway.leave(event, &user).await;
            gateway.release_guest_place(event, &self.client.identity);
            return Ok(JoinReply::AlreadyHeld(booking));
        }

        if !is_subscribed {
            self.subscriptions.reserve_exact(1); // nearly always the only one
            self.subscriptions.push(EventSubscription {
                room: gateway.subscribe(event, &user, &self.mailbox),
                pass: None,
                auto_hold: None,
                _guest_connection: gateway.track_guest_connection(event, &self.client.identity),
            });
        }
        let place = gateway
            .attach_current(event, &user, &self.mailbox, place)
            .await?;

        if let Some(subscription) = self.subscription(event) {
            subscription.pass = place.grant.clone().map(Arc::new);
            if let Some(preferences) = &join.wish {
                subscription
                    .auto_hold
                    .get_or_insert_default()
                    .replace(preferences.clone());
            }
        }
        Ok(JoinReply::Place(place))
    }

    /// The connection's subscription to this event.
    pub(super) fn subscription(&mut self, event: EventId) -> Option<&mut EventSubscription> {
        self.subscriptions
            .iter_mut()
            .find(|subscription| subscription.event() == event)
    }

    async fn acknowledge(&mut self, socket: &mut Socket, pass: PassId) -> Result<(), Disconnect> {
        let of_pass = self.subscriptions.iter().find(|subscription| {
            subscription
                .pass
                .as_ref()
                .is_some_and(|grant| grant.pass_id == pass)
        });
        if let Some(event) = of_pass.map(EventSubscription::event) {
            let user = &self.client.identity.user;
            self.gateway
                .acknowledge_detached(event, user, &pass, &self.mailbox);
            return Ok(());
        }

        // A pass that has seats is used: it needs no acknowledgement.
        if self.has_hold(&pass) {
            return Ok(());
        }
        let problem = Problem::invalid("pass_id", "is not a pass that this connection was given");
        send(socket, &error_message(&problem, Some(pass.to_string()))).await
    }

    async fn leave(&mut self, socket: &mut Socket, event: EventId) -> Result<(), Disconnect> {
        let identity = &self.client.identity;
        let left = self.gateway.leave(event, &identity.user).await;
        if left.is_ok() {
            self.gateway.release_guest_place(event, identity);
        }

        match left {
            // The removal reaches this connection through its mailbox, as the user's other ones.
            Ok(()) if self.subscription(event).is_some() => Ok(()),
            Ok(()) => send(socket, &ServerMessage::Left { event_id: event }).await,
            Err(problem) => send(socket, &error_message(&problem, Some(event.to_string()))).await,
        }
    }

    /// Starts a reservation with the user's pass, one at a time; [`Session::run`] sends its result.
    async fn reserve(
        &mut self,
        socket: &mut Socket,
        request: ReserveSeats,
    ) -> Result<(), Disconnect> {
        let message_ref = Some(request.idempotency_key.to_string());
        if self.pending_reserve.is_some() {
            let problem = Problem::new(
                Code::RateLimited,
                "a reservation of this connection is under way",
            );
            return send(socket, &error_message(&problem, message_ref)).await;
        }

        let user = &self.client.identity.user;
        let place = self
            .gateway
            .resume(request.event_id, user, &self.gateway.node_presence())
            .await;
        let pass = match place.map(|place| place.grant) {
            Ok(Some(grant)) => self.gateway.token(request.event_id, user, &grant),
            Ok(None) => {
                let problem = Problem::new(Code::PassRequired, "it is not your turn yet");
                return send(socket, &error_message(&problem, message_ref)).await;
            }
            // The pass may have been used by an earlier attempt of this request, or is being used:
            // booking finds out by the idempotency key.
            Err(problem) if [Code::NotInQueue, Code::Unavailable].contains(&problem.code) => {
                match self.last_pass(request.event_id) {
                    Some(pass) => pass,
                    None => return send(socket, &error_message(&problem, message_ref)).await,
                }
            }
            Err(problem) => return send(socket, &error_message(&problem, message_ref)).await,
        };

        let booking = self.gateway.0.booking.clone();
        let credentials = self.credentials();
        self.pending_reserve = Some(Box::pin(async move {
            let result = booking.reserve(&credentials, &pass, &request).await;
            (request.idempotency_key, result)
        }));
        Ok(())
    }

    /// The user's credentials for booking.
    pub(super) fn credentials(&self) -> UserCredentials {
        self.gateway.credentials(
            &self.client.token,
            &self.client.identity,
            self.client.address,
        )
    }

    fn last_pass(&self, event: EventId) -> Option<String> {
        let subscription = self
            .subscriptions
            .iter()
            .find(|subscription| subscription.event() == event)?;
        let grant = subscription.pass.as_ref()?;
        Some(self.gateway.token(event, &self.client.identity.user, grant))
    }
}
