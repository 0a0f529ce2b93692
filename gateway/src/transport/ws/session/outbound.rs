//! What the connection is told.

use waitingroom::{
    ids::EventId,
    line::{Lapse, SaleState},
    wire::{CloseCode, ServerMessage},
};

use super::{ReserveReply, Session, error_message};
use crate::{
    connection::mailbox::{PendingUpdates, PositionUpdate, RejectedAck},
    queue_service::removal_problem,
    transport::ws::{Disconnect, Socket, feed, flush, send},
};

impl Session<'_> {
    pub(super) async fn send_updates(&mut self, socket: &mut Socket) -> Result<(), Disconnect> {
        for (event, updates) in self.mailbox.drain() {
            self.send_event_updates(socket, event, updates).await?;
        }
        flush(socket).await
    }

    async fn send_event_updates(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        updates: PendingUpdates,
    ) -> Result<(), Disconnect> {
        if let Some(settings) = updates.sale {
            let (state, message) = (settings.state, settings.message.clone());
            feed(
                socket,
                &ServerMessage::Event {
                    event_id: event,
                    state,
                    message,
                },
            )
            .await?;
            if state == SaleState::Closed {
                return Err(Disconnect::Close(CloseCode::EventClosed));
            }
        }
        if let Some(place) = updates.place {
            feed(
                socket,
                &self
                    .gateway
                    .place_message(event, &self.client.identity.user, &place),
            )
            .await?;
        }
        if let Some(position) = updates.position {
            feed(socket, &position_message(event, position)).await?;
        }
        if let Some(unacknowledged) = updates.rejected_ack {
            self.send_rejected_ack(socket, event, *unacknowledged)
                .await?;
        }
        if let Some(lapse) = updates.removal {
            self.send_removal(socket, event, lapse).await?;
        }
        match updates.pass {
            Some(grant) => self.send_pass(socket, event, grant).await,
            None => Ok(()),
        }
    }

    async fn send_rejected_ack(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        refused: RejectedAck,
    ) -> Result<(), Disconnect> {
        if self.has_hold(&refused.pass) {
            return Ok(());
        }
        let problem = self.gateway.ack_problem(event, refused.error).await;
        feed(
            socket,
            &error_message(&problem, Some(refused.pass.to_string())),
        )
        .await
    }

    async fn send_removal(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        lapse: Lapse,
    ) -> Result<(), Disconnect> {
        if lapse != Lapse::Left {
            feed(
                socket,
                &error_message(&removal_problem(lapse), Some(event.to_string())),
            )
            .await?;
        }
        self.subscriptions
            .retain(|followed| followed.event() != event);
        match lapse {
            Lapse::Unclaimed => Ok(()), // the place is kept: `join` brings it back
            Lapse::Expired | Lapse::Absent | Lapse::Left => {
                feed(socket, &ServerMessage::Left { event_id: event }).await
            }
        }
    }

    pub(super) async fn send_reserve_reply(
        &mut self,
        socket: &mut Socket,
        answer: ReserveReply,
    ) -> Result<(), Disconnect> {
        let (key, answer) = answer;
        let message = match answer {
            Ok(booking) => ServerMessage::Reserved {
                r#ref: key.to_string(),
                booking,
            },
            Err(refusal) => ServerMessage::Error {
                code: refusal.code,
                message: refusal.detail,
                r#ref: Some(key.to_string()),
            },
        };
        send(socket, &message).await
    }
}

pub(crate) fn position_message(event: EventId, updates: PositionUpdate) -> ServerMessage {
    ServerMessage::Position {
        event_id: event,
        position: updates.position,
        total_in_queue: updates.total,
        estimated_wait_seconds: updates.estimate.wait_seconds.into(),
        wait_range_seconds: updates.estimate.range,
        seats_left: Some(updates.seats_left),
        reason: updates.estimate.reason,
    }
}
