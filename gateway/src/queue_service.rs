//! The operations on a user's place (join, resume, poll, leave, acknowledge), the same for REST,
//! streams and sockets. Each is one call: a join or resume of a connection contains its
//! subscription, one of a poll contains what is remembered for the next poll.

mod join_resume_leave;
mod room_subscriber;

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use waitingroom_domain::{
    ids::{EventId, PassId, UserId},
    presence::Presence,
    push::PushSubscription,
    queue::{Grant, LastPosition, Place},
};
use waitingroom_engine::{EngineError, QueueStatus};
use waitingroom_server::{
    auth::Identity,
    problem::{Code, Problem},
};

pub(crate) use self::{
    join_resume_leave::{PlaceActions, PresentedTicket},
    room_subscriber::{RoomSubscriber, RoomSubscription},
};
use crate::{
    auto_hold::{AutoHoldService, PreviousHoldQuery},
    connection::mailbox::Mailbox,
    guests::guest_join_limit::{GuestJoinLimits, JoinPermit},
    local_node::LocalNode,
};

/// Max attempts to attach a connection with a place that is not older than the room: if a queue
/// moves faster than places can be read, its users see a position that is a little too high.
const MAX_ATTACH_ATTEMPTS: usize = 5;

/// A user's request for a place.
pub(crate) struct PlaceRequest<'a> {
    pub(crate) event: EventId,
    pub(crate) caller: &'a Identity,
    /// The address that a guest is counted by.
    pub(crate) address: IpAddr,
    pub(crate) presented: PresentedTicket<'a>,
    /// Set by a connection that may have got seats through another gateway.
    pub(crate) previous_hold: Option<PreviousHoldQuery<'a>>,
}

/// The connection that a join is for.
pub(crate) enum Connection<'a> {
    /// It has no subscription to the event yet.
    New(&'a Arc<Mailbox>),
    /// It joins again.
    Subscribed(&'a RoomSubscription),
}

impl<'a> Connection<'a> {
    fn mailbox(&self) -> &'a Arc<Mailbox> {
        match self {
            Self::New(mailbox) => mailbox,
            Self::Subscribed(subscription) => subscription.mailbox(),
        }
    }
}

/// Result of a connection's join.
pub(crate) enum JoinReply {
    /// The place to send, and the subscription of a connection that had none.
    Place(Place, Option<RoomSubscription>),
    /// Seats that an automatic hold got while the user was connected to another gateway: the user
    /// needs no place.
    AlreadyHeld(Map<String, Value>),
}

/// Result of a poll's join.
pub(crate) struct PollJoinReply {
    pub(crate) is_new: bool,
    /// As of [`QueueService::poll`].
    pub(crate) place: Option<Place>,
}

/// See the module's documentation.
pub(crate) struct QueueService {
    actions: Arc<PlaceActions>,
    subscriber: Arc<RoomSubscriber>,
    guests: GuestJoinLimits,
    auto_hold: Arc<AutoHoldService>,
    node: Arc<LocalNode>,
}

impl QueueService {
    pub(crate) fn new(
        actions: Arc<PlaceActions>,
        subscriber: Arc<RoomSubscriber>,
        guests: GuestJoinLimits,
        auto_hold: Arc<AutoHoldService>,
        node: Arc<LocalNode>,
    ) -> Self {
        Self {
            actions,
            subscriber,
            guests,
            auto_hold,
            node,
        }
    }

    /// Takes a place or finds the user's own, and subscribes the connection to the event.
    #[tracing::instrument(level = "debug", skip_all, fields(event = %request.event))]
    pub(crate) async fn join(
        &self,
        request: &PlaceRequest<'_>,
        connection: Connection<'_>,
    ) -> Result<JoinReply, Problem> {
        let (event, caller) = (request.event, request.caller);

        // Until the connection is attached, the end of another one does not make the user absent.
        let _pending_attach = self.subscriber.begin_attach(event, &caller.user);
        let (is_new, place) = self.take_place(request, self.node.presence()).await?;

        // A user that has the seats already needs no place.
        if is_new
            && let Some(query) = &request.previous_hold
            && let Some(booking) = self.auto_hold.previous_hold(event, query).await
        {
            let _ = self.give_place_up(event, &caller.user).await;
            self.guests.release(event, caller);
            return Ok(JoinReply::AlreadyHeld(booking));
        }

        // Before the connection is attached: dropping the subscription detaches it if that fails.
        let subscription = match connection {
            Connection::New(mailbox) => Some(self.subscribe(event, caller, mailbox)),
            Connection::Subscribed(_) => None,
        };
        let place = self
            .attach_current(event, &caller.user, connection.mailbox(), place)
            .await?;
        Ok(JoinReply::Place(place, subscription))
    }

    /// Takes a place or finds the user's own, for a user without a connection.
    #[tracing::instrument(level = "debug", skip_all, fields(event = %request.event))]
    pub(crate) async fn join_by_poll(
        &self,
        request: &PlaceRequest<'_>,
    ) -> Result<PollJoinReply, Problem> {
        let (is_new, place) = self.take_place(request, Presence::Poll).await?;
        let user = &request.caller.user;
        Ok(PollJoinReply {
            is_new,
            place: self.place_for_poll(request.event, user, place),
        })
    }

    /// A guest's place is counted, and refused if there are too many or the identity is too old; a
    /// guest that has a place keeps it. True if the place is new.
    async fn take_place(
        &self,
        request: &PlaceRequest<'_>,
        presence: Presence,
    ) -> Result<(bool, Place), Problem> {
        let (event, caller, presented) = (request.event, request.caller, request.presented);
        let permit = self
            .guests
            .acquire(event, caller, request.address, presented.ticket);

        if let JoinPermit::Refused(refusal) = permit {
            return match self.actions.resume(event, &caller.user, &presence).await {
                Ok(place) => Ok((false, place)),
                Err(problem) if problem.code == Code::NotInQueue => Err(refusal()),
                Err(problem) => Err(problem),
            };
        }

        let joined = self
            .actions
            .join(event, &caller.user, presence, presented)
            .await;
        if joined.is_err() && matches!(permit, JoinPermit::NewlyCounted) {
            self.guests.release(event, caller);
        }
        joined
    }

    /// Reads the user's place, and subscribes the connection to the event.
    #[tracing::instrument(level = "debug", skip_all, fields(%event))]
    pub(crate) async fn resume(
        &self,
        event: EventId,
        caller: &Identity,
        mailbox: &Arc<Mailbox>,
    ) -> Result<(Place, RoomSubscription), Problem> {
        let user = &caller.user;

        // Until the connection is attached, the end of another one does not make the user absent.
        let _pending_attach = self.subscriber.begin_attach(event, user);
        let place = self.read_place(event, user).await?;

        let subscription = self.subscribe(event, caller, mailbox);
        let place = self.attach_current(event, user, mailbox, place).await?;
        self.guests.extend(event, caller);
        if place.grant.is_some() {
            self.guests.unsubscribe(event, &caller.user); // the answer carries the pass
        }
        Ok((place, subscription))
    }

    /// Reads the place of a user without a connection. `None` while the position is unknown:
    /// another gateway may have sent the user a better one, of a queue that was lost.
    #[tracing::instrument(level = "debug", skip_all, fields(%event))]
    pub(crate) async fn poll(
        &self,
        event: EventId,
        caller: &Identity,
    ) -> Result<Option<Place>, Problem> {
        let place = self
            .actions
            .resume(event, &caller.user, &Presence::Poll)
            .await?;
        self.guests.extend(event, caller);
        Ok(self.place_for_poll(event, &caller.user, place))
    }

    fn place_for_poll(&self, event: EventId, user: &UserId, place: Place) -> Option<Place> {
        is_position_known(&place).then(|| self.subscriber.remember_poll(event, user, place))
    }

    /// Reads the place of a user with a connection here, and marks the user present.
    pub(crate) async fn read_place(&self, event: EventId, user: &UserId) -> Result<Place, Problem> {
        self.actions
            .resume(event, user, &self.node.presence())
            .await
    }

    fn subscribe(
        &self,
        event: EventId,
        caller: &Identity,
        mailbox: &Arc<Mailbox>,
    ) -> RoomSubscription {
        let guest_connection = self.guests.track_connection(event, caller);
        self.subscriber
            .subscribe(event, &caller.user, mailbox, guest_connection)
    }

    /// Attaches a connection with a place that was just read; returns the place, read again if the
    /// queue moved meanwhile. The client is sent just this place first: no later position is worse.
    async fn attach_current(
        &self,
        event: EventId,
        user: &UserId,
        mailbox: &Arc<Mailbox>,
        mut place: Place,
    ) -> Result<Place, Problem> {
        for attempt in 1.. {
            if !is_position_known(&place) {
                return Err(position_unknown());
            }

            let Ok(is_current) = self.subscriber.attach(event, user, mailbox, &place) else {
                let detail = "you have too many connections open for this event";
                return Err(
                    Problem::new(Code::RateLimited, detail).retry_after(Duration::from_secs(5))
                );
            };
            if is_current || attempt == MAX_ATTACH_ATTEMPTS {
                break;
            }
            place = self.read_place(event, user).await?;
        }

        Ok(self.subscriber.place_to_send(event, user, mailbox, place))
    }

    /// Gives the place up, and notifies every connection of the user, on other nodes too.
    #[tracing::instrument(level = "debug", skip_all, fields(%event))]
    pub(crate) async fn leave(&self, event: EventId, caller: &Identity) -> Result<(), Problem> {
        self.give_place_up(event, &caller.user).await?;
        self.guests.release(event, caller);
        Ok(())
    }

    async fn give_place_up(&self, event: EventId, user: &UserId) -> Result<(), Problem> {
        let nodes = self.actions.leave(event, user).await?;
        self.node.notify_left(event, user, nodes).await;
        Ok(())
    }

    /// Notifies this browser of the user's pass, as long as the user has a place.
    #[tracing::instrument(level = "debug", skip_all, fields(%event))]
    pub(crate) async fn subscribe_push(
        &self,
        event: EventId,
        caller: &Identity,
        address: IpAddr,
        subscription: PushSubscription,
    ) -> Result<(), Problem> {
        let user = &caller.user;
        self.guests.subscribe(event, caller, address)?;
        let subscribed = self.actions.subscribe_push(event, user, subscription).await;
        if subscribed.is_err() {
            self.guests.unsubscribe(event, user);
        }
        subscribed
    }

    /// Notifies none of the user's browsers any more.
    #[tracing::instrument(level = "debug", skip_all, fields(%event))]
    pub(crate) async fn unsubscribe_push(
        &self,
        event: EventId,
        user: &UserId,
    ) -> Result<(), Problem> {
        self.actions.unsubscribe_push(event, user).await?;
        self.guests.unsubscribe(event, user);
        Ok(())
    }

    /// Records that a pass has arrived.
    #[tracing::instrument(level = "debug", skip_all, fields(%event))]
    pub(crate) async fn acknowledge(
        &self,
        event: EventId,
        user: &UserId,
        pass: &PassId,
    ) -> Result<(), Problem> {
        self.guests.unsubscribe(event, user);
        self.actions.acknowledge(event, user, pass).await
    }

    /// Fire-and-forget variant. A rejection is delivered to the connection's mailbox.
    pub(crate) fn acknowledge_detached(
        &self,
        event: EventId,
        user: &UserId,
        pass: &PassId,
        mailbox: &Arc<Mailbox>,
    ) {
        self.guests.unsubscribe(event, user);
        self.actions
            .acknowledge_detached(event, user, pass, mailbox);
    }

    /// Why an acknowledgement was rejected.
    pub(crate) async fn ack_problem(&self, event: EventId, error: Option<EngineError>) -> Problem {
        self.actions.ack_problem(event, error).await
    }

    /// Has the user no place with this pass any more?
    pub(crate) async fn is_pass_gone(&self, event: EventId, user: &UserId, grant: &Grant) -> bool {
        match self.read_place(event, user).await {
            Ok(place) => place.number != grant.number,
            Err(problem) => problem.code == Code::NotInQueue,
        }
    }

    /// Users in the event's queue, as this node knows last.
    pub(crate) fn last_known_total(&self, event: EventId) -> Option<u64> {
        self.actions.last_known_total(event)
    }

    /// The event's queue.
    #[tracing::instrument(level = "debug", skip_all, fields(%event))]
    pub(crate) async fn status(&self, event: EventId) -> Result<QueueStatus, Problem> {
        self.actions.status(event).await
    }
}

fn is_position_known(place: &Place) -> bool {
    place.last_position != LastPosition::Unknown
}

/// The position of a place is unknown, see [`QueueService::poll`].
pub(crate) fn position_unknown() -> Problem {
    unavailable("the queue is being rebuilt; you keep your place")
}

fn unavailable(detail: &str) -> Problem {
    Problem::unavailable(detail, Duration::from_secs(1))
}

#[cfg(test)]
mod tests;
