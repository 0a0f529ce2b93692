//! Runs the admission tick of each event when it is due, until the drain. Events do not wait
//! for each other, nor for the polls beside them: if a shard of Redis does not answer, the
//! queues on the others go on.

use std::{collections::HashMap, pin::pin, time::Duration};

use futures_util::{
    StreamExt,
    future::{BoxFuture, FutureExt, OptionFuture},
    stream::FuturesUnordered,
};
use tokio::time::{Instant, sleep_until};
use waitingroom_domain::{ids::EventId, rate::Throttle};
use waitingroom_engine::{EngineError, TickScope};
use waitingroom_messaging::{
    process_registry::RegistryError,
    signal::{Recipient, Signal},
};
use waitingroom_server::{start_and_drain::Lifecycle, telemetry};

use crate::{
    Worker, admission_schedule::TickSchedule, throttle_poll::poll_interval, tick::TickReport,
};

/// How often the list of events is read.
const EVENTS_REFRESH: Duration = Duration::from_secs(1);
/// Maximum of concurrent ticks: more than the events of any shard that may not
/// answer.
const MAX_CONCURRENT_EVENTS: usize = 1_024;
/// Minimum pause between two rounds of ticks, even if ticks take longer than their interval.
const MIN_PAUSE: Duration = Duration::from_millis(5);
/// Signals of one event that may wait while earlier ones are being sent; more are dropped, and
/// recovered like any lost signal.
const MAX_UNSENT_SIGNALS: usize = 256;

/// The state of one event in this worker.
struct EventState {
    schedule: TickSchedule,
    ticking: bool,
    /// Signals are being sent, and these come after them, so that they arrive in order.
    sending: bool,
    unsent: Vec<(Recipient, Signal)>,
}

type TickResult = Result<Box<TickReport>, EngineError>;

/// A piece of work that has completed.
enum Completed {
    Tick(EventId, TickScope, Instant, TickResult),
    SignalsSent(EventId),
    ListedEvents(Result<Vec<EventId>, EngineError>),
    Throttle(Result<Throttle, RegistryError>),
}

struct Scheduler {
    worker: Worker,
    throttle: Throttle,
    /// When booking's load and the list of events are read next; `None` while they are being
    /// read.
    poll_at: Option<Instant>,
    refresh_at: Option<Instant>,
    events: HashMap<EventId, EventState>,
    work: FuturesUnordered<BoxFuture<'static, Completed>>,
}

/// Ticks every event when it is due until the process drains.
pub async fn run(mut worker: Worker, lifecycle: Lifecycle) {
    if let Some(pushes) = worker.push_sender.take() {
        lifecycle.spawn("pushes", pushes.run());
    }

    let now = Some(Instant::now());
    let (events, work) = (HashMap::new(), FuturesUnordered::new());
    let mut scheduler = Scheduler {
        worker,
        throttle: Throttle::default(),
        poll_at: now,
        refresh_at: now,
        events,
        work,
    };

    let mut draining = pin!(lifecycle.draining());
    let mut paused_until = Instant::now();

    loop {
        let due = scheduler
            .next_due()
            .map(|next| sleep_until(next.max(paused_until)));
        tokio::select! {
            biased;
            () = &mut draining => break,
            Some(completed) = scheduler.work.next() => scheduler.on_completed(completed),
            Some(()) = OptionFuture::from(due) => {
                scheduler.start_due();
                paused_until = Instant::now() + MIN_PAUSE;
            }
        }
    }

    // Ticks under way are completed, and their signals sent.
    while let Some(completed) = scheduler.work.next().await {
        scheduler.on_completed(completed);
    }
}

impl Scheduler {
    /// When anything is due next.
    fn next_due(&self) -> Option<Instant> {
        let others = self.poll_at.into_iter().chain(self.refresh_at);
        let events = self
            .events
            .values()
            .filter(|state| !state.ticking)
            .map(|state| state.schedule.due());
        events.chain(others).min()
    }

    /// Starts everything that is due.
    fn start_due(&mut self) {
        let now = Instant::now();

        if self.refresh_at.take_if(|at| *at <= now).is_some() {
            let ticks = self.worker.ticks.clone();
            self.work
                .push(async move { Completed::ListedEvents(ticks.events().await) }.boxed());
        }

        if self.poll_at.take_if(|at| *at <= now).is_some() {
            let (service, before) = (self.worker.throttle.clone(), self.throttle);
            self.work
                .push(async move { Completed::Throttle(service.update(before).await) }.boxed());
        }

        let room = MAX_CONCURRENT_EVENTS
            .saturating_sub(self.events.values().filter(|state| state.ticking).count());
        let due = self.events.iter_mut().filter(|(_, state)| !state.ticking);

        for (event, state) in due
            .filter(|(_, state)| state.schedule.scope(now).is_some())
            .take(room)
        {
            let Some(scope) = state.schedule.scope(now) else {
                continue;
            };

            state.ticking = true;
            let (ticks, throttle, event) = (self.worker.ticks.clone(), self.throttle, *event);
            let last_published = state.schedule.last_published(now).cloned();

            let tick = async move {
                let begun = Instant::now();
                let tick = ticks
                    .tick(event, throttle, scope, last_published.as_ref())
                    .await;
                Completed::Tick(event, scope, begun, tick.map(Box::new))
            };
            self.work.push(tick.boxed());
        }
    }

    fn on_completed(&mut self, completed: Completed) {
        match completed {
            Completed::ListedEvents(events) => {
                self.refresh_at = Some(Instant::now() + EVENTS_REFRESH);
                self.on_event_list(events);
            }
            Completed::Throttle(throttle) => {
                match throttle {
                    Ok(throttle) => self.throttle = throttle,
                    Err(error) => {
                        tracing::warn!(%error, "booking health unavailable; keeping current throttle")
                    }
                }
                self.poll_at = Some(Instant::now() + poll_interval(self.throttle));
            }
            Completed::Tick(event, scope, begun, report) => {
                self.on_tick(event, scope, begun, report)
            }
            Completed::SignalsSent(event) => {
                if let Some(state) = self.events.get_mut(&event) {
                    state.sending = false;
                    self.send_signals(event);
                }
            }
        }
    }

    fn on_event_list(&mut self, events: Result<Vec<EventId>, EngineError>) {
        match events {
            Ok(events) => {
                let now = Instant::now();
                self.events.retain(|event, _| events.contains(event));
                telemetry::retain_events("queue-worker", events.iter().copied());
                for event in events {
                    self.events
                        .entry(event)
                        .or_insert_with(|| EventState::new(now));
                }
            }
            Err(error) => tracing::warn!(%error, "failed to list events"),
        }
    }

    fn on_tick(&mut self, event: EventId, scope: TickScope, begun: Instant, result: TickResult) {
        let interval = self.worker.tick_interval;
        let Some(state) = self.events.get_mut(&event) else {
            return;
        };

        state.ticking = false;

        match result {
            Ok(mut report) => {
                let signals = std::mem::take(&mut report.signals);
                state.schedule.on_tick(scope, begun, *report, interval);
                if state.unsent.len() + signals.len() <= MAX_UNSENT_SIGNALS {
                    state.unsent.extend(signals);
                } else {
                    tracing::warn!(%event, "signal queue full; dropping signals, gateways recover by resync");
                }
                self.send_signals(event);
            }
            Err(error) => {
                state.schedule.on_failure(begun, interval);
                tracing::warn!(%event, %error, "admission tick failed");
            }
        }
    }

    /// Sends the event's queued signals, unless earlier ones are still being sent.
    fn send_signals(&mut self, event: EventId) {
        let Some(state) = self.events.get_mut(&event) else {
            return;
        };

        if state.sending || state.unsent.is_empty() {
            return;
        }

        state.sending = true;
        let signals = std::mem::take(&mut state.unsent);
        let ticks = self.worker.ticks.clone();
        let sending = async move {
            ticks.send_signals(event, &signals).await;
            Completed::SignalsSent(event)
        };

        self.work.push(sending.boxed());
    }
}

impl EventState {
    fn new(now: Instant) -> Self {
        Self {
            schedule: TickSchedule::new(now),
            ticking: false,
            sending: false,
            unsent: Vec::new(),
        }
    }
}
