//! Frames and messages from the client.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};
use waitingroom::{
    ids::{EventId, PassId},
    problem::{Code, Problem},
    protocol::{
        ClientMessage, CloseCode, JoinQueue, ReserveSeats, ServerMessage, check_preferences,
    },
    queue::Place,
};

use super::{EventSubscription, Session, error_message, protocol_error};
use crate::{
    auto_hold::PreviousHoldQuery,
    booking_client::UserCredentials,
    connection::mailbox::MAX_EVENTS_PER_CONNECTION,
    queue_service::{Connection, JoinReply, PlaceRequest, PresentedTicket, RoomSubscription},
    transport::ws::{Disconnect, Socket, echo_close, flush, send},
};

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
            .is_over(self.services.clock.now())
            .then_some(message_ref)
    }

    async fn join(&mut self, socket: &mut Socket, join: JoinQueue) -> Result<(), Disconnect> {
        let event = join.event_id;
        match self.subscribe(&join).await {
            Ok(JoinReply::AlreadyHeld(booking)) => {
                self.send_previous_hold(socket, event, booking).await
            }
            Ok(JoinReply::Place(place, subscription)) => {
                self.keep_subscription(&join, subscription, &place);
                self.send_place(socket, event, place).await
            }
            Err(problem) => send(socket, &error_message(&problem, Some(event.to_string()))).await,
        }
    }

    /// Takes or finds the user's place, and subscribes the connection to the event.
    async fn subscribe(&mut self, join: &JoinQueue) -> Result<JoinReply, Problem> {
        let preferences = join.wish.as_deref().unwrap_or_default();
        check_preferences("wish", preferences)?;

        let subscription = self
            .subscriptions
            .iter()
            .find(|subscription| subscription.event() == join.event_id);
        if subscription.is_none() && self.subscriptions.len() >= MAX_EVENTS_PER_CONNECTION {
            return Err(Problem::new(
                Code::RateLimited,
                "one connection may follow at most 8 events",
            ));
        }

        // A user with a ticket and preferences may have got seats through another gateway.
        let previous_hold =
            (!preferences.is_empty() && join.ticket.is_some()).then(|| PreviousHoldQuery {
                token: &self.client.token,
                preferences,
            });
        let request = PlaceRequest {
            event: join.event_id,
            caller: &self.client.identity,
            address: self.client.address,
            presented: PresentedTicket {
                ticket: join.ticket.as_deref(),
                position: join.position,
            },
            previous_hold,
        };
        let connection = match subscription {
            Some(subscription) => Connection::Subscribed(&subscription.room),
            None => Connection::New(&self.mailbox),
        };
        self.services.queue.join(&request, connection).await
    }

    /// Keeps what the connection knows of an event after a join.
    fn keep_subscription(
        &mut self,
        join: &JoinQueue,
        subscription: Option<RoomSubscription>,
        place: &Place,
    ) {
        if let Some(room) = subscription {
            self.subscriptions.reserve_exact(1); // nearly always the only one
            self.subscriptions.push(EventSubscription {
                room,
                pass: None,
                auto_hold: None,
            });
        }

        if let Some(subscription) = self.subscription(join.event_id) {
            subscription.pass = place.grant.clone().map(Arc::new);
            if let Some(preferences) = &join.wish {
                subscription
                    .auto_hold
                    .get_or_insert_default()
                    .replace(preferences.clone());
            }
        }
    }

    async fn send_place(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        place: Place,
    ) -> Result<(), Disconnect> {
        match place.grant {
            Some(grant) => {
                self.send_pass(socket, event, Arc::new(grant)).await?;
                flush(socket).await
            }
            None => {
                let user = &self.client.identity.user;
                let message = self.services.presenter.place_message(event, user, &place);
                send(socket, &message).await
            }
        }
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
            self.services
                .queue
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
        let left = self
            .services
            .queue
            .leave(event, &self.client.identity)
            .await;

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
        let services = self.services;
        let place = services.queue.read_place(request.event_id, user).await;
        let pass = match place.map(|place| place.grant) {
            Ok(Some(grant)) => services.presenter.token(request.event_id, user, &grant),
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

        let booking = Arc::clone(&services.booking);
        let credentials = self.credentials();
        self.pending_reserve = Some(Box::pin(async move {
            let result = booking.reserve(&credentials, &pass, &request).await;
            (request.idempotency_key, result)
        }));
        Ok(())
    }

    /// The user's credentials for booking.
    pub(super) fn credentials(&self) -> UserCredentials {
        self.services.booking.credentials(
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
        Some(
            self.services
                .presenter
                .token(event, &self.client.identity.user, grant),
        )
    }
}
