//! Frames and messages from the client.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};
use waitingroom::{
    ids::{EventId, PassId},
    line::Place,
    problem::{Code, Problem},
    wire::{ClientMessage, CloseCode, JoinLine, ReserveSeats, ServerMessage, check_wish},
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
        if let Some(about) = self.expired_token_ref(&message) {
            let problem = Problem::new(
                Code::TokenExpired,
                "the token of this connection has expired; connect with another",
            );
            return send(socket, &error_message(&problem, Some(about))).await;
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
        let about = match message {
            ClientMessage::Join(join) => join.event_id.to_string(),
            ClientMessage::Reserve(request) => request.idempotency_key.to_string(),
            _ => return None,
        };
        self.client
            .identity
            .is_over(self.gateway.0.deps.clock.now())
            .then_some(about)
    }

    async fn join(&mut self, socket: &mut Socket, join: JoinLine) -> Result<(), Disconnect> {
        match self.subscribe(&join).await {
            Ok(JoinReply::AlreadyHeld(booking)) => {
                self.send_previous_hold(socket, join.event_id, booking)
                    .await
            }
            Ok(JoinReply::Place(Place {
                grant: Some(grant), ..
            })) => {
                self.send_pass(socket, join.event_id, Arc::new(grant))
                    .await?;
                flush(socket).await
            }
            Ok(JoinReply::Place(place)) => {
                let message =
                    self.gateway
                        .place_message(join.event_id, &self.client.identity.user, &place);
                send(socket, &message).await
            }
            Err(problem) => {
                send(
                    socket,
                    &error_message(&problem, Some(join.event_id.to_string())),
                )
                .await
            }
        }
    }

    async fn subscribe(&mut self, join: &JoinLine) -> Result<JoinReply, Problem> {
        check_wish("wish", join.wish.as_deref().unwrap_or_default())?;
        let known = self
            .subscriptions
            .iter()
            .any(|followed| followed.event() == join.event_id);
        if !known && self.subscriptions.len() >= MAX_EVENTS_PER_CONNECTION {
            return Err(Problem::new(
                Code::RateLimited,
                "one connection may follow at most 8 events",
            ));
        }
        let (gateway, user) = (self.gateway, self.client.identity.user.clone());
        let _arrival = gateway.begin_attach(join.event_id, &user);
        let (identity, address) = (&self.client.identity, self.client.address);
        let kept = PresentedTicket {
            ticket: join.ticket.as_deref(),
            position: join.position,
        };
        let (new, place) = gateway
            .join_within_limits(
                join.event_id,
                identity,
                address,
                gateway.node_presence(),
                kept,
            )
            .await?;
        if new && let Some(booking) = self.previous_hold(join).await {
            let _ = gateway.leave(join.event_id, &user).await; // nobody needs a place for what they have
            gateway.release_guest_place(join.event_id, &self.client.identity);
            return Ok(JoinReply::AlreadyHeld(booking));
        }
        if self.subscription(join.event_id).is_none() {
            let attachment = gateway.subscribe(join.event_id, &user, &self.mailbox);
            self.subscriptions.reserve_exact(1); // nearly always the only one
            let guest_connection =
                gateway.track_guest_connection(join.event_id, &self.client.identity);
            self.subscriptions.push(EventSubscription {
                room: attachment,
                pass: None,
                auto_hold: None,
                _guest_connection: guest_connection,
            });
        }
        let place = gateway
            .attach_current(join.event_id, &user, &self.mailbox, place)
            .await?;
        if let Some(followed) = self.subscription(join.event_id) {
            followed.pass = place.grant.clone().map(Arc::new);
            if let Some(items) = &join.wish {
                followed
                    .auto_hold
                    .get_or_insert_default()
                    .replace(items.clone());
            }
        }
        Ok(JoinReply::Place(place))
    }

    pub(super) fn subscription(&mut self, event: EventId) -> Option<&mut EventSubscription> {
        self.subscriptions
            .iter_mut()
            .find(|followed| followed.event() == event)
    }

    async fn acknowledge(&mut self, socket: &mut Socket, pass: PassId) -> Result<(), Disconnect> {
        let event = self.subscriptions.iter().find(|followed| {
            followed
                .pass
                .as_ref()
                .is_some_and(|grant| grant.pass_id == pass)
        });
        if let Some(event) = event.map(EventSubscription::event) {
            self.gateway.acknowledge_detached(
                event,
                &self.client.identity.user,
                &pass,
                &self.mailbox,
            );
            return Ok(());
        }
        if self.has_hold(&pass) {
            return Ok(());
        }
        let problem = Problem::invalid("pass_id", "is not a pass that this connection was given");
        send(socket, &error_message(&problem, Some(pass.to_string()))).await
    }

    async fn leave(&mut self, socket: &mut Socket, event: EventId) -> Result<(), Disconnect> {
        let given_up = self.gateway.leave(event, &self.client.identity.user).await;
        if given_up.is_ok() {
            self.gateway
                .release_guest_place(event, &self.client.identity);
        }
        match given_up {
            Ok(()) if self.subscription(event).is_some() => Ok(()), // told with the user's other connections
            Ok(()) => send(socket, &ServerMessage::Left { event_id: event }).await,
            Err(problem) => send(socket, &error_message(&problem, Some(event.to_string()))).await,
        }
    }

    /// Hands the pass to booking. One reservation at a time; its answer is told when it comes.
    async fn reserve(
        &mut self,
        socket: &mut Socket,
        request: ReserveSeats,
    ) -> Result<(), Disconnect> {
        let about = Some(request.idempotency_key.to_string());
        if self.pending_reserve.is_some() {
            let problem = Problem::new(
                Code::RateLimited,
                "a reservation of this connection is under way",
            );
            return send(socket, &error_message(&problem, about)).await;
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
                return send(socket, &error_message(&problem, about)).await;
            }
            // The pass may have been used by this very request before, or is being used: booking
            // knows by the idempotency key.
            Err(problem) if [Code::NotInQueue, Code::Unavailable].contains(&problem.code) => {
                match self.last_pass(request.event_id) {
                    Some(pass) => pass,
                    None => return send(socket, &error_message(&problem, about)).await,
                }
            }
            Err(problem) => return send(socket, &error_message(&problem, about)).await,
        };
        let (booking, behalf) = (self.gateway.0.booking.clone(), self.credentials());
        self.pending_reserve = Some(Box::pin(async move {
            let answer = booking.reserve(&behalf, &pass, &request).await;
            (request.idempotency_key, answer)
        }));
        Ok(())
    }

    /// For whom booking is asked.
    pub(super) fn credentials(&self) -> UserCredentials {
        self.gateway.credentials(
            &self.client.token,
            &self.client.identity,
            self.client.address,
        )
    }

    fn last_pass(&self, event: EventId) -> Option<String> {
        let followed = self
            .subscriptions
            .iter()
            .find(|followed| followed.event() == event)?;
        let grant = followed.pass.as_ref()?;
        Some(self.gateway.token(event, &self.client.identity.user, grant))
    }
}
