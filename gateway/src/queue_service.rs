//! The operations on a user's place (join, resume, leave, acknowledge), the same for REST, streams
//! and sockets, and the engine's results as clients read them.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value};
use waitingroom_domain::{
    clock::Timestamp,
    ids::{Epoch, EventId, NodeId, PassId, UserId},
    presence::{POLL_PRESENCE_TTL, Presence},
    queue::{Grant, LastPosition, Place, Removal, SaleState},
};
use waitingroom_engine::{EngineError, JoinOutcome};
use waitingroom_messaging::signal::{Recipient, Signal};
use waitingroom_server::{
    problem::{Code, Problem},
    protocol::{ServerMessage, WaitRange, WaitReason, ZoneLeft},
};

use crate::{
    auto_hold::AutoHoldOutcome, connection::mailbox::Mailbox, registry::RememberedPlace,
    state::Gateway, wait_estimator::WaitEstimate,
};

/// Max attempts to attach a connection with a place that is not older than the room: if a queue
/// moves faster than places can be read, its users see a position that is a little too high.
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
    /// The same with the result of the automatic hold.
    pub(crate) fn with_hold(mut self, outcome: &AutoHoldOutcome) -> Self {
        (self.hold, self.left) = outcome.message_parts();
        self
    }
}

/// A connection's subscription to one event. Dropping it detaches the connection; with the last one
/// of the user on this node, the user becomes absent.
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
        let now = self.gateway.0.deps.clock.now();
        let on_last = || self.gateway.record_detach(self.event, &self.user);
        let registry = &self.gateway.0.registry;
        registry.detach(self.event, &self.user, &self.mailbox, now, on_last);
    }
}

/// A connection whose place is being read. While it exists, the end of the user's other connections
/// does not make the user absent.
pub(crate) struct PendingAttach {
    gateway: Gateway,
    event: EventId,
    user: UserId,
}

impl Drop for PendingAttach {
    fn drop(&mut self) {
        let on_last = || self.gateway.record_detach(self.event, &self.user);
        let registry = &self.gateway.0.registry;
        registry.finish_attach(self.event, &self.user, on_last);
    }
}

/// The ticket that a client sends to return to its place.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PresentedTicket<'a> {
    pub(crate) ticket: Option<&'a str>,
    /// The last position that the client knows with the ticket.
    pub(crate) position: Option<u32>,
}

impl Gateway {
    /// Presence by a connection of this node.
    pub(crate) fn node_presence(&self) -> Presence {
        Presence::Node(self.0.config.node.clone())
    }

    /// Takes a place or finds the user's own; true if it is new. After a loss of the queue, the
    /// position does not exceed the one that the client or this node remembers.
    pub(crate) async fn join(
        &self,
        event: EventId,
        user: &UserId,
        presence: Presence,
        presented: PresentedTicket<'_>,
    ) -> Result<(bool, Place), Problem> {
        let remembered_here = self.0.registry.remembered_place(event, user);
        let ticket = presented
            .ticket
            .and_then(|ticket| self.0.deps.tickets.verify(ticket, event, user));
        let remembered_by_client = ticket
            .clone()
            .zip(presented.position)
            .map(|(ticket, position)| RememberedPlace::from_ticket(ticket, position));

        let ticket = ticket.or_else(|| remembered_here.as_ref().map(RememberedPlace::ticket));
        let (is_new, place) = self
            .join_with_ticket(event, user, presence.clone(), ticket)
            .await?;

        let remembered = [remembered_here, remembered_by_client];
        let Some(remembered) = RememberedPlace::best_before(&place, remembered) else {
            return Ok((is_new, place));
        };
        let restored = self
            .restore_place(event, user, presence, &remembered)
            .await
            .ok()
            .flatten();
        Ok((is_new, restored.unwrap_or(place)))
    }

    /// Restores a user of a lost queue to their number, with the last position that they know.
    async fn restore_place(
        &self,
        event: EventId,
        user: &UserId,
        presence: Presence,
        remembered: &RememberedPlace,
    ) -> Result<Option<Place>, EngineError> {
        self.0
            .batcher
            .restore(
                event,
                user,
                presence,
                remembered.ticket(),
                Some(remembered.last_sent_position),
            )
            .await
    }

    /// As [`Gateway::join`], with the epoch and number of a verified ticket.
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

    /// Reads the user's place and marks the user present.
    pub(crate) async fn resume(
        &self,
        event: EventId,
        user: &UserId,
        presence: &Presence,
    ) -> Result<Place, Problem> {
        if *presence == Presence::Poll {
            let present_until = self.0.deps.clock.now().plus(POLL_PRESENCE_TTL);
            let registry = &self.0.registry;
            registry.extend_presence(event, user, present_until);
        }

        let mut found = self.0.batcher.resume(event, user, presence.clone()).await;
        let remembered = self.0.registry.remembered_place(event, user);
        let must_be_restored = |remembered: &RememberedPlace| match &found {
            Ok(Some(place)) => remembered.is_of_previous_epoch(place),
            found => matches!(found, Ok(None) | Err(EngineError::Recovering)),
        };
        if let Some(remembered) = remembered.filter(must_be_restored) {
            found = self
                .restore_place(event, user, presence.clone(), &remembered)
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

    /// The place to show to a user without a connection; it is remembered here.
    pub(crate) fn place_for_poll(
        &self,
        event: EventId,
        user: &UserId,
        place: Place,
    ) -> Result<Place, Problem> {
        let place = require_known_position(place)?;
        let registry = &self.0.registry;
        let place = registry.clamp_to_last_sent(event, user, place);

        let now = self.0.deps.clock.now();
        registry.remember(event, user, &place, now.plus(POLL_PRESENCE_TTL), now);
        Ok(place)
    }

    /// The epoch of the event's queue.
    pub(crate) async fn current_epoch(&self, event: EventId) -> Result<Epoch, Problem> {
        match self.0.deps.engine.status(event).await {
            Ok(status) => Ok(status.epoch),
            Err(error) => Err(self.engine_problem(event, error).await),
        }
    }

    /// To be held from before a connection's place is read until the connection is attached.
    pub(crate) fn begin_attach(&self, event: EventId, user: &UserId) -> PendingAttach {
        self.0.registry.begin_attach(event, user);
        PendingAttach {
            gateway: self.clone(),
            event,
            user: user.clone(),
        }
    }

    /// Records that the user has no connection on this node any more.
    pub(crate) fn record_detach(&self, event: EventId, user: &UserId) {
        if let Err(error) = self.0.batcher.detach(event, user, &self.0.config.node) {
            tracing::warn!(%event, %error, "failed to record detach; presence expires by node timeout");
        }
    }

    /// Subscribes a connection to an event; to be called before [`Gateway::attach_current`], so
    /// that the connection is detached if that fails.
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

    /// Attaches a connection with a place that was just read; returns the place, read again if the
    /// queue moved meanwhile. The client is sent just this place first: no later position is worse.
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

    /// Gives the place up, and notifies every connection of the user, on other nodes too.
    pub(crate) async fn leave(&self, event: EventId, user: &UserId) -> Result<(), Problem> {
        let mut left = self.0.batcher.leave(event, user).await;
        if let (Err(EngineError::Recovering), Some(ticket)) =
            (&left, self.last_known_ticket(event, user))
        {
            // The place must be restored first: a node that restores it later would undo the leave.
            left = match self
                .0
                .batcher
                .restore(event, user, Presence::Poll, ticket, None)
                .await
            {
                Ok(_) => self.0.batcher.leave(event, user).await,
                Err(error) => Err(error),
            };
        }

        match left {
            Ok(Some(nodes)) => {
                self.0.registry.remove_user(event, user, Removal::Left);
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
        let registry = &self.0.registry;
        let remembered = || {
            registry
                .remembered_place(event, user)
                .as_ref()
                .map(RememberedPlace::ticket)
        };
        registry.ticket(event, user).or_else(remembered)
    }

    /// Best effort, as all signals: a tab that misses it learns of the leave with its next request.
    async fn notify_other_nodes(&self, event_id: EventId, user: &UserId, nodes: Vec<NodeId>) {
        let others = nodes.into_iter().filter(|node| *node != self.0.config.node);
        let left = Signal::Removals {
            event_id,
            users: vec![(user.clone(), Removal::Left)],
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

    /// Fire-and-forget variant. A rejection is delivered to the connection's mailbox.
    pub(crate) fn acknowledge_detached(
        &self,
        event: EventId,
        user: &UserId,
        pass: &PassId,
        mailbox: &Arc<Mailbox>,
    ) {
        let rejected_pass = pass.clone();
        let its_mailbox = Arc::clone(mailbox);
        let on_rejected = move |error| its_mailbox.push_rejected_ack(event, rejected_pass, error);

        let batcher = &self.0.batcher;
        if let Err(error) = batcher.acknowledge_detached(event, user, pass.clone(), on_rejected) {
            mailbox.push_rejected_ack(event, pass.clone(), Some(error));
        }
    }

    /// Why an acknowledgement was rejected: the engine failed, or there is no such pass.
    pub(crate) async fn ack_problem(&self, event: EventId, error: Option<EngineError>) -> Problem {
        match error {
            None => Problem::new(
                Code::PassRevoked,
                "this pass is not yours or no longer live",
            ),
            Some(error) => self.engine_problem(event, error).await,
        }
    }

    /// An engine error as a client reads it. An unknown event is unavailable rather than not found
    /// if the engine lists it, holds no event at all, or held this one before: the engine has lost
    /// its state, and booking is about to rebuild it.
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

    /// The longest likely wait at this place, if an end can be foreseen.
    pub(crate) fn max_wait(&self, event: EventId, place: &Place) -> Option<Duration> {
        let range = self.estimate(event, place).range?;
        Some(Duration::from_secs(range.high.into()))
    }

    /// A place as REST and streams return it.
    pub(crate) fn place_response(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
    ) -> PlaceResponse {
        self.place_response_with(event, user, place, self.estimate(event, place))
    }

    /// The wait to show at this place.
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

    /// As [`Gateway::place_response`], with this estimate.
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

    /// The socket's message for a place without a pass.
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

    /// The socket's message for a pass.
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

/// An error while the position is unknown: another gateway may have sent the user a better one, of
/// a queue that was lost.
fn require_known_position(place: Place) -> Result<Place, Problem> {
    match place.last_position {
        LastPosition::Unknown => Err(unavailable(
            "the line is being counted; you keep your place",
        )),
        LastPosition::NotSent | LastPosition::Sent(_) => Ok(place),
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

/// The end of a pass or place as its user reads it.
pub(crate) fn removal_problem(lapse: Removal) -> Problem {
    match lapse {
        Removal::Unclaimed => Problem::new(
            Code::PassRevoked,
            "nobody claimed the pass in time; come back and you are first again",
        ),
        Removal::Expired => Problem::new(
            Code::PassExpired,
            "the pass has expired; join the line again",
        ),
        Removal::Left => Problem::new(Code::NotInQueue, "you gave your place up"),
        Removal::Absent => Problem::new(
            Code::NotInQueue,
            "you were away for too long; join the line again",
        ),
    }
}
