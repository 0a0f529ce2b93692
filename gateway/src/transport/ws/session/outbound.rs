//! What the connection is told.

use waitingroom::{
    ids::EventId,
    line::{Lapse, SaleState},
    wire::{CloseCode, ServerMessage},
};

use super::{ReserveReply, Session, error};
use crate::{
    connection::mailbox::{PendingUpdates, PositionUpdate, RejectedAck},
    queue_service::removal_problem,
    transport::ws::{Disconnect, Socket, flush, say, send},
};

impl Session<'_> {
    pub(super) async fn tell_news(&mut self, socket: &mut Socket) -> Result<(), Disconnect> {
        for (event, news) in self.mailbox.drain() {
            self.tell(socket, event, news).await?;
        }
        flush(socket).await
    }

    async fn tell(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        news: PendingUpdates,
    ) -> Result<(), Disconnect> {
        if let Some(settings) = news.sale {
            let (state, message) = (settings.state, settings.message.clone());
            say(
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
        if let Some(place) = news.place {
            say(
                socket,
                &self
                    .gateway
                    .place_message(event, &self.client.identity.user, &place),
            )
            .await?;
        }
        if let Some(position) = news.position {
            say(socket, &position_message(event, position)).await?;
        }
        if let Some(unacknowledged) = news.rejected_ack {
            self.tell_unacknowledged(socket, event, *unacknowledged)
                .await?;
        }
        if let Some(lapse) = news.removal {
            self.tell_lapse(socket, event, lapse).await?;
        }
        match news.pass {
            Some(grant) => self.tell_pass(socket, event, grant).await,
            None => Ok(()),
        }
    }

    async fn tell_unacknowledged(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        refused: RejectedAck,
    ) -> Result<(), Disconnect> {
        if self.has_seats(&refused.pass) {
            return Ok(());
        }
        let problem = self.gateway.unacknowledged(event, refused.error).await;
        say(socket, &error(&problem, Some(refused.pass.to_string()))).await
    }

    async fn tell_lapse(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        lapse: Lapse,
    ) -> Result<(), Disconnect> {
        if lapse != Lapse::Left {
            say(
                socket,
                &error(&removal_problem(lapse), Some(event.to_string())),
            )
            .await?;
        }
        self.followed.retain(|followed| followed.event() != event);
        match lapse {
            Lapse::Unclaimed => Ok(()), // the place is kept: `join` brings it back
            Lapse::Expired | Lapse::Absent | Lapse::Left => {
                say(socket, &ServerMessage::Left { event_id: event }).await
            }
        }
    }

    pub(super) async fn tell_reservation(
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

pub(crate) fn position_message(event: EventId, news: PositionUpdate) -> ServerMessage {
    ServerMessage::Position {
        event_id: event,
        position: news.position,
        total_in_queue: news.total,
        estimated_wait_seconds: news.estimate.wait_seconds.into(),
        wait_range_seconds: news.estimate.range,
        seats_left: Some(news.seats_left),
        reason: news.estimate.reason,
    }
}
