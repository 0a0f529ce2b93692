//! Actions that come together go to the engine together: a crowd that joins costs Redis one step
//! for each few hundred of them, not one each.
//!
//! Nobody waits for company. The first action of an event goes to the engine at once; what comes
//! while it is under way makes the next batch, in the order in which it came. Each event has
//! batches of its own, one at a time, so that an event whose engine is slow holds up no other. What
//! waits behind a step that failed fails with it.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
    task::{Context, Waker},
};

use futures_util::future::{BoxFuture, FutureExt};
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

/// Actions of all events that may wait for their turn; more are refused with [`EngineError::Busy`].
/// More than one process has connections.
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
    answer: Answer,
}

/// Who hears what an action came to.
enum Answer {
    /// The caller, who waits for it.
    Awaited(oneshot::Sender<Result<Acted, EngineError>>),
    /// Whoever is to be told later.
    Told(Box<dyn FnOnce(Result<Acted, EngineError>) + Send>),
}

impl Gathering {
    /// In front of this engine.
    pub fn new(engine: SharedEngine, clock: Clock, lifecycle: Lifecycle) -> Self {
        Self(Arc::new(Shared {
            engine,
            clock,
            lifecycle,
            lanes: Mutex::default(),
        }))
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
        self.act(event, user, Act::Join { presence, ticket })
            .await?
            .joined()
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

    /// As [`super::Engine::bring_back`].
    ///
    /// # Errors
    /// As [`Gathering::join`].
    pub async fn bring_back(
        &self,
        event: EventId,
        user: &UserId,
        presence: Presence,
        ticket: (Epoch, u64),
        told: Option<u64>,
    ) -> Result<Option<Place>, EngineError> {
        self.act(
            event,
            user,
            Act::BringBack {
                presence,
                ticket,
                told,
            },
        )
        .await?
        .found()
    }

    /// As [`super::Engine::leave`].
    ///
    /// # Errors
    /// As [`Gathering::join`].
    pub async fn leave(
        &self,
        event: EventId,
        user: &UserId,
    ) -> Result<Option<Vec<NodeId>>, EngineError> {
        self.act(event, user, Act::Leave).await?.left()
    }

    /// As [`super::Engine::acknowledge`].
    ///
    /// # Errors
    /// As [`Gathering::join`].
    pub async fn acknowledge(
        &self,
        event: EventId,
        user: &UserId,
        pass: PassId,
    ) -> Result<bool, EngineError> {
        self.act(event, user, Act::Acknowledge(pass)).await?.done()
    }

    /// As [`Gathering::acknowledge`], without waiting for it: `refused` is called where the pass is
    /// not the user's or no longer live, or with what the engine failed with. A wait would wake the
    /// user's connection once more for each pass.
    ///
    /// # Errors
    /// [`EngineError::Busy`].
    pub fn note_acknowledged(
        &self,
        event: EventId,
        user: &UserId,
        pass: PassId,
        refused: impl FnOnce(Option<EngineError>) + Send + 'static,
    ) -> Result<(), EngineError> {
        let hear = |acted: Result<Acted, EngineError>| match acted.and_then(Acted::done) {
            Ok(true) => {}
            Ok(false) => refused(None),
            Err(error) => refused(Some(error)),
        };
        self.line_up(
            event,
            user,
            Act::Acknowledge(pass),
            Answer::Told(Box::new(hear)),
        )
    }

    /// As [`super::Engine::detach`], without waiting for it: where it fails, the node's silence or
    /// a pass that nobody acknowledges shows the absence.
    ///
    /// # Errors
    /// [`EngineError::Busy`].
    pub fn detach(&self, event: EventId, user: &UserId, node: &NodeId) -> Result<(), EngineError> {
        let hear = |acted| {
            if let Err::<Acted, _>(error) = acted {
                tracing::warn!(%error, "an absence could not be recorded");
            }
        };
        self.line_up(
            event,
            user,
            Act::Detach(node.clone()),
            Answer::Told(Box::new(hear)),
        )
    }

    async fn act(&self, event: EventId, user: &UserId, what: Act) -> Result<Acted, EngineError> {
        let (answer, acted) = oneshot::channel();
        self.line_up(event, user, what, Answer::Awaited(answer))?;
        acted
            .await
            .unwrap_or_else(|_| Err(EngineError::Unavailable("the process ends".to_owned())))
    }

    /// Takes a place in the event's lane. The first to come begins to carry the lane out: an engine
    /// in this process answers at once; any other is waited for by a task, since the caller may be
    /// cancelled.
    fn line_up(
        &self,
        event: EventId,
        user: &UserId,
        what: Act,
        answer: Answer,
    ) -> Result<(), EngineError> {
        let action = Action {
            user: user.clone(),
            what,
        };
        let first = self
            .0
            .lanes
            .lock()
            .push(event, Waiting { action, answer })?;
        if first {
            let shared = Arc::clone(&self.0);
            let mut run: BoxFuture<'static, ()> = Box::pin(async move { shared.run(event).await });
            if run
                .poll_unpin(&mut Context::from_waker(Waker::noop()))
                .is_pending()
            {
                self.0.lifecycle.spawn("gathering", run); // which polls it again, to be woken itself
            }
        }
        Ok(())
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
                Ok(acted) => answers
                    .into_iter()
                    .zip(acted.into_iter().map(Ok))
                    .for_each(tell),
                Err(error) => {
                    let (_, behind) = self.lanes.lock().take(event, usize::MAX);
                    answers
                        .into_iter()
                        .chain(behind)
                        .for_each(|answer| tell((answer, Err(error.clone()))));
                }
            }
        }
    }
}

fn tell((answer, acted): (Answer, Result<Acted, EngineError>)) {
    match answer {
        Answer::Awaited(answer) => drop(answer.send(acted)), // the client may have gone
        Answer::Told(hear) => hear(acted),
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
        let Some(lane) = self.of.get_mut(&event) else {
            return Default::default();
        };
        let count = lane.len().min(limit);
        let taken = lane
            .drain(..count)
            .map(|waiting| (waiting.action, waiting.answer))
            .unzip();
        self.waiting -= count;
        if count == 0 {
            self.of.remove(&event);
        }
        taken
    }
}

#[cfg(test)]
mod tests;
