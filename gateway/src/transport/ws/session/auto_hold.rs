//! Passes whose user has a wish: held back for a moment, so that pass and seats are told together.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::time::timeout;
use waitingroom::{
    ids::{EventId, PassId},
    line::Grant,
    wire::{JoinLine, ServerMessage, WishItem},
};

use super::Session;
use crate::{
    auto_hold::{self, AutoHoldOutcome, HOLD_TIMEOUT, PREVIOUS_HOLD_REF},
    transport::ws::{Disconnect, Socket, feed, flush},
};

/// What a user wants of one event, and what became of it.
#[derive(Default)]
pub(super) struct AutoHoldState {
    pub(super) preferences: Vec<WishItem>,
    outcome: Option<(PassId, AutoHoldOutcome)>,
}

impl AutoHoldState {
    /// Takes another wish over. What is held is held; what could not be is tried anew.
    pub(super) fn replace(&mut self, preferences: Vec<WishItem>) {
        self.preferences = preferences;
        self.outcome
            .take_if(|(_, held)| !matches!(held, AutoHoldOutcome::Held(_)));
    }

    /// What became of it with this pass.
    pub(super) fn outcome_for(&self, pass: &PassId) -> Option<&AutoHoldOutcome> {
        self.outcome
            .as_ref()
            .filter(|(known, _)| known == pass)
            .map(|(_, held)| held)
    }
}

/// A wish that booking is asked about.
pub(super) enum AutoHoldEvent {
    /// It answered before the pass was told.
    Ready(AutoHoldReply),
    /// It did not: the pass is told alone now.
    TimedOut(EventId, Arc<Grant>, BoxFuture<'static, AutoHoldReply>),
    /// It answered after that.
    ReadyLate(AutoHoldReply),
}

/// Booking's answer for one pass.
pub(super) struct AutoHoldReply {
    event: EventId,
    grant: Arc<Grant>,
    held: AutoHoldOutcome,
}

async fn with_timeout(
    event: EventId,
    grant: Arc<Grant>,
    mut asking: BoxFuture<'static, AutoHoldReply>,
) -> AutoHoldEvent {
    match timeout(HOLD_TIMEOUT, &mut asking).await {
        Ok(answer) => AutoHoldEvent::Ready(answer),
        Err(_) => AutoHoldEvent::TimedOut(event, grant, asking),
    }
}

impl Session<'_> {
    /// A pass is there: told now, or when its wish is decided. One wish at a time; the pass of
    /// another comes again in a second.
    pub(super) async fn send_pass(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        grant: Arc<Grant>,
    ) -> Result<(), Disconnect> {
        let busy = self.pending_hold.is_some();
        let wanted = self.subscription(event).and_then(|followed| {
            followed.pass = Some(Arc::clone(&grant));
            let wish = followed.auto_hold.as_ref()?;
            (wish.outcome_for(&grant.pass_id).is_none() && !wish.preferences.is_empty())
                .then(|| wish.preferences.clone())
        });
        match wanted {
            None => self.send_pass_message(socket, event, &grant).await,
            Some(_) if busy => Ok(()),
            Some(items) => {
                self.start_auto_hold(event, grant, items);
                Ok(())
            }
        }
    }

    fn start_auto_hold(&mut self, event: EventId, grant: Arc<Grant>, items: Vec<WishItem>) {
        let (gateway, user, behalf) = (
            self.gateway.clone(),
            self.client.identity.user.clone(),
            self.credentials(),
        );
        let asked = Arc::clone(&grant);
        let asking = Box::pin(async move {
            let held = gateway
                .hold_first_available(&behalf, event, &user, &asked, &items)
                .await;
            AutoHoldReply {
                event,
                grant: asked,
                held,
            }
        });
        self.pending_hold = Some(Box::pin(with_timeout(event, grant, asking)));
    }

    /// The pass, with what became of its wish where that is known.
    async fn send_pass_message(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        grant: &Grant,
    ) -> Result<(), Disconnect> {
        let wish = self
            .subscription(event)
            .and_then(|followed| followed.auto_hold.as_ref());
        let (hold, left) = wish
            .and_then(|wish| wish.outcome_for(&grant.pass_id))
            .map(AutoHoldOutcome::message_parts)
            .unwrap_or_default();
        let message =
            self.gateway
                .pass_message(event, &self.client.identity.user, grant, hold, left);
        feed(socket, &message).await
    }

    pub(super) async fn send_auto_hold(
        &mut self,
        socket: &mut Socket,
        event: AutoHoldEvent,
    ) -> Result<(), Disconnect> {
        match event {
            AutoHoldEvent::Ready(answer) => {
                let (event, grant) = (answer.event, Arc::clone(&answer.grant));
                if self.cache_reply(answer) {
                    self.send_pass_message(socket, event, &grant).await?;
                }
            }
            AutoHoldEvent::TimedOut(event, grant, asking) => {
                self.pending_hold =
                    Some(Box::pin(
                        async move { AutoHoldEvent::ReadyLate(asking.await) },
                    ));
                self.send_pass_message(socket, event, &grant).await?;
            }
            AutoHoldEvent::ReadyLate(answer) => {
                if let AutoHoldOutcome::Held(booking) = &answer.held {
                    let key = auto_hold::idempotency_key(&answer.grant.pass_id).to_string();
                    feed(
                        socket,
                        &ServerMessage::Reserved {
                            r#ref: key,
                            booking: booking.clone(),
                        },
                    )
                    .await?;
                }
                self.cache_reply(answer);
            }
        }
        flush(socket).await
    }

    /// Whoever returns with a ticket and a wish, and has no place any more, may have got the seats
    /// meanwhile.
    pub(super) async fn previous_hold(&mut self, join: &JoinLine) -> Option<Map<String, Value>> {
        let wish = join
            .wish
            .as_deref()
            .filter(|wish| !wish.is_empty() && join.ticket.is_some())?;
        self.gateway
            .previous_hold(&self.client.token, join.event_id, wish)
            .await
    }

    /// The seats, and that there is no place beside them.
    pub(super) async fn send_previous_hold(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        booking: Map<String, Value>,
    ) -> Result<(), Disconnect> {
        feed(
            socket,
            &ServerMessage::Reserved {
                r#ref: PREVIOUS_HOLD_REF.to_owned(),
                booking,
            },
        )
        .await?;
        feed(socket, &ServerMessage::Left { event_id: event }).await?;
        flush(socket).await
    }

    /// False where the connection does not follow the event any more.
    fn cache_reply(&mut self, answer: AutoHoldReply) -> bool {
        let Some(followed) = self.subscription(answer.event) else {
            return false;
        };
        followed.auto_hold.get_or_insert_default().outcome =
            Some((answer.grant.pass_id.clone(), answer.held));
        true
    }

    /// Does this pass have seats already? It is used then, and nobody waits for its
    /// acknowledgement.
    pub(super) fn has_hold(&self, pass: &PassId) -> bool {
        let mut wishes = self
            .subscriptions
            .iter()
            .filter_map(|followed| followed.auto_hold.as_ref());
        wishes.any(|wish| matches!(wish.outcome_for(pass), Some(AutoHoldOutcome::Held(_))))
    }
}
