//! Messages to the client.

use waitingroom_domain::{
    ids::EventId,
    queue::{Removal, SaleState},
};
use waitingroom_server::protocol::{CloseCode, ServerMessage};

use super::{ReserveReply, Session, error_message};
use crate::{
    connection::mailbox::{PendingUpdates, PositionUpdate, RejectedAck},
    queue_service::removal_problem,
    transport::ws::{Disconnect, Socket, feed, flush, send},
};

impl Session<'_> {
    /// Sends everything that waits in the mailbox.
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
            let message = ServerMessage::Event {
                event_id: event,
                state: settings.state,
                message: settings.message.clone(),
            };
            feed(socket, &message).await?;
            if settings.state == SaleState::Closed {
                return Err(Disconnect::Close(CloseCode::EventClosed));
            }
        }

        if let Some(place) = updates.place {
            let user = &self.client.identity.user;
            let message = self.gateway.place_message(event, user, &place);
            feed(socket, &message).await?;
        }
        if let Some(position) = updates.position {
            feed(socket, &position_message(event, position)).await?;
        }

        if let Some(rejected) = updates.rejected_ack {
            self.send_rejected_ack(socket, event, *rejected).await?;
        }
        if let Some(lapse) = updates.removal {
            self.send_removal(socket, event, lapse).await?;
        }

        // The pass comes last: it may wait for its automatic hold.
        match updates.pass {
            Some(grant) => self.send_pass(socket, event, grant).await,
            None => Ok(()),
        }
    }

    async fn send_rejected_ack(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        rejected: RejectedAck,
    ) -> Result<(), Disconnect> {
        if self.has_hold(&rejected.pass) {
            return Ok(());
        }

        let problem = self.gateway.ack_problem(event, rejected.error).await;
        feed(
            socket,
            &error_message(&problem, Some(rejected.pass.to_string())),
        )
        .await
    }

    async fn send_removal(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        lapse: Removal,
    ) -> Result<(), Disconnect> {
        if lapse != Removal::Left {
            feed(
                socket,
                &error_message(&removal_problem(lapse), Some(event.to_string())),
            )
            .await?;
        }
        self.subscriptions
            .retain(|subscription| subscription.event() != event);

        match lapse {
            // The place is kept: `join` returns to it.
            Removal::Unclaimed => Ok(()),
            Removal::Expired | Removal::Absent | Removal::Left => {
                feed(socket, &ServerMessage::Left { event_id: event }).await
            }
        }
    }

    pub(super) async fn send_reserve_reply(
        &mut self,
        socket: &mut Socket,
        reply: ReserveReply,
    ) -> Result<(), Disconnect> {
        let (key, result) = reply;
        let message = match result {
            Ok(booking) => ServerMessage::Reserved {
                r#ref: key.to_string(),
                booking,
            },
            Err(error) => ServerMessage::Error {
                code: error.code,
                message: error.detail,
                r#ref: Some(key.to_string()),
            },
        };

        send(socket, &message).await
    }
}

pub(crate) fn position_message(event: EventId, update: PositionUpdate) -> ServerMessage {
    ServerMessage::Position {
        event_id: event,
        position: update.position,
        total_in_queue: update.total,
        estimated_wait_seconds: update.estimate.wait_seconds.into(),
        wait_range_seconds: update.estimate.range,
        seats_left: Some(update.seats_left),
        reason: update.estimate.reason,
    }
}
