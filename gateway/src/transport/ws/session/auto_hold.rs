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
    auto_hold::{self, AutoHoldOutcome, HELD_BEFORE, PATIENCE},
    transport::ws::{Disconnect, Socket, flush, say},
};

/// What a user wants of one event, and what became of it.
#[derive(Default)]
pub(super) struct AutoHoldState {
    pub(super) items: Vec<WishItem>,
    outcome: Option<(PassId, AutoHoldOutcome)>,
}

impl AutoHoldState {
    /// Takes another wish over. What is held is held; what could not be is tried anew.
    pub(super) fn replace(&mut self, items: Vec<WishItem>) {
        self.items = items;
        self.outcome
            .take_if(|(_, held)| !matches!(held, AutoHoldOutcome::Held(_)));
    }

    /// What became of it with this pass.
    pub(super) fn with(&self, pass: &PassId) -> Option<&AutoHoldOutcome> {
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

async fn in_time(
    event: EventId,
    grant: Arc<Grant>,
    mut asking: BoxFuture<'static, AutoHoldReply>,
) -> AutoHoldEvent {
    match timeout(PATIENCE, &mut asking).await {
        Ok(answer) => AutoHoldEvent::Ready(answer),
        Err(_) => AutoHoldEvent::TimedOut(event, grant, asking),
    }
}

impl Session<'_> {
    /// A pass is there: told now, or when its wish is decided. One wish at a time; the pass of
    /// another comes again in a second.
    pub(super) async fn tell_pass(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        grant: Arc<Grant>,
    ) -> Result<(), Disconnect> {
        let busy = self.wishing.is_some();
        let wanted = self.followed(event).and_then(|followed| {
            followed.pass = Some(Arc::clone(&grant));
            let wish = followed.wish.as_ref()?;
            (wish.with(&grant.pass_id).is_none() && !wish.items.is_empty())
                .then(|| wish.items.clone())
        });
        match wanted {
            None => self.say_pass(socket, event, &grant).await,
            Some(_) if busy => Ok(()),
            Some(items) => {
                self.ask_for(event, grant, items);
                Ok(())
            }
        }
    }

    fn ask_for(&mut self, event: EventId, grant: Arc<Grant>, items: Vec<WishItem>) {
        let (gateway, user, behalf) = (
            self.gateway.clone(),
            self.client.identity.user.clone(),
            self.behalf(),
        );
        let asked = Arc::clone(&grant);
        let asking = Box::pin(async move {
            let held = gateway.hold(&behalf, event, &user, &asked, &items).await;
            AutoHoldReply {
                event,
                grant: asked,
                held,
            }
        });
        self.wishing = Some(Box::pin(in_time(event, grant, asking)));
    }

    /// The pass, with what became of its wish where that is known.
    async fn say_pass(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        grant: &Grant,
    ) -> Result<(), Disconnect> {
        let wish = self
            .followed(event)
            .and_then(|followed| followed.wish.as_ref());
        let (hold, left) = wish
            .and_then(|wish| wish.with(&grant.pass_id))
            .map(AutoHoldOutcome::told)
            .unwrap_or_default();
        let message =
            self.gateway
                .pass_message(event, &self.client.identity.user, grant, hold, left);
        say(socket, &message).await
    }

    pub(super) async fn tell_wish(
        &mut self,
        socket: &mut Socket,
        wished: AutoHoldEvent,
    ) -> Result<(), Disconnect> {
        match wished {
            AutoHoldEvent::Ready(answer) => {
                let (event, grant) = (answer.event, Arc::clone(&answer.grant));
                if self.remember(answer) {
                    self.say_pass(socket, event, &grant).await?;
                }
            }
            AutoHoldEvent::TimedOut(event, grant, asking) => {
                self.wishing = Some(Box::pin(
                    async move { AutoHoldEvent::ReadyLate(asking.await) },
                ));
                self.say_pass(socket, event, &grant).await?;
            }
            AutoHoldEvent::ReadyLate(answer) => {
                if let AutoHoldOutcome::Held(booking) = &answer.held {
                    let key = auto_hold::key(&answer.grant.pass_id).to_string();
                    say(
                        socket,
                        &ServerMessage::Reserved {
                            r#ref: key,
                            booking: booking.clone(),
                        },
                    )
                    .await?;
                }
                self.remember(answer);
            }
        }
        flush(socket).await
    }

    /// Whoever returns with a ticket and a wish, and has no place any more, may have got the seats
    /// meanwhile.
    pub(super) async fn held_before(&mut self, join: &JoinLine) -> Option<Map<String, Value>> {
        let wish = join
            .wish
            .as_deref()
            .filter(|wish| !wish.is_empty() && join.ticket.is_some())?;
        self.gateway
            .held_before(&self.client.token, join.event_id, wish)
            .await
    }

    /// The seats, and that there is no place beside them.
    pub(super) async fn tell_held(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        booking: Map<String, Value>,
    ) -> Result<(), Disconnect> {
        say(
            socket,
            &ServerMessage::Reserved {
                r#ref: HELD_BEFORE.to_owned(),
                booking,
            },
        )
        .await?;
        say(socket, &ServerMessage::Left { event_id: event }).await?;
        flush(socket).await
    }

    /// False where the connection does not follow the event any more.
    fn remember(&mut self, answer: AutoHoldReply) -> bool {
        let Some(followed) = self.followed(answer.event) else {
            return false;
        };
        followed.wish.get_or_insert_default().outcome =
            Some((answer.grant.pass_id.clone(), answer.held));
        true
    }

    /// Does this pass have seats already? It is used then, and nobody waits for its
    /// acknowledgement.
    pub(super) fn has_seats(&self, pass: &PassId) -> bool {
        let mut wishes = self
            .followed
            .iter()
            .filter_map(|followed| followed.wish.as_ref());
        wishes.any(|wish| matches!(wish.with(pass), Some(AutoHoldOutcome::Held(_))))
    }
}
