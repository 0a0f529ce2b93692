//! The operations on a user's place, the same for REST, streams and sockets, and how the engine's
//! answers read to a client.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value};
use waitingroom::{
    absence::{POLL_WINDOW, Presence},
    clock::Timestamp,
    engine::{EngineError, JoinOutcome},
    ids::{Epoch, EventId, NodeId, PassId, UserId},
    line::{Grant, Lapse, Place, SaleState, Told},
    problem::{Code, Problem},
    signal::{Recipient, Signal},
    wire::{ServerMessage, WaitRange, WaitReason, ZoneLeft},
};

use crate::{
    auto_hold::AutoHoldOutcome, connection::mailbox::Mailbox, registry::RememberedPlace,
    state::Gateway, wait_estimator::WaitEstimate,
};

/// How often a place is registered, and read again because the room moved on meanwhile: a line that
/// moves faster than it can be read shows its users a position that is a little too high.
const MAX_ATTACH_ATTEMPTS: usize = 5;

/// A place on the wire.
#[derive(Debug, Serialize)]
pub(crate) struct PlaceResponse {
    event_id: EventId,
    user_id: UserId,
    pub(crate) position: u64,
    total_in_queue: u64,
    estimated_wait_seconds: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_range_seconds: Option<WaitRange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<WaitReason>,
    pub(crate) is_ready: bool,
    ticket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass_id: Option<PassId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_pass: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_pass_expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Vec<ZoneLeft>>,
}

impl PlaceResponse {
    /// The same with what became of the user's wish.
    pub(crate) fn with_hold(mut self, held: &AutoHoldOutcome) -> Self {
        (self.hold, self.left) = held.message_parts();
        self
    }
}

/// A connection's registration for one event; ends when dropped, and with the user's last one here
/// their presence.
pub(crate) struct RoomSubscription {
    gateway: Gateway,
    event: EventId,
    user: UserId,
    mailbox: Arc<Mailbox>,
}

impl RoomSubscription {
    pub(crate) fn event(&self) -> EventId {
        self.event
    }
}

impl Drop for RoomSubscription {
    fn drop(&mut self) {
        let (absent, now) = (
            || self.gateway.record_detach(self.event, &self.user),
            self.gateway.0.deps.clock.now(),
        );
        self.gateway
            .0
            .registry
            .detach(self.event, &self.user, &self.mailbox, now, absent);
    }
}

/// A connection on its way to a place: while it lasts, the end of the user's other connections is
/// not their absence.
pub(crate) struct PendingAttach {
    gateway: Gateway,
    event: EventId,
    user: UserId,
}

impl Drop for PendingAttach {
    fn drop(&mut self) {
        let absent = || self.gateway.record_detach(self.event, &self.user);
        self.gateway
            .0
            .registry
            .finish_attach(self.event, &self.user, absent);
    }
}

/// What a client kept of its place.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PresentedTicket<'a> {
    pub(crate) ticket: Option<&'a str>,
    /// The position that it was told last with the ticket.
    pub(crate) position: Option<u32>,
}

impl Gateway {
    /// Presence by a connection of this node.
    pub(crate) fn node_presence(&self) -> Presence {
        Presence::Node(self.0.config.node.clone())
    }

    /// Takes a place or finds the user's own; true where it is new. What client and node remember
    /// of a line that was lost binds this one: its position does not grow.
    pub(crate) async fn join(
        &self,
        event: EventId,
        user: &UserId,
        presence: Presence,
        kept: PresentedTicket<'_>,
    ) -> Result<(bool, Place), Problem> {
        let seen = self.0.registry.remembered_place(event, user);
        let ticket = kept
            .ticket
            .and_then(|ticket| self.0.deps.tickets.verify(ticket, event, user));
        let of_client = ticket
            .clone()
            .zip(kept.position)
            .map(|(ticket, told)| RememberedPlace::from_ticket(ticket, told));
        let ticket = ticket.or_else(|| seen.as_ref().map(RememberedPlace::ticket));
        let (new, place) = self
            .join_with_ticket(event, user, presence.clone(), ticket)
            .await?;
        let of_another_line = [seen, of_client]
            .into_iter()
            .flatten()
            .filter(|seen| seen.is_of_previous_epoch(&place));
        match of_another_line.min_by_key(|seen| seen.last_sent_position) {
            Some(seen) => Ok((
                new,
                self.restore_place(event, user, presence, &seen)
                    .await
                    .ok()
                    .flatten()
                    .unwrap_or(place),
            )),
            None => Ok((new, place)),
        }
    }

    /// Takes a user who is remembered back into their line, with what they were told in it.
    async fn restore_place(
        &self,
        event: EventId,
        user: &UserId,
        presence: Presence,
        seen: &RememberedPlace,
    ) -> Result<Option<Place>, EngineError> {
        self.0
            .batcher
            .bring_back(
                event,
                user,
                presence,
                seen.ticket(),
                Some(seen.last_sent_position),
            )
            .await
    }

    /// As [`Gateway::take_place`], with what a ticket says.
    pub(crate) async fn join_with_ticket(
        &self,
        event: EventId,
        user: &UserId,
        presence: Presence,
        ticket: Option<(Epoch, u64)>,
    ) -> Result<(bool, Place), Problem> {
        match self.0.batcher.join(event, user, presence, ticket).await {
            Ok(JoinOutcome::Joined(place)) => Ok((true, place)),
            Ok(JoinOutcome::Same(place)) => Ok((false, place)),
            Ok(JoinOutcome::NotOpen(state)) => Err(queue_not_open(state)),
            Ok(JoinOutcome::Full) => Err(Problem::new(Code::QueueFull, "the line is full")
                .retry_after(Duration::from_secs(10))),
            Err(error) => Err(self.engine_problem(event, error).await),
        }
    }

    /// The user's place, marking them present.
    pub(crate) async fn resume(
        &self,
        event: EventId,
        user: &UserId,
        presence: &Presence,
    ) -> Result<Place, Problem> {
        if *presence == Presence::Poll {
            self.0
                .registry
                .extend_presence(event, user, self.0.deps.clock.now().plus(POLL_WINDOW));
        }
        let mut found = self.0.batcher.resume(event, user, presence.clone()).await;
        let seen = self.0.registry.remembered_place(event, user);
        let is_behind = |seen: &RememberedPlace| match &found {
            Ok(Some(place)) => seen.is_of_previous_epoch(place),
            found => matches!(found, Ok(None) | Err(EngineError::Recovering)),
        };
        if let Some(seen) = seen.filter(is_behind) {
            found = self
                .restore_place(event, user, presence.clone(), &seen)
                .await;
        }
        match found {
            Ok(Some(place)) => Ok(place),
            Ok(None) => Err(Problem::new(
                Code::NotInQueue,
                "you have no place in this line; join it first",
            )),
            Err(error) => Err(self.engine_problem(event, error).await),
        }
    }

    /// A place as it is told to someone without a connection, who is remembered with it.
    pub(crate) fn place_for_poll(
        &self,
        event: EventId,
        user: &UserId,
        place: Place,
    ) -> Result<Place, Problem> {
        let place = require_known_position(place)?;
        let (place, now) = (
            self.0.registry.clamp_to_last_sent(event, user, place),
            self.0.deps.clock.now(),
        );
        self.0
            .registry
            .remember(event, user, &place, now.plus(POLL_WINDOW), now);
        Ok(place)
    }

    /// Which incarnation of the line is in force.
    pub(crate) async fn current_epoch(&self, event: EventId) -> Result<Epoch, Problem> {
        match self.0.deps.engine.status(event).await {
            Ok(status) => Ok(status.epoch),
            Err(error) => Err(self.engine_problem(event, error).await),
        }
    }

    /// To be held from before a place is taken or found by a connection until that is registered.
    pub(crate) fn begin_attach(&self, event: EventId, user: &UserId) -> PendingAttach {
        self.0.registry.begin_attach(event, user);
        PendingAttach {
            gateway: self.clone(),
            event,
            user: user.clone(),
        }
    }

    pub(crate) fn record_detach(&self, event: EventId, user: &UserId) {
        if let Err(error) = self.0.batcher.detach(event, user, &self.0.config.node) {
            tracing::warn!(%event, %error, "failed to record detach; presence expires by node timeout");
        }
    }

    /// What ends a connection's registration for an event when it is dropped; to be made before
    /// [`Gateway::register`].
    pub(crate) fn subscribe(
        &self,
        event: EventId,
        user: &UserId,
        mailbox: &Arc<Mailbox>,
    ) -> RoomSubscription {
        RoomSubscription {
            gateway: self.clone(),
            event,
            user: user.clone(),
            mailbox: Arc::clone(mailbox),
        }
    }

    /// Registers a connection for a place that was just read; returns the place, read again where
    /// the line moved meanwhile. What is returned is what is registered: of the client's positions
    /// it is the first, and none may be worse.
    pub(crate) async fn attach_current(
        &self,
        event: EventId,
        user: &UserId,
        mailbox: &Arc<Mailbox>,
        mut place: Place,
    ) -> Result<Place, Problem> {
        for attempt in 1.. {
            place = require_known_position(place)?;
            let Ok(is_current) = self.0.registry.attach(event, user, &place, mailbox) else {
                let detail = "you have too many connections open for this event";
                return Err(
                    Problem::new(Code::RateLimited, detail).retry_after(Duration::from_secs(5))
                );
            };
            if is_current || attempt == MAX_ATTACH_ATTEMPTS {
                break;
            }
            place = self.resume(event, user, &self.node_presence()).await?;
        }
        self.0.registry.send_sale_state(event, mailbox);
        Ok(self.0.registry.clamp_to_last_sent(event, user, place))
    }

    /// Gives the place up, and tells every connection of the user, on other nodes too.
    pub(crate) async fn leave(&self, event: EventId, user: &UserId) -> Result<(), Problem> {
        let mut left = self.0.batcher.leave(event, user).await;
        if let (Err(EngineError::Recovering), Some(ticket)) =
            (&left, self.last_known_ticket(event, user))
        {
            // Whoever is brought back later could not leave any more.
            left = match self
                .0
                .batcher
                .bring_back(event, user, Presence::Poll, ticket, None)
                .await
            {
                Ok(_) => self.0.batcher.leave(event, user).await,
                Err(error) => Err(error),
            };
        }
        match left {
            Ok(Some(nodes)) => {
                self.0.registry.remove_user(event, user, Lapse::Left);
                self.notify_other_nodes(event, user, nodes).await;
                Ok(())
            }
            Ok(None) => Err(Problem::new(
                Code::NotInQueue,
                "you have no place in this line",
            )),
            Err(error) => Err(self.engine_problem(event, error).await),
        }
    }

    fn last_known_ticket(&self, event: EventId, user: &UserId) -> Option<(Epoch, u64)> {
        let seen = || {
            self.0
                .registry
                .remembered_place(event, user)
                .as_ref()
                .map(RememberedPlace::ticket)
        };
        self.0.registry.ticket(event, user).or_else(seen)
    }

    /// A hint, as all signals are: what a tab elsewhere does not hear, it learns at its next step.
    async fn notify_other_nodes(&self, event_id: EventId, user: &UserId, nodes: Vec<NodeId>) {
        let others = nodes.into_iter().filter(|node| *node != self.0.config.node);
        let left = Signal::Lapsed {
            event_id,
            users: vec![(user.clone(), Lapse::Left)],
        };
        let signals: Vec<_> = others
            .map(|node| (Recipient::Node(node), left.clone()))
            .collect();
        if let Err(error) = self.0.deps.signals.send(&signals).await {
            tracing::warn!(%event_id, %error, "failed to notify other nodes of leave");
        }
    }

    /// Records that a pass has arrived.
    pub(crate) async fn acknowledge(
        &self,
        event: EventId,
        user: &UserId,
        pass: &PassId,
    ) -> Result<(), Problem> {
        match self.0.batcher.acknowledge(event, user, pass.clone()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.ack_problem(event, None).await),
            Err(error) => Err(self.ack_problem(event, Some(error)).await),
        }
    }

    /// The same without waiting for it: the connection's mailbox hears where it is refused.
    pub(crate) fn acknowledge_detached(
        &self,
        event: EventId,
        user: &UserId,
        pass: &PassId,
        mailbox: &Arc<Mailbox>,
    ) {
        let (refused, its_mailbox) = (pass.clone(), Arc::clone(mailbox));
        let refuse = move |error| its_mailbox.push_rejected_ack(event, refused, error);
        if let Err(error) = self
            .0
            .batcher
            .note_acknowledged(event, user, pass.clone(), refuse)
        {
            mailbox.push_rejected_ack(event, pass.clone(), Some(error));
        }
    }

    /// Why an acknowledgement was refused: the engine failed, or there is no such pass.
    pub(crate) async fn ack_problem(&self, event: EventId, error: Option<EngineError>) -> Problem {
        match error {
            None => Problem::new(
                Code::PassRevoked,
                "this pass is not yours or no longer live",
            ),
            Some(error) => self.engine_problem(event, error).await,
        }
    }

    /// An engine's refusal as a client reads it. An engine that lists the event without holding it,
    /// holds none at all, or had this one before has lost state and waits for booking to rebuild
    /// it.
    pub(crate) async fn engine_problem(&self, event: EventId, error: EngineError) -> Problem {
        match error {
            EngineError::UnknownEvent => match self.0.deps.engine.events().await {
                Ok(events)
                    if !events.is_empty()
                        && !events.contains(&event)
                        && !self.0.registry.is_event_known(event) =>
                {
                    Problem::new(Code::EventNotFound, "no event has this event_id")
                        .field("event_id")
                }
                _ => unavailable("the line is being rebuilt"),
            },
            EngineError::Deciding => unavailable(
                "your reservation is being decided; you keep your place and your pass until then",
            ),
            EngineError::Full => {
                unavailable("nobody new can join at this moment; whoever has a place keeps it")
            }
            EngineError::Recovering => {
                unavailable("the line is being rebuilt, and you are not back in it yet")
            }
            EngineError::Busy => unavailable("too many users come and go at this moment"),
            EngineError::Unavailable(error) => {
                tracing::warn!(%event, error, "engine request failed");
                unavailable("the line cannot be reached")
            }
        }
    }

    /// A pass's token.
    pub(crate) fn token(&self, event: EventId, user: &UserId, grant: &Grant) -> String {
        self.0.deps.passes.mint(event, user, grant)
    }

    /// How long until this place's turn at the worst, where an end can be foreseen.
    pub(crate) fn max_wait(&self, event: EventId, place: &Place) -> Option<Duration> {
        let range = self.estimate(event, place).range?;
        Some(Duration::from_secs(range.high.into()))
    }

    /// A place as REST and streams answer it.
    pub(crate) fn place_response(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
    ) -> PlaceResponse {
        self.place_response_with(event, user, place, self.estimate(event, place))
    }

    /// What to tell of the wait at this place.
    fn estimate(&self, event: EventId, place: &Place) -> WaitEstimate {
        let estimate = self
            .0
            .registry
            .estimate(event, place.position, self.0.deps.clock.now());
        match place.counting && place.grant.is_none() {
            true => WaitEstimate {
                range: None,
                reason: Some(WaitReason::Counting),
                ..estimate
            },
            false => estimate,
        }
    }

    /// As [`Gateway::answer`], with this estimate.
    pub(crate) fn place_response_with(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        estimate: WaitEstimate,
    ) -> PlaceResponse {
        let grant = place.grant.as_ref();
        PlaceResponse {
            event_id: event,
            user_id: user.clone(),
            position: place.position,
            total_in_queue: place.total,
            estimated_wait_seconds: estimate.wait_seconds,
            wait_range_seconds: estimate.range,
            reason: estimate.reason,
            is_ready: grant.is_some(),
            ticket: self
                .0
                .deps
                .tickets
                .mint(event, user, &place.epoch, place.number),
            pass_id: grant.map(|grant| grant.pass_id.clone()),
            queue_pass: grant.map(|grant| self.token(event, user, grant)),
            queue_pass_expires_at: grant.map(|grant| grant.expires_at),
            hold: None,
            left: None,
        }
    }

    /// A place without a pass, as the socket says it.
    pub(crate) fn place_message(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
    ) -> ServerMessage {
        let estimate = self.estimate(event, place);
        ServerMessage::Queued {
            event_id: event,
            ticket: self
                .0
                .deps
                .tickets
                .mint(event, user, &place.epoch, place.number),
            position: place.position,
            total_in_queue: place.total,
            estimated_wait_seconds: estimate.wait_seconds.into(),
            wait_range_seconds: estimate.range,
            reason: estimate.reason,
        }
    }

    /// A pass as the socket says it.
    pub(crate) fn pass_message(
        &self,
        event: EventId,
        user: &UserId,
        grant: &Grant,
        hold: Option<Map<String, Value>>,
        left: Option<Vec<ZoneLeft>>,
    ) -> ServerMessage {
        self.0.passes_sent.increment(1);
        ServerMessage::Pass {
            event_id: event,
            pass_id: grant.pass_id.clone(),
            queue_pass: self.token(event, user, grant),
            expires_at: grant.expires_at,
            hold,
            left,
        }
    }
}

/// Nobody who asks is told a position while another gateway may have told them a better one, of a
/// line that was lost.
fn require_known_position(place: Place) -> Result<Place, Problem> {
    match place.told {
        Told::Unknown => Err(unavailable(
            "the line is being counted; you keep your place",
        )),
        Told::Nothing | Told::Before(_) => Ok(place),
    }
}

fn queue_not_open(state: SaleState) -> Problem {
    let problem = Problem::new(
        Code::QueueClosed,
        format!("the line is not open: the sale is {}", state.as_str()),
    );
    match state {
        SaleState::Scheduled => problem.retry_after(Duration::from_secs(5)),
        _ => problem,
    }
}

fn unavailable(detail: &str) -> Problem {
    Problem::unavailable(detail, Duration::from_secs(1))
}

/// How the end of a pass or place reads to its user.
pub(crate) fn removal_problem(lapse: Lapse) -> Problem {
    match lapse {
        Lapse::Unclaimed => Problem::new(
            Code::PassRevoked,
            "nobody claimed the pass in time; come back and you are first again",
        ),
        Lapse::Expired => Problem::new(
            Code::PassExpired,
            "the pass has expired; join the line again",
        ),
        Lapse::Left => Problem::new(Code::NotInQueue, "you gave your place up"),
        Lapse::Absent => Problem::new(
            Code::NotInQueue,
            "you were away for too long; join the line again",
        ),
    }
}
