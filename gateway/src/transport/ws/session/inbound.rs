//! Frames and messages from the client.

use std::sync::Arc;

use tokio::time::Instant;
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

use super::{Session, outbound};
use crate::{
    auto_hold::{PREVIOUS_HOLD_REF, PreviousHoldQuery},
    queue_service::{Connection, JoinReply, PlaceRequest, PresentedTicket},
    transport::ws::socket::{Disconnect, Frame},
};

impl Session<'_> {
    pub(super) async fn on_frame(
        &mut self,
        frame: Result<Frame, Disconnect>,
    ) -> Result<(), Disconnect> {
        self.last_received_at = Instant::now();

        let text = match frame? {
            Frame::Text(text) => text,
            Frame::Control => return Ok(()),
            Frame::Binary => return Err(Disconnect::Close(CloseCode::BadMessage)),
            Frame::Close => return Err(self.socket.echo_close().await),
        };

        match ClientMessage::parse(&text) {
            Ok(message) => self.on_message(message).await,
            Err(problem) => {
                self.socket.send_problem(&problem, None).await?;
                if problem.code == Code::Malformed {
                    Err(Disconnect::Close(CloseCode::BadMessage))
                } else {
                    Ok(())
                }
            }
        }
    }

    async fn on_message(&mut self, message: ClientMessage) -> Result<(), Disconnect> {
        let is_expired = || self.user.identity.is_over(self.services.clock.now());
        if let Some(message_ref) = ref_if_token_needed(&message).filter(|_| is_expired()) {
            let problem = Problem::new(
                Code::TokenExpired,
                "the token of this connection has expired; connect with another",
            );
            return self.socket.send_problem(&problem, Some(message_ref)).await;
        }

        match message {
            ClientMessage::Join(join) => self.join(join).await,
            ClientMessage::Ack(ack) => self.acknowledge(ack.pass_id).await,
            ClientMessage::Reserve(request) => self.reserve(request).await,
            ClientMessage::Leave(leave) => self.leave(leave.event_id).await,
            ClientMessage::Ping => self.socket.send(&ServerMessage::Heartbeat).await,
            ClientMessage::Connect(_) => {
                let problem = Problem::new(Code::InvalidField, "you are connected already");
                self.socket.send_problem(&problem, None).await
            }
            ClientMessage::Unknown => Ok(()),
        }
    }

    /// Takes or finds the user's place, subscribes the connection to the event, and sends place or
    /// pass.
    async fn join(&mut self, join: JoinQueue) -> Result<(), Disconnect> {
        let event = join.event_id;
        match self.request_place(&join).await {
            Ok(JoinReply::Place(place, subscription)) => {
                if let Some(room) = subscription {
                    self.subscriptions.add(room);
                }
                if let Some(subscription) = self.subscriptions.get_mut(event) {
                    subscription.on_join(&place, join.wish.as_ref());
                }
                self.send_place(event, place).await
            }
            Ok(JoinReply::AlreadyHeld(booking)) => {
                let reserved = outbound::reserved_message(PREVIOUS_HOLD_REF.to_owned(), booking);
                self.socket.feed(&reserved).await?;
                self.socket
                    .send(&ServerMessage::Left { event_id: event })
                    .await
            }
            Err(problem) => {
                self.socket
                    .send_problem(&problem, Some(event.to_string()))
                    .await
            }
        }
    }

    async fn request_place(&mut self, join: &JoinQueue) -> Result<JoinReply, Problem> {
        let preferences = join.wish.as_deref().unwrap_or_default();
        check_preferences("wish", preferences)?;

        let connection = match self.subscriptions.get(join.event_id) {
            Some(subscription) => Connection::Subscribed(&subscription.room),
            None if self.subscriptions.is_full() => {
                return Err(Problem::new(
                    Code::RateLimited,
                    "one connection may follow at most 8 events",
                ));
            }
            None => Connection::New(&self.mailbox),
        };

        // A user with a ticket and preferences may have got seats through another gateway.
        let may_have_seats = !preferences.is_empty() && join.ticket.is_some();
        let previous_hold = may_have_seats.then_some(PreviousHoldQuery {
            token: &self.user.token,
            preferences,
        });
        let request = PlaceRequest {
            event: join.event_id,
            caller: &self.user.identity,
            address: self.user.address,
            presented: PresentedTicket {
                ticket: join.ticket.as_deref(),
                position: join.position,
            },
            previous_hold,
        };
        self.services.queue.join(&request, connection).await
    }

    async fn send_place(&mut self, event: EventId, place: Place) -> Result<(), Disconnect> {
        match place.grant {
            Some(grant) => {
                self.send_pass(event, Arc::new(grant)).await?;
                self.socket.flush().await
            }
            None => {
                let presenter = &self.services.presenter;
                let message = presenter.place_message(event, &self.user.identity.user, &place);
                self.socket.send(&message).await
            }
        }
    }

    async fn acknowledge(&mut self, pass: PassId) -> Result<(), Disconnect> {
        if let Some(event) = self.subscriptions.event_of_pass(&pass) {
            let user = &self.user.identity.user;
            let queue = &self.services.queue;
            queue.acknowledge_detached(event, user, &pass, &self.mailbox);
            return Ok(());
        }

        // A pass that has seats is used: it needs no acknowledgement.
        if self.subscriptions.has_hold(&pass) {
            return Ok(());
        }
        let problem = Problem::invalid("pass_id", "is not a pass that this connection was given");
        self.socket
            .send_problem(&problem, Some(pass.to_string()))
            .await
    }

    async fn leave(&mut self, event: EventId) -> Result<(), Disconnect> {
        match self.services.queue.leave(event, &self.user.identity).await {
            // The removal reaches this connection through its mailbox, as the user's other ones.
            Ok(()) if self.subscriptions.get(event).is_some() => Ok(()),
            Ok(()) => {
                self.socket
                    .send(&ServerMessage::Left { event_id: event })
                    .await
            }
            Err(problem) => {
                self.socket
                    .send_problem(&problem, Some(event.to_string()))
                    .await
            }
        }
    }

    /// Starts a reservation with the user's pass, one at a time; [`Session::run`] sends its result.
    async fn reserve(&mut self, request: ReserveSeats) -> Result<(), Disconnect> {
        let message_ref = request.idempotency_key.to_string();
        let pass = match self.pass_to_reserve_with(request.event_id).await {
            Ok(pass) => pass,
            Err(problem) => return self.socket.send_problem(&problem, Some(message_ref)).await,
        };

        let booking = Arc::clone(&self.services.booking);
        let credentials = self.credentials();
        self.pending_reserve.start(async move {
            let result = booking.reserve(&credentials, &pass, &request).await;
            (request.idempotency_key, result)
        });
        Ok(())
    }

    /// The token of the user's pass.
    async fn pass_to_reserve_with(&mut self, event: EventId) -> Result<String, Problem> {
        if self.pending_reserve.is_pending() {
            return Err(Problem::new(
                Code::RateLimited,
                "a reservation of this connection is under way",
            ));
        }

        let services = self.services;
        let user = &self.user.identity.user;
        match services.queue.read_place(event, user).await {
            Ok(place) => match place.grant {
                Some(grant) => Ok(services.presenter.token(event, user, &grant)),
                None => Err(Problem::new(Code::PassRequired, "it is not your turn yet")),
            },
            // The pass may have been used by an earlier attempt of this request, or is being used:
            // booking finds out by the idempotency key.
            Err(problem) if [Code::NotInQueue, Code::Unavailable].contains(&problem.code) => {
                let subscription = self.subscriptions.get(event);
                let last = subscription.and_then(|subscription| subscription.pass.as_ref());
                last.map(|grant| services.presenter.token(event, user, grant))
                    .ok_or(problem)
            }
            Err(problem) => Err(problem),
        }
    }
}

/// The `ref` of a message that needs a valid token. After the token's end, the user's places and
/// the connection stay.
fn ref_if_token_needed(message: &ClientMessage) -> Option<String> {
    match message {
        ClientMessage::Join(join) => Some(join.event_id.to_string()),
        ClientMessage::Reserve(request) => Some(request.idempotency_key.to_string()),
        _ => None,
    }
}
