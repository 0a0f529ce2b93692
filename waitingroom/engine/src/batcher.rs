//! Batches concurrent actions: many joins at once cost Redis one script call
//! for each few hundred of them, not one each.
//!
//! No action waits for others. The first action of an event goes to the engine at once; actions
//! that arrive while it is under way form the next batch, in their order. Each event has batches of
//! its own, one at a time, so that an event whose engine is slow delays no other. Actions behind a
//! failed batch fail with it.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
    task::{Context, Waker},
};

use futures_util::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use waitingroom_domain::{
    clock::Clock,
    ids::{Epoch, EventId, NodeId, PassId, UserId},
    presence::Presence,
    push::PushSubscription,
    queue::Place,
};

use super::{
    Action, ActionKind, ActionResult, EngineError, JoinOutcome, MAX_ACTIONS, SharedEngine,
};

/// Maximum of queued actions over all events; more are refused with [`EngineError::Busy`].
/// More than one process has connections.
const MAX_QUEUED: usize = 32_768;

/// Batches the actions of one process's users. Cheap to clone.
#[derive(Clone)]
pub struct ActionBatcher(Arc<BatcherState>);

/// Runs a task until it ends or the process stops.
type SpawnTask = dyn Fn(BoxFuture<'static, ()>) + Send + Sync;

struct BatcherState {
    engine: SharedEngine,
    clock: Clock,
    spawn: Box<SpawnTask>,
    queues: Mutex<EventQueues>,
}

/// Actions that wait behind the batch under way, by event.
#[derive(Default)]
struct EventQueues {
    by_event: HashMap<EventId, VecDeque<QueuedAction>>,
    queued: usize,
}

struct QueuedAction {
    action: Action,
    reply: Reply,
}

/// Where the result of an action goes.
enum Reply {
    /// To a caller that waits.
    Oneshot(oneshot::Sender<Result<ActionResult, EngineError>>),
    /// To a callback.
    Callback(Box<dyn FnOnce(Result<ActionResult, EngineError>) + Send>),
}

impl ActionBatcher {
    /// In front of this engine. `spawn` runs a batch until it ends or the process stops.
    pub fn new(
        engine: SharedEngine,
        clock: Clock,
        spawn: impl Fn(BoxFuture<'static, ()>) + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(BatcherState {
            engine,
            clock,
            spawn: Box::new(spawn),
            queues: Mutex::default(),
        }))
    }

    /// [`ActionKind::Join`].
    ///
    /// # Errors
    /// Those of the engine, and [`EngineError::Busy`].
    pub async fn join(
        &self,
        event: EventId,
        user: &UserId,
        presence: Presence,
        ticket: Option<(Epoch, u64)>,
    ) -> Result<JoinOutcome, EngineError> {
        self.apply(event, user, ActionKind::Join { presence, ticket })
            .await?
            .into_outcome()
    }

    /// [`ActionKind::Resume`].
    ///
    /// # Errors
    /// As [`ActionBatcher::join`].
    pub async fn resume(
        &self,
        event: EventId,
        user: &UserId,
        presence: Presence,
    ) -> Result<Option<Place>, EngineError> {
        self.apply(event, user, ActionKind::Resume(presence))
            .await?
            .into_place()
    }

    /// [`ActionKind::Restore`].
    ///
    /// # Errors
    /// As [`ActionBatcher::join`].
    pub async fn restore(
        &self,
        event: EventId,
        user: &UserId,
        presence: Presence,
        ticket: (Epoch, u64),
        told: Option<u64>,
    ) -> Result<Option<Place>, EngineError> {
        self.apply(
            event,
            user,
            ActionKind::Restore {
                presence,
                ticket,
                told,
            },
        )
        .await?
        .into_place()
    }

    /// [`ActionKind::Leave`].
    ///
    /// # Errors
    /// As [`ActionBatcher::join`].
    pub async fn leave(
        &self,
        event: EventId,
        user: &UserId,
    ) -> Result<Option<Vec<NodeId>>, EngineError> {
        self.apply(event, user, ActionKind::Leave)
            .await?
            .into_nodes()
    }

    /// [`ActionKind::Acknowledge`].
    ///
    /// # Errors
    /// As [`ActionBatcher::join`].
    pub async fn acknowledge(
        &self,
        event: EventId,
        user: &UserId,
        pass: PassId,
    ) -> Result<bool, EngineError> {
        self.apply(event, user, ActionKind::Acknowledge(pass))
            .await?
            .into_done()
    }

    /// [`ActionKind::Subscribe`].
    ///
    /// # Errors
    /// As [`ActionBatcher::join`].
    pub async fn subscribe(
        &self,
        event: EventId,
        user: &UserId,
        subscription: PushSubscription,
    ) -> Result<bool, EngineError> {
        self.apply(event, user, ActionKind::Subscribe(subscription))
            .await?
            .into_done()
    }

    /// [`ActionKind::Unsubscribe`] of every browser of the user.
    ///
    /// # Errors
    /// As [`ActionBatcher::join`].
    pub async fn unsubscribe(&self, event: EventId, user: &UserId) -> Result<bool, EngineError> {
        self.apply(event, user, ActionKind::Unsubscribe(None))
            .await?
            .into_done()
    }

    /// As [`ActionBatcher::acknowledge`], without waiting for it: `refused` is called where the
    /// pass is not the user's or no longer live, or with what the engine failed with. A wait would
    /// wake the user's connection once more for each pass.
    ///
    /// # Errors
    /// [`EngineError::Busy`].
    pub fn acknowledge_detached(
        &self,
        event: EventId,
        user: &UserId,
        pass: PassId,
        refused: impl FnOnce(Option<EngineError>) + Send + 'static,
    ) -> Result<(), EngineError> {
        let on_result = |acted: Result<ActionResult, EngineError>| match acted
            .and_then(ActionResult::into_done)
        {
            Ok(true) => {}
            Ok(false) => refused(None),
            Err(error) => refused(Some(error)),
        };

        self.enqueue(
            event,
            user,
            ActionKind::Acknowledge(pass),
            Reply::Callback(Box::new(on_result)),
        )
    }

    /// [`ActionKind::Detach`], without waiting for it: where it fails, the node's silence or
    /// a pass that nobody acknowledges shows the absence.
    ///
    /// # Errors
    /// [`EngineError::Busy`].
    pub fn detach(&self, event: EventId, user: &UserId, node: &NodeId) -> Result<(), EngineError> {
        let on_result = move |acted| {
            if let Err::<ActionResult, _>(error) = acted {
                tracing::warn!(%event, %error, "failed to record detach; presence expires by node timeout");
            }
        };

        self.enqueue(
            event,
            user,
            ActionKind::Detach(node.clone()),
            Reply::Callback(Box::new(on_result)),
        )
    }

    async fn apply(
        &self,
        event: EventId,
        user: &UserId,
        kind: ActionKind,
    ) -> Result<ActionResult, EngineError> {
        let (reply, acted) = oneshot::channel();
        self.enqueue(event, user, kind, Reply::Oneshot(reply))?;

        acted
            .await
            .unwrap_or_else(|_| Err(EngineError::Unavailable("the process ends".to_owned())))
    }

    /// Appends to the event's queue. The first action begins to run it: an engine
    /// in this process answers at once; any other is waited for by a task, since the caller may be
    /// cancelled.
    fn enqueue(
        &self,
        event: EventId,
        user: &UserId,
        kind: ActionKind,
        reply: Reply,
    ) -> Result<(), EngineError> {
        let action = Action {
            user: user.clone(),
            kind,
        };
        let first = self
            .0
            .queues
            .lock()
            .push(event, QueuedAction { action, reply })?;

        if first {
            let state = Arc::clone(&self.0);
            let mut run: BoxFuture<'static, ()> = Box::pin(async move { state.run(event).await });
            if run
                .poll_unpin(&mut Context::from_waker(Waker::noop()))
                .is_pending()
            {
                (self.0.spawn)(run); // which polls it again, to be woken itself
            }
        }

        Ok(())
    }
}

impl BatcherState {
    /// Applies the queued actions of the event until there are none.
    // The first of its callers polls it, and its span must not be the parent.
    #[tracing::instrument(name = "apply_actions", parent = None, level = "debug", skip_all, fields(%event))]
    async fn run(&self, event: EventId) {
        loop {
            let (actions, replies) = self.queues.lock().take(event, MAX_ACTIONS);
            if actions.is_empty() {
                return;
            }
            metrics::histogram!(crate::metric_definitions::ENGINE_BATCH_SIZE)
                .record(actions.len() as f64);
            match self.engine.apply(event, &actions, self.clock.now()).await {
                Ok(acted) => replies
                    .into_iter()
                    .zip(acted.into_iter().map(Ok))
                    .for_each(deliver),
                Err(error) => {
                    let (_, behind) = self.queues.lock().take(event, usize::MAX);
                    replies
                        .into_iter()
                        .chain(behind)
                        .for_each(|reply| deliver((reply, Err(error.clone()))));
                }
            }
        }
    }
}

fn deliver((reply, acted): (Reply, Result<ActionResult, EngineError>)) {
    match reply {
        Reply::Oneshot(answer) => drop(answer.send(acted)), // the client may have gone
        Reply::Callback(callback) => callback(acted),
    }
}

impl EventQueues {
    /// True if the queue was empty: the caller has to run it.
    fn push(&mut self, event: EventId, queued: QueuedAction) -> Result<bool, EngineError> {
        if self.queued >= MAX_QUEUED {
            return Err(EngineError::Busy);
        }

        self.queued += 1;

        match self.by_event.entry(event) {
            Entry::Occupied(mut queue) => {
                queue.get_mut().push_back(queued);
                Ok(false)
            }
            Entry::Vacant(queue) => {
                queue.insert(VecDeque::from([queued]));
                Ok(true)
            }
        }
    }

    /// Takes the first actions; a queue without any is removed.
    fn take(&mut self, event: EventId, limit: usize) -> (Vec<Action>, Vec<Reply>) {
        let Some(queue) = self.by_event.get_mut(&event) else {
            return Default::default();
        };
        let count = queue.len().min(limit);
        let taken = queue
            .drain(..count)
            .map(|queued| (queued.action, queued.reply))
            .unzip();

        self.queued -= count;

        if count == 0 {
            self.by_event.remove(&event);
        }

        taken
    }
}

#[cfg(test)]
mod tests;
