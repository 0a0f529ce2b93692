//! Actions that come together go to the engine together: a crowd that joins costs Redis one step for each few hundred of
//! them, not one each.
//!
//! Nobody waits for company. The first action of an event goes to the engine at once; what comes while it is under way makes
//! the next batch, in the order in which it came. Each event has batches of its own, one at a time, so that an event whose
//! engine is slow holds up no other. What waits behind a step that failed fails with it.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
};

use futures_util::{future::BoxFuture, poll};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{ACTIONS_LIMIT, Act, Acted, Action, EngineError, JoinOutcome, SharedEngine};
use crate::{
    absence::Presence,
    clock::Clock,
    ids::{Epoch, EventId, NodeId, PassId, UserId},
    lifecycle::Lifecycle,
    line::Place,
};

/// Actions of all events that may wait for their turn; more are refused with [`EngineError::Busy`]. More than one process has
/// connections.
const WAITING: usize = 32_768;

/// The way of one process's users into the engine. Cheap to clone.
#[derive(Clone)]
pub struct Gathering(Arc<Shared>);

struct Shared {
    engine: SharedEngine,
    clock: Clock,
    lifecycle: Lifecycle,
    lanes: Mutex<Lanes>,
}

/// Events that have a step under way, and what waits behind it.
#[derive(Default)]
struct Lanes {
    of: HashMap<EventId, VecDeque<Waiting>>,
    waiting: usize,
}

struct Waiting {
    action: Action,
    answer: Option<oneshot::Sender<Result<Acted, EngineError>>>,
}

impl Gathering {
    /// In front of this engine.
    pub fn new(engine: SharedEngine, clock: Clock, lifecycle: Lifecycle) -> Self {
        Self(Arc::new(Shared { engine, clock, lifecycle, lanes: Mutex::default() }))
    }

    /// As [`super::Engine::join`].
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
        self.act(event, user, Act::Join { presence, ticket }).await?.joined()
    }

    /// As [`super::Engine::resume`].
    ///
    /// # Errors
    /// As [`Gathering::join`].
    pub async fn resume(
        &self,
        event: EventId,
        user: &UserId,
        presence: Presence,
    ) -> Result<Option<Place>, EngineError> {
        self.act(event, user, Act::Resume(presence)).await?.found()
    }

    /// As [`super::Engine::leave`].
    ///
    /// # Errors
    /// As [`Gathering::join`].
    pub async fn leave(&self, event: EventId, user: &UserId) -> Result<Option<Vec<NodeId>>, EngineError> {
        self.act(event, user, Act::Leave).await?.left()
    }

    /// As [`super::Engine::acknowledge`].
    ///
    /// # Errors
    /// As [`Gathering::join`].
    pub async fn acknowledge(&self, event: EventId, user: &UserId, pass: PassId) -> Result<bool, EngineError> {
        self.act(event, user, Act::Acknowledge(pass)).await?.done()
    }

    /// As [`super::Engine::detach`], without waiting for it: where it fails, the node's silence or a pass that nobody
    /// acknowledges shows the absence.
    ///
    /// # Errors
    /// [`EngineError::Busy`].
    pub fn detach(&self, event: EventId, user: &UserId, node: &NodeId) -> Result<(), EngineError> {
        let action = Action { user: user.clone(), what: Act::Detach(node.clone()) };
        if let Some(run) = self.line_up(event, Waiting { action, answer: None })? {
            self.0.lifecycle.spawn("gathering", run);
        }
        Ok(())
    }

    async fn act(&self, event: EventId, user: &UserId, what: Act) -> Result<Acted, EngineError> {
        let (answer, acted) = oneshot::channel();
        let action = Action { user: user.clone(), what };
        if let Some(mut run) = self.line_up(event, Waiting { action, answer: Some(answer) })? {
            // An engine in this process answers at once. Any other is waited for by a task: the caller may be cancelled.
            if poll!(&mut run).is_pending() {
                self.0.lifecycle.spawn("gathering", run);
            }
        }
        acted.await.unwrap_or_else(|_| Err(EngineError::Unavailable("the process ends".to_owned())))
    }

    /// Takes a place in the event's lane. The first to come is handed the work of carrying the lane out.
    fn line_up(&self, event: EventId, waiting: Waiting) -> Result<Option<BoxFuture<'static, ()>>, EngineError> {
        let first = self.0.lanes.lock().push(event, waiting)?;
        let shared = Arc::clone(&self.0);
        Ok(first.then(|| -> BoxFuture<'static, ()> { Box::pin(async move { shared.run(event).await }) }))
    }
}

impl Shared {
    /// Carries out what waits for the event until nothing does.
    async fn run(&self, event: EventId) {
        loop {
            let (actions, answers) = self.lanes.lock().take(event, ACTIONS_LIMIT);
            if actions.is_empty() {
                return;
            }
            metrics::histogram!("stanchion_line_batch_size").record(actions.len() as f64);
            match self.engine.act(event, &actions, self.clock.now()).await {
                Ok(acted) => answers.into_iter().zip(acted.into_iter().map(Ok)).for_each(tell),
                Err(error) => {
                    let (_, behind) = self.lanes.lock().take(event, usize::MAX);
                    answers.into_iter().chain(behind).for_each(|answer| tell((answer, Err(error.clone()))));
                }
            }
        }
    }
}

type Answer = Option<oneshot::Sender<Result<Acted, EngineError>>>;

fn tell((answer, acted): (Answer, Result<Acted, EngineError>)) {
    match (answer, acted) {
        (Some(answer), acted) => drop(answer.send(acted)), // the client may have gone
        (None, Err(error)) => tracing::warn!(%error, "an absence could not be recorded"),
        (None, Ok(_)) => {}
    }
}

impl Lanes {
    /// True where the lane was empty, and nobody carries it out.
    fn push(&mut self, event: EventId, waiting: Waiting) -> Result<bool, EngineError> {
        if self.waiting >= WAITING {
            return Err(EngineError::Busy);
        }
        self.waiting += 1;
        match self.of.entry(event) {
            Entry::Occupied(mut lane) => {
                lane.get_mut().push_back(waiting);
                Ok(false)
            }
            Entry::Vacant(lane) => {
                lane.insert(VecDeque::from([waiting]));
                Ok(true)
            }
        }
    }

    /// The first that wait; without any, the lane ends.
    fn take(&mut self, event: EventId, limit: usize) -> (Vec<Action>, Vec<Answer>) {
        let Some(lane) = self.of.get_mut(&event) else { return Default::default() };
        let count = lane.len().min(limit);
        let taken = lane.drain(..count).map(|waiting| (waiting.action, waiting.answer)).unzip();
        self.waiting -= count;
        if count == 0 {
            self.of.remove(&event);
        }
        taken
    }
}

#[cfg(test)]
mod tests;
