//! This node among the others: its name, its reports to the engine, and the signals that it sends
//! and receives.

use std::sync::Arc;

use waitingroom_domain::{
    clock::{Clock, Timestamp},
    ids::{Epoch, EventId, NodeId, UserId},
    presence::Presence,
    queue::Removal,
};
use waitingroom_engine::{Action, ActionResult, EngineError, SharedEngine};
use waitingroom_messaging::signal::{Listener, Recipient, Signal, SignalError, Signals};

/// See the module's documentation.
pub(crate) struct LocalNode {
    id: NodeId,
    engine: SharedEngine,
    signals: Arc<dyn Signals>,
    clock: Clock,
}

impl LocalNode {
    pub(crate) fn new(
        id: NodeId,
        engine: SharedEngine,
        signals: Arc<dyn Signals>,
        clock: Clock,
    ) -> Self {
        Self {
            id,
            engine,
            signals,
            clock,
        }
    }

    pub(crate) fn id(&self) -> &NodeId {
        &self.id
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Presence by a connection of this node.
    pub(crate) fn presence(&self) -> Presence {
        Presence::Node(self.id.clone())
    }

    /// Reports to the engine that this node is alive. False if the engine may have marked the
    /// node's users absent before.
    pub(crate) async fn report_alive(&self, event: EventId) -> Result<bool, EngineError> {
        self.engine.report_node(event, &self.id, self.now()).await
    }

    /// Reports to the engine that this node's users are back in a queue that is being rebuilt, and
    /// that the engine knows the positions that they had in the lost one.
    pub(crate) async fn report_recovered(
        &self,
        event: EventId,
        epoch: &Epoch,
    ) -> Result<(), EngineError> {
        self.engine
            .finish_restore(event, &self.id, epoch, self.now())
            .await
    }

    /// Runs actions of this node's users in one step.
    pub(crate) async fn apply(
        &self,
        event: EventId,
        actions: &[Action],
        now: Timestamp,
    ) -> Result<Vec<ActionResult>, EngineError> {
        self.engine.apply(event, actions, now).await
    }

    /// Subscribes to this node's signals.
    pub(crate) async fn listen(&self) -> Result<Box<dyn Listener>, SignalError> {
        self.signals.listen(&self.id).await
    }

    /// Sends a probe to this node itself. False if it does not arrive at a subscription.
    pub(crate) async fn probe(&self, sequence: u64) -> bool {
        let probe = [(Recipient::Node(self.id.clone()), Signal::Probe { sequence })];
        let receivers = self.signals.send(&probe).await;
        receivers.is_ok_and(|receivers| receivers.iter().all(|count| *count > 0))
    }

    /// Notifies the other ones of these nodes that a user has left. Best effort, as all signals: a
    /// tab that misses it learns of the leave with its next request.
    pub(crate) async fn notify_left(&self, event_id: EventId, user: &UserId, nodes: Vec<NodeId>) {
        let others = nodes.into_iter().filter(|node| *node != self.id);
        let left = Signal::Removals {
            event_id,
            users: vec![(user.clone(), Removal::Left)],
        };
        let signals: Vec<_> = others
            .map(|node| (Recipient::Node(node), left.clone()))
            .collect();

        if let Err(error) = self.signals.send(&signals).await {
            tracing::warn!(%event_id, %error, "failed to notify other nodes of leave");
        }
    }
}
