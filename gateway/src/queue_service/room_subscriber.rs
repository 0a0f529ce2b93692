//! Subscribes connections of this node to events' rooms, and records in the engine when a user has
//! no connection here any more.

use std::sync::Arc;

use waitingroom_domain::{
    ids::{EventId, UserId},
    presence::POLL_PRESENCE_TTL,
    queue::Place,
};
use waitingroom_engine::batcher::ActionBatcher;

use crate::{
    connection::mailbox::Mailbox,
    guests::places::GuestConnection,
    local_node::LocalNode,
    position_updates::{Registry, TooManyConnections},
};

/// See the module's documentation.
pub(crate) struct RoomSubscriber {
    registry: Arc<Registry>,
    batcher: ActionBatcher,
    node: Arc<LocalNode>,
}

impl RoomSubscriber {
    pub(crate) fn new(
        registry: Arc<Registry>,
        batcher: ActionBatcher,
        node: Arc<LocalNode>,
    ) -> Self {
        Self {
            registry,
            batcher,
            node,
        }
    }

    /// To be held from before a connection's place is read until the connection is attached.
    pub(super) fn begin_attach(self: &Arc<Self>, event: EventId, user: &UserId) -> PendingAttach {
        self.registry.begin_attach(event, user);
        PendingAttach {
            subscriber: Arc::clone(self),
            event,
            user: user.clone(),
        }
    }

    /// Subscribes a connection to an event; to be called before [`RoomSubscriber::attach`], so that
    /// the connection is detached if that fails.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        event: EventId,
        user: &UserId,
        mailbox: &Arc<Mailbox>,
        guest_connection: Option<Box<GuestConnection>>,
    ) -> RoomSubscription {
        RoomSubscription {
            subscriber: Arc::clone(self),
            event,
            user: user.clone(),
            mailbox: Arc::clone(mailbox),
            _guest_connection: guest_connection,
        }
    }

    /// Attaches a connection with a place. `Ok(false)` if the place must be read again.
    pub(super) fn attach(
        &self,
        event: EventId,
        user: &UserId,
        mailbox: &Arc<Mailbox>,
        place: &Place,
    ) -> Result<bool, TooManyConnections> {
        self.registry.attach(event, user, place, mailbox)
    }

    /// The place to send to a connection that was attached with it: no later position is worse.
    /// Sends the state of the sale, too, if it is worth a message.
    pub(super) fn place_to_send(
        &self,
        event: EventId,
        user: &UserId,
        mailbox: &Mailbox,
        place: Place,
    ) -> Place {
        self.registry.send_sale_state(event, mailbox);
        self.registry.clamp_to_last_sent(event, user, place)
    }

    /// The place to show to a user without a connection; it is remembered here.
    pub(super) fn remember_poll(&self, event: EventId, user: &UserId, place: Place) -> Place {
        let place = self.registry.clamp_to_last_sent(event, user, place);

        let now = self.node.now();
        let present_until = now.plus(POLL_PRESENCE_TTL);
        self.registry
            .remember(event, user, &place, present_until, now);
        place
    }

    /// Records that the user has no connection on this node any more.
    pub(crate) fn record_detach(&self, event: EventId, user: &UserId) {
        if let Err(error) = self.batcher.detach(event, user, self.node.id()) {
            tracing::warn!(%event, %error, "failed to record detach; presence expires by node timeout");
        }
    }
}

/// A connection's subscription to one event. Dropping it detaches the connection; with the last one
/// of the user on this node, the user becomes absent.
pub(crate) struct RoomSubscription {
    subscriber: Arc<RoomSubscriber>,
    event: EventId,
    user: UserId,
    mailbox: Arc<Mailbox>,
    /// Keeps a guest's place counted.
    _guest_connection: Option<Box<GuestConnection>>,
}

impl RoomSubscription {
    pub(crate) fn event(&self) -> EventId {
        self.event
    }

    pub(super) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }
}

impl Drop for RoomSubscription {
    fn drop(&mut self) {
        let subscriber = &self.subscriber;
        let on_last = || subscriber.record_detach(self.event, &self.user);
        let now = subscriber.node.now();
        subscriber
            .registry
            .detach(self.event, &self.user, &self.mailbox, now, on_last);
    }
}

/// A connection whose place is being read. While it exists, the end of the user's other connections
/// does not make the user absent.
pub(super) struct PendingAttach {
    subscriber: Arc<RoomSubscriber>,
    event: EventId,
    user: UserId,
}

impl Drop for PendingAttach {
    fn drop(&mut self) {
        let subscriber = &self.subscriber;
        let on_last = || subscriber.record_detach(self.event, &self.user);
        subscriber
            .registry
            .finish_attach(self.event, &self.user, on_last);
    }
}
