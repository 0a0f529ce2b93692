//! The engine's actions on one user's place. Places of a lost queue are restored on the way, and
//! the engine's errors become problems.

use std::{sync::Arc, time::Duration};

use waitingroom_domain::{
    clock::Clock,
    ids::{Epoch, EventId, NodeId, PassId, UserId},
    presence::{POLL_PRESENCE_TTL, Presence},
    push::PushSubscription,
    queue::{Place, Removal, SaleState},
    ticket::TicketKey,
};
use waitingroom_engine::{
    EngineError, JoinOutcome, QueueStatus, SharedEngine, batcher::ActionBatcher,
};
use waitingroom_server::problem::{Code, Problem};

use super::unavailable;
use crate::{
    connection::mailbox::Mailbox,
    position_updates::{Registry, RememberedPlace},
};

/// The ticket that a client sends to return to its place.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PresentedTicket<'a> {
    pub(crate) ticket: Option<&'a str>,
    /// The last position that the client knows with the ticket.
    pub(crate) position: Option<u32>,
}

/// See the module's documentation.
pub(crate) struct PlaceActions {
    engine: SharedEngine,
    /// Runs users' actions in batches.
    batcher: ActionBatcher,
    registry: Arc<Registry>,
    tickets: TicketKey,
    clock: Clock,
}

impl PlaceActions {
    pub(crate) fn new(
        engine: SharedEngine,
        batcher: ActionBatcher,
        registry: Arc<Registry>,
        tickets: TicketKey,
        clock: Clock,
    ) -> Self {
        Self {
            engine,
            batcher,
            registry,
            tickets,
            clock,
        }
    }

    /// Takes a place or finds the user's own; true if it is new. After a loss of the queue, the
    /// position does not exceed the one that the client or this node remembers.
    pub(super) async fn join(
        &self,
        event: EventId,
        user: &UserId,
        presence: Presence,
        presented: PresentedTicket<'_>,
    ) -> Result<(bool, Place), Problem> {
        let remembered_here = self.registry.remembered_place(event, user);
        let ticket = presented
            .ticket
            .and_then(|ticket| self.tickets.verify(ticket, event, user));
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
        self.batcher
            .restore(
                event,
                user,
                presence,
                remembered.ticket(),
                Some(remembered.last_sent_position),
            )
            .await
    }

    /// As [`PlaceActions::join`], with the epoch and number of a verified ticket.
    async fn join_with_ticket(
        &self,
        event: EventId,
        user: &UserId,
        presence: Presence,
        ticket: Option<(Epoch, u64)>,
    ) -> Result<(bool, Place), Problem> {
        match self.batcher.join(event, user, presence, ticket).await {
            Ok(JoinOutcome::Joined(place)) => Ok((true, place)),
            Ok(JoinOutcome::Same(place)) => Ok((false, place)),
            Ok(JoinOutcome::NotOpen(state)) => Err(queue_not_open(state)),
            Ok(JoinOutcome::Full) => Err(Problem::new(Code::QueueFull, "the queue is full")
                .retry_after(Duration::from_secs(10))),
            Err(error) => Err(self.engine_problem(event, error).await),
        }
    }

    /// Reads the user's place and marks the user present.
    pub(super) async fn resume(
        &self,
        event: EventId,
        user: &UserId,
        presence: &Presence,
    ) -> Result<Place, Problem> {
        if *presence == Presence::Poll {
            let present_until = self.clock.now().plus(POLL_PRESENCE_TTL);
            self.registry.extend_presence(event, user, present_until);
        }

        let mut found = self.batcher.resume(event, user, presence.clone()).await;
        let remembered = self.registry.remembered_place(event, user);
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
                "you are not in the queue; join it first",
            )),
            Err(error) => Err(self.engine_problem(event, error).await),
        }
    }

    /// Gives the place up, and notifies the user's connections on this node. Returns the nodes that
    /// have connections of the user.
    pub(super) async fn leave(
        &self,
        event: EventId,
        user: &UserId,
    ) -> Result<Vec<NodeId>, Problem> {
        let mut left = self.batcher.leave(event, user).await;
        if let (Err(EngineError::Recovering), Some(ticket)) =
            (&left, self.last_known_ticket(event, user))
        {
            // The place must be restored first: a node that restores it later would undo the leave.
            left = match self
                .batcher
                .restore(event, user, Presence::Poll, ticket, None)
                .await
            {
                Ok(_) => self.batcher.leave(event, user).await,
                Err(error) => Err(error),
            };
        }

        match left {
            Ok(Some(nodes)) => {
                self.registry.remove_user(event, user, Removal::Left);
                Ok(nodes)
            }
            Ok(None) => Err(Problem::new(Code::NotInQueue, "you are not in the queue")),
            Err(error) => Err(self.engine_problem(event, error).await),
        }
    }

    fn last_known_ticket(&self, event: EventId, user: &UserId) -> Option<(Epoch, u64)> {
        let remembered = || {
            self.registry
                .remembered_place(event, user)
                .as_ref()
                .map(RememberedPlace::ticket)
        };
        self.registry.ticket(event, user).or_else(remembered)
    }

    /// Notifies this browser of the user's pass, as long as the user has a place.
    pub(super) async fn subscribe_push(
        &self,
        event: EventId,
        user: &UserId,
        subscription: PushSubscription,
    ) -> Result<(), Problem> {
        match self.batcher.subscribe(event, user, subscription).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Problem::new(
                Code::NotInQueue,
                "you are not in the queue; join it first",
            )),
            Err(error) => Err(self.engine_problem(event, error).await),
        }
    }

    /// Notifies none of the user's browsers any more.
    pub(super) async fn unsubscribe_push(
        &self,
        event: EventId,
        user: &UserId,
    ) -> Result<(), Problem> {
        match self.batcher.unsubscribe(event, user).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.engine_problem(event, error).await),
        }
    }

    /// Records that a pass has arrived.
    pub(super) async fn acknowledge(
        &self,
        event: EventId,
        user: &UserId,
        pass: &PassId,
    ) -> Result<(), Problem> {
        match self.batcher.acknowledge(event, user, pass.clone()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.ack_problem(event, None).await),
            Err(error) => Err(self.ack_problem(event, Some(error)).await),
        }
    }

    /// Fire-and-forget variant. A rejection is delivered to the connection's mailbox.
    pub(super) fn acknowledge_detached(
        &self,
        event: EventId,
        user: &UserId,
        pass: &PassId,
        mailbox: &Arc<Mailbox>,
    ) {
        let rejected_pass = pass.clone();
        let its_mailbox = Arc::clone(mailbox);
        let on_rejected = move |error| its_mailbox.push_rejected_ack(event, rejected_pass, error);

        let batcher = &self.batcher;
        if let Err(error) = batcher.acknowledge_detached(event, user, pass.clone(), on_rejected) {
            mailbox.push_rejected_ack(event, pass.clone(), Some(error));
        }
    }

    /// The event's queue. While it is being rebuilt, or before its seats are loaded, the numbers
    /// that this node knows last count.
    pub(super) async fn status(&self, event: EventId) -> Result<QueueStatus, Problem> {
        let mut status = self.engine_status(event).await?;

        if status.counting
            && let Some(known) = self.last_known_total(event)
        {
            status.total = known.max(status.total);
        }
        if !status.seats_known
            && let Some(known) = self.registry.seats_left(event)
        {
            status.seats_left = known;
        }
        Ok(status)
    }

    /// Users in the event's queue, as this node knows last.
    pub(super) fn last_known_total(&self, event: EventId) -> Option<u64> {
        self.registry.total(event)
    }

    /// The epoch of the event's queue.
    pub(crate) async fn current_epoch(&self, event: EventId) -> Result<Epoch, Problem> {
        Ok(self.engine_status(event).await?.epoch)
    }

    async fn engine_status(&self, event: EventId) -> Result<QueueStatus, Problem> {
        match self.engine.status(event).await {
            Ok(status) => Ok(status),
            Err(error) => Err(self.engine_problem(event, error).await),
        }
    }

    /// Why an acknowledgement was rejected: the engine failed, or there is no such pass.
    pub(super) async fn ack_problem(&self, event: EventId, error: Option<EngineError>) -> Problem {
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
    async fn engine_problem(&self, event: EventId, error: EngineError) -> Problem {
        match error {
            EngineError::UnknownEvent => match self.engine.events().await {
                Ok(events)
                    if !events.is_empty()
                        && !events.contains(&event)
                        && !self.registry.is_event_known(event) =>
                {
                    Problem::new(Code::EventNotFound, "no event has this event_id")
                        .field("event_id")
                }
                _ => unavailable("the queue is being rebuilt"),
            },
            EngineError::Deciding => unavailable(
                "your reservation is being decided; you keep your place and your pass until then",
            ),
            EngineError::Full => unavailable(
                "new users cannot join at the moment; users in the queue keep their places",
            ),
            EngineError::Recovering => {
                unavailable("the queue is being rebuilt, and you are not back in it yet")
            }
            EngineError::Busy => unavailable("the gateway is overloaded; retry"),
            EngineError::Unavailable(error) => {
                tracing::warn!(%event, error, "engine request failed");
                unavailable("the queue is temporarily unavailable")
            }
        }
    }
}

fn queue_not_open(state: SaleState) -> Problem {
    let problem = Problem::new(
        Code::QueueClosed,
        format!("the queue is not open: the sale is {}", state.as_str()),
    );
    match state {
        SaleState::Scheduled => problem.retry_after(Duration::from_secs(5)),
        _ => problem,
    }
}
