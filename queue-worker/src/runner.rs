//! The loop around the step: each event when its step is due, until the drain. Events do not wait
//! for each other, nor for what is read beside them: where a shard of Redis does not answer, the
//! lines on the others go on.

use std::{collections::HashMap, pin::pin, time::Duration};

use futures_util::{
    StreamExt,
    future::{BoxFuture, FutureExt, OptionFuture},
    stream::FuturesUnordered,
};
use tokio::time::{Instant, sleep_until};
use waitingroom::{
    engine::{EngineError, Scope},
    ids::EventId,
    lifecycle::Lifecycle,
    rate::Share,
    signal::{Recipient, Signal},
    vitals::BoardError,
};

use crate::{Worker, course::Course, pacing::LOOK, tick::TickReport};

/// How often the list of events is read.
const EVENTS_REFRESH: Duration = Duration::from_secs(1);
/// Events that are stepped at the same time, at most: more than lie on any shard that may not
/// answer.
const CONCURRENT_EVENTS: usize = 1_024;
/// Pause after steps that took longer than what lies between them.
const BREATH: Duration = Duration::from_millis(5);
/// Signals of one event that wait while those before them are being sent; more are dropped, and
/// found again as any lost signal.
const UNTOLD: usize = 256;

/// One event of this worker.
struct Line {
    course: Course,
    stepping: bool,
    /// Signals are being sent, and these come after them, so that they arrive in order.
    telling: bool,
    untold: Vec<(Recipient, Signal)>,
}

type Step = Result<Box<(TickReport, Vec<(Recipient, Signal)>)>, EngineError>;

/// What has come to an end.
enum Done {
    Stepped(EventId, Scope, Instant, Step),
    Told(EventId),
    Listed(Result<Vec<EventId>, EngineError>),
    Looked(Result<Share, BoardError>),
}

struct Rounds {
    worker: Worker,
    share: Share,
    /// When booking's vitals and the list of events are read next; nothing while they are being
    /// read.
    look_at: Option<Instant>,
    refresh_at: Option<Instant>,
    lines: HashMap<EventId, Line>,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
}

/// Steps every event when it is due until the process drains.
pub async fn run(worker: Worker, lifecycle: Lifecycle) {
    let now = Some(Instant::now());
    let (lines, work) = (HashMap::new(), FuturesUnordered::new());
    let mut rounds = Rounds {
        worker,
        share: Share::default(),
        look_at: now,
        refresh_at: now,
        lines,
        work,
    };
    let mut draining = pin!(lifecycle.draining());
    let mut rested = Instant::now();
    loop {
        let due = rounds.next().map(|next| sleep_until(next.max(rested)));
        tokio::select! {
            biased;
            () = &mut draining => break,
            Some(done) = rounds.work.next() => rounds.take(done),
            Some(()) = OptionFuture::from(due) => {
                rounds.begin();
                rested = Instant::now() + BREATH;
            }
        }
    }
    // A step that is under way is ended, and told.
    while let Some(done) = rounds.work.next().await {
        rounds.take(done);
    }
}

impl Rounds {
    /// When anything is due next.
    fn next(&self) -> Option<Instant> {
        let others = self.look_at.into_iter().chain(self.refresh_at);
        let lines = self
            .lines
            .values()
            .filter(|line| !line.stepping)
            .map(|line| line.course.due());
        lines.chain(others).min()
    }

    /// Begins what is due.
    fn begin(&mut self) {
        let now = Instant::now();
        if self.refresh_at.take_if(|at| *at <= now).is_some() {
            let worker = self.worker.clone();
            self.work
                .push(async move { Done::Listed(worker.engine.events().await) }.boxed());
        }
        if self.look_at.take_if(|at| *at <= now).is_some() {
            let (worker, share) = (self.worker.clone(), self.share);
            self.work
                .push(async move { Done::Looked(worker.look(share).await) }.boxed());
        }
        let room = CONCURRENT_EVENTS
            .saturating_sub(self.lines.values().filter(|line| line.stepping).count());
        let due = self.lines.iter_mut().filter(|(_, line)| !line.stepping);
        for (event, line) in due
            .filter(|(_, line)| line.course.scope(now).is_some())
            .take(room)
        {
            let Some(scope) = line.course.scope(now) else {
                continue;
            };
            line.stepping = true;
            let (worker, share, event) = (self.worker.clone(), self.share, *event);
            let told = line.course.told(now).cloned();
            let step = async move {
                let begun = Instant::now();
                let step = worker.step(event, share, scope, told.as_ref()).await;
                Done::Stepped(event, scope, begun, step.map(Box::new))
            };
            self.work.push(step.boxed());
        }
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Listed(events) => {
                self.refresh_at = Some(Instant::now() + EVENTS_REFRESH);
                self.listed(events);
            }
            Done::Looked(share) => {
                self.look_at = Some(Instant::now() + LOOK);
                match share {
                    Ok(share) => self.share = share,
                    Err(error) => {
                        tracing::warn!(%error, "cannot see how booking is; the share stays")
                    }
                }
            }
            Done::Stepped(event, scope, begun, report) => self.stepped(event, scope, begun, report),
            Done::Told(event) => {
                if let Some(line) = self.lines.get_mut(&event) {
                    line.telling = false;
                    self.tell(event);
                }
            }
        }
    }

    fn listed(&mut self, events: Result<Vec<EventId>, EngineError>) {
        match events {
            Ok(events) => {
                let now = Instant::now();
                self.lines.retain(|event, _| events.contains(event));
                for event in events {
                    self.lines.entry(event).or_insert_with(|| Line::new(now));
                }
            }
            Err(error) => tracing::warn!(%error, "cannot read the list of events"),
        }
    }

    fn stepped(&mut self, event: EventId, scope: Scope, begun: Instant, step: Step) {
        let tick = self.worker.config.tick;
        let Some(line) = self.lines.get_mut(&event) else {
            return;
        };
        line.stepping = false;
        match step {
            Ok(step) => {
                let (report, signals) = *step;
                line.course.stepped(scope, begun, report, tick);
                if line.untold.len() + signals.len() <= UNTOLD {
                    line.untold.extend(signals);
                } else {
                    tracing::warn!(%event, "signals cannot be sent for a while; what they say is found again");
                }
                self.tell(event);
            }
            Err(error) => {
                line.course.failed(begun, tick);
                tracing::warn!(%event, %error, "the admission step failed");
            }
        }
    }

    /// Sends what the event's gateways are to be told, after what is being sent.
    fn tell(&mut self, event: EventId) {
        let Some(line) = self.lines.get_mut(&event) else {
            return;
        };
        if line.telling || line.untold.is_empty() {
            return;
        }
        line.telling = true;
        let (worker, signals) = (self.worker.clone(), std::mem::take(&mut line.untold));
        let telling = async move {
            worker.announce(event, &signals).await;
            Done::Told(event)
        };
        self.work.push(telling.boxed());
    }
}

impl Line {
    fn new(now: Instant) -> Self {
        Self {
            course: Course::new(now),
            stepping: false,
            telling: false,
            untold: Vec::new(),
        }
    }
}
