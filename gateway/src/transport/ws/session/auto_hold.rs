//! Automatic holds: a pass whose user has seat preferences waits a moment for booking, so that pass
//! and seats are sent together.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::time::timeout;
use waitingroom_domain::{
    ids::{EventId, PassId},
    queue::Grant,
};
use waitingroom_server::protocol::{JoinQueue, SeatPreference, ServerMessage};

use super::Session;
use crate::{
    auto_hold::{self, AutoHoldOutcome, HOLD_TIMEOUT, PREVIOUS_HOLD_REF},
    transport::ws::{Disconnect, Socket, feed, flush},
};

/// A user's seat preferences for one event, and the result of the hold.
#[derive(Default)]
pub(super) struct AutoHoldState {
    pub(super) preferences: Vec<SeatPreference>,
    outcome: Option<(PassId, AutoHoldOutcome)>,
}

impl AutoHoldState {
    /// Takes over other preferences. Held seats stay; a failed hold is tried again.
    pub(super) fn replace(&mut self, preferences: Vec<SeatPreference>) {
        self.preferences = preferences;
        self.outcome
            .take_if(|(_, outcome)| !matches!(outcome, AutoHoldOutcome::Held(_)));
    }

    /// The result of the hold with this pass.
    pub(super) fn outcome_for(&self, pass: &PassId) -> Option<&AutoHoldOutcome> {
        self.outcome
            .as_ref()
            .filter(|(known, _)| known == pass)
            .map(|(_, outcome)| outcome)
    }
}

/// Progress of a hold that was requested from booking.
pub(super) enum AutoHoldEvent {
    /// Booking has replied before the pass was sent.
    Ready(AutoHoldReply),
    /// Booking has not replied in time: the pass is sent alone, and the request goes on.
    TimedOut(EventId, Arc<Grant>, BoxFuture<'static, AutoHoldReply>),
    /// Booking has replied after the pass was sent.
    ReadyLate(AutoHoldReply),
}

/// Booking's reply for one pass.
pub(super) struct AutoHoldReply {
    event: EventId,
    grant: Arc<Grant>,
    outcome: AutoHoldOutcome,
}

async fn with_timeout(
    event: EventId,
    grant: Arc<Grant>,
    mut request: BoxFuture<'static, AutoHoldReply>,
) -> AutoHoldEvent {
    match timeout(HOLD_TIMEOUT, &mut request).await {
        Ok(reply) => AutoHoldEvent::Ready(reply),
        Err(_) => AutoHoldEvent::TimedOut(event, grant, request),
    }
}

impl Session<'_> {
    /// Sends a pass, or starts its hold first. One hold at a time: the engine sends a pass again
    /// within a second, until it is acknowledged.
    pub(super) async fn send_pass(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        grant: Arc<Grant>,
    ) -> Result<(), Disconnect> {
        let is_busy = self.pending_hold.is_some();
        let to_hold = self.subscription(event).and_then(|subscription| {
            subscription.pass = Some(Arc::clone(&grant));
            let auto_hold = subscription.auto_hold.as_ref()?;
            let is_new = auto_hold.outcome_for(&grant.pass_id).is_none();
            (is_new && !auto_hold.preferences.is_empty()).then(|| auto_hold.preferences.clone())
        });

        match to_hold {
            None => self.send_pass_message(socket, event, &grant).await,
            Some(_) if is_busy => Ok(()),
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
        let gateway = self.gateway.clone();
        let user = self.client.identity.user.clone();
        let credentials = self.credentials();
        let held_with = Arc::clone(&grant);
        let request = Box::pin(async move {
            let outcome = gateway
                .hold_first_available(&credentials, event, &user, &held_with, &preferences)
                .await;
            AutoHoldReply {
                event,
                grant: held_with,
                outcome,
            }
        });

        self.pending_hold = Some(Box::pin(with_timeout(event, grant, request)));
    }

    /// The pass, with the result of its hold if that is known.
    async fn send_pass_message(
        &mut self,
        socket: &mut Socket,
        event: EventId,
        grant: &Grant,
    ) -> Result<(), Disconnect> {
        let (hold, left) = self
            .subscription(event)
            .and_then(|subscription| subscription.auto_hold.as_ref())
            .and_then(|auto_hold| auto_hold.outcome_for(&grant.pass_id))
            .map(AutoHoldOutcome::message_parts)
            .unwrap_or_default();

        let user = &self.client.identity.user;
        let message = self.gateway.pass_message(event, user, grant, hold, left);
        feed(socket, &message).await
    }

    /// Sends the pass or the seats that a hold was waited for.
    pub(super) async fn send_auto_hold(
        &mut self,
        socket: &mut Socket,
        progress: AutoHoldEvent,
    ) -> Result<(), Disconnect> {
        match progress {
            AutoHoldEvent::Ready(reply) => {
                let (event, grant) = (reply.event, Arc::clone(&reply.grant));
                if self.cache_reply(reply) {
                    self.send_pass_message(socket, event, &grant).await?;
                }
            }
            AutoHoldEvent::TimedOut(event, grant, request) => {
                self.pending_hold =
                    Some(Box::pin(
                        async move { AutoHoldEvent::ReadyLate(request.await) },
                    ));
                self.send_pass_message(socket, event, &grant).await?;
            }
            AutoHoldEvent::ReadyLate(reply) => {
                if let AutoHoldOutcome::Held(booking) = &reply.outcome {
                    let key = auto_hold::idempotency_key(&reply.grant.pass_id).to_string();
                    feed(
                        socket,
                        &ServerMessage::Reserved {
                            r#ref: key,
                            booking: booking.clone(),
                        },
                    )
                    .await?;
                }
                self.cache_reply(reply);
            }
        }

        flush(socket).await
    }

    /// Seats that a user with a ticket and preferences, but without a place, may have got through
    /// another gateway.
    pub(super) async fn previous_hold(&mut self, join: &JoinQueue) -> Option<Map<String, Value>> {
        let preferences = join
            .wish
            .as_deref()
            .filter(|preferences| !preferences.is_empty() && join.ticket.is_some())?;
        self.gateway
            .previous_hold(&self.client.token, join.event_id, preferences)
            .await
    }

    /// Sends the seats, and that the user has no place.
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

    /// Keeps the result of a hold. False if the connection has left the event.
    fn cache_reply(&mut self, reply: AutoHoldReply) -> bool {
        let Some(subscription) = self.subscription(reply.event) else {
            return false;
        };
        subscription.auto_hold.get_or_insert_default().outcome =
            Some((reply.grant.pass_id.clone(), reply.outcome));
        true
    }

    /// Does this pass have seats already?
    pub(super) fn has_hold(&self, pass: &PassId) -> bool {
        self.subscriptions
            .iter()
            .filter_map(|subscription| subscription.auto_hold.as_ref())
            .any(|auto_hold| matches!(auto_hold.outcome_for(pass), Some(AutoHoldOutcome::Held(_))))
    }
}
