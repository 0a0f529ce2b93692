//! The background tasks of the role. An iteration that fails is logged and counted; the next one
//! tries again. All tasks end when the drain begins.

use std::{fmt::Display, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tracing::Instrument;
use waitingroom_domain::ids::EventId;
use waitingroom_server::start_and_drain::Lifecycle;

use crate::{
    catalogue::Catalogue,
    database_clock::DatabaseClock,
    error::BookingError,
    inventory::{InventoryServices, rebuild::InventoryRebuilder},
    live::LiveServices,
    load_monitor::probes::DatabaseProbe,
    outbox_publisher::{OutboxPublisher, RelayReport},
    reservations::{expiry::ExpiryService, key_cleanup::KeyCleanup},
    settlements::dispatcher::SettlementDispatcher,
};

/// The services that tasks run.
pub(crate) struct TaskServices {
    pub(crate) inventory: InventoryServices,
    pub(crate) live: LiveServices,
    pub(crate) expiry: ExpiryService,
    pub(crate) key_cleanup: KeyCleanup,
    pub(crate) settlements: SettlementDispatcher,
    pub(crate) outbox: OutboxPublisher,
    pub(crate) database_probe: DatabaseProbe,
    pub(crate) database_clock: Arc<DatabaseClock>,
}

/// The tasks that run at an interval. Three others wait for work instead, and have a loop each.
const TASKS: [Task<TaskServices>; 11] = [
    Task {
        name: "reconcile",
        interval: every(1_000),
        iterate: |services| iteration(services.inventory.reconciler.reconcile_holds()),
        on_drain: OnDrain::Complete,
    },
    Task {
        name: "catalogue sync",
        interval: every(500),
        iterate: |services| iteration(services.inventory.catalogue_sync.sync()),
        on_drain: OnDrain::Complete,
    },
    Task {
        name: "queue check",
        interval: every(500),
        iterate: |services| iteration(services.inventory.queue_check.restore_missing_events()),
        on_drain: OnDrain::Complete,
    },
    Task {
        name: "database probe",
        interval: every(500),
        iterate: |services| iteration(services.database_probe.probe()),
        on_drain: OnDrain::Complete,
    },
    Task {
        name: "database clock",
        interval: every(1_000),
        iterate: |services| iteration(services.database_clock.sync()),
        on_drain: OnDrain::Complete,
    },
    Task {
        name: "expiry",
        interval: every(250),
        iterate: |services| Box::pin(services.expiry.sweep()),
        on_drain: OnDrain::Complete,
    },
    Task {
        name: "drift",
        interval: every(1_000),
        iterate: |services| iteration(services.inventory.drift.compare_due()),
        // A comparison may be confirming a difference for seconds.
        on_drain: OnDrain::Cancel,
    },
    Task {
        name: "availability",
        interval: every(1_000),
        iterate: |services| iteration(services.live.availability.publish()),
        on_drain: OnDrain::Finally(|services| {
            infallible(async { services.live.availability.feed.close() })
        }),
    },
    Task {
        name: "dashboard",
        interval: at_rate(1_000),
        iterate: |services| infallible(services.live.dashboard.sample_events()),
        on_drain: OnDrain::Finally(|services| {
            infallible(async { services.live.dashboard.feed.close() })
        }),
    },
    Task {
        name: "checkpoint",
        interval: every(1_000),
        iterate: |services| iteration(services.inventory.checkpoints.save()),
        on_drain: OnDrain::Finally(|services| iteration(services.inventory.checkpoints.save())),
    },
    Task {
        name: "key cleanup",
        interval: every(60_000),
        iterate: |services| iteration(services.key_cleanup.clear_expired()),
        on_drain: OnDrain::Complete,
    },
];

/// While messages are pending, and while none are.
const RELAY_INTERVALS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];

/// After a message that the bus did not acknowledge.
const RELAY_RETRY_INTERVAL: Duration = Duration::from_secs(1);

const BACKLOG_INTERVAL: Duration = Duration::from_secs(1);

/// Before an event whose rebuild failed is rebuilt again.
const REBUILD_INTERVAL: Duration = Duration::from_millis(500);

/// Before failed settlements are sent again: the first wait, and the longest.
const SETTLEMENT_RETRY_BACKOFF: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// Starts every task.
pub(crate) fn start(services: TaskServices, lifecycle: &Lifecycle) {
    let services = Arc::new(services);
    for task in TASKS {
        let name = task.name;
        let running = task.run(Arc::clone(&services), lifecycle.clone());
        lifecycle.spawn(name, running);
    }

    let rebuilds = rebuild_loop(Arc::clone(&services), lifecycle.clone());
    lifecycle.spawn("rebuild", rebuilds);

    let retries = settlement_loop(services.settlements.clone(), lifecycle.clone());
    lifecycle.spawn("settlements", retries);

    lifecycle.spawn("outbox relay", relay_loop(services, lifecycle.clone()));
}

/// A row of the table: a task that works with services of type `S`.
struct Task<S> {
    /// In logs and metrics.
    name: &'static str,
    interval: Interval,
    iterate: Iterate<S>,
    on_drain: OnDrain<S>,
}

type Iterate<S> = fn(&S) -> BoxFuture<'_, Iteration>;

/// The pause before the next iteration; `None` for the interval of the task, which is the pause
/// after an iteration that failed as well.
type Iteration = Result<Option<Duration>, BookingError>;

#[derive(Clone, Copy)]
enum Interval {
    /// Between two iterations, and before the first.
    Pause(Duration),
    /// Between the beginnings of two iterations; the first begins at once.
    Rate(Duration),
}

/// What happens when the drain begins. There is no further iteration.
enum OnDrain<S> {
    /// The present iteration is completed.
    Complete,
    /// The present iteration is dropped.
    Cancel,
    /// The present iteration is completed, and this is done afterwards.
    Finally(Iterate<S>),
}

const fn every(ms: u64) -> Interval {
    Interval::Pause(Duration::from_millis(ms))
}

const fn at_rate(ms: u64) -> Interval {
    Interval::Rate(Duration::from_millis(ms))
}

/// An iteration after which the task pauses for its interval.
fn iteration<'a, T, E: Into<BookingError>>(
    work: impl Future<Output = Result<T, E>> + Send + 'a,
) -> BoxFuture<'a, Iteration> {
    Box::pin(async { work.await.map(|_| None).map_err(Into::into) })
}

/// The same, of work that cannot fail.
fn infallible<'a>(work: impl Future<Output = ()> + Send + 'a) -> BoxFuture<'a, Iteration> {
    Box::pin(async {
        work.await;
        Ok(None)
    })
}

impl<S: Send + Sync + 'static> Task<S> {
    fn span(&self) -> tracing::Span {
        tracing::debug_span!("task", name = self.name)
    }

    async fn run(self, services: Arc<S>, lifecycle: Lifecycle) {
        let mut due = Instant::now();
        let mut pause = match self.interval {
            Interval::Pause(interval) => interval,
            Interval::Rate(_) => Duration::ZERO,
        };

        while lifecycle.sleep_or_drain(pause).await {
            let cancelled = async {
                match self.on_drain {
                    OnDrain::Cancel => lifecycle.draining().await,
                    _ => std::future::pending().await,
                }
            };
            let asked_pause = tokio::select! {
                result = (self.iterate)(&services).instrument(self.span()) => log_failure(self.name, result),
                () = cancelled => return,
            };

            pause = match self.interval {
                Interval::Pause(interval) => asked_pause.unwrap_or(interval),
                Interval::Rate(interval) => {
                    due = (due + interval).max(Instant::now());
                    due.saturating_duration_since(Instant::now())
                }
            };
        }

        if let OnDrain::Finally(last) = self.on_drain {
            log_failure(self.name, last(&services).instrument(self.span()).await);
        }
    }
}

/// The result of an iteration, or nothing if it failed.
fn log_failure<T: Default, E: Display>(task: &'static str, iteration: Result<T, E>) -> T {
    iteration.unwrap_or_else(|error| {
        metrics::counter!(crate::metric_definitions::TASK_FAILURES, "task" => task).increment(1);
        tracing::warn!(task, %error, "background task iteration failed; retrying");
        T::default()
    })
}

/// Rebuilds events as requested. An event stays in the queue until its rebuild has succeeded.
async fn rebuild_loop(services: Arc<TaskServices>, lifecycle: Lifecycle) {
    let inventory = &services.inventory.rebuilder;
    loop {
        let event = tokio::select! {
            event = inventory.rebuild_queue.next() => event,
            () = lifecycle.draining() => return,
        };
        let cooldown = inventory.cooldown_left(event).await;
        if !lifecycle.sleep_or_drain(cooldown).await {
            return;
        }

        let rebuilt = rebuild(&services.inventory.catalogue, inventory, event).await;
        if log_failure("rebuild", rebuilt).is_none() {
            inventory.rebuild_queue.request(event);
            lifecycle.sleep_or_drain(REBUILD_INTERVAL).await;
        }
    }
}

/// Succeeds for an event that is gone, too.
async fn rebuild(
    catalogue: &Catalogue,
    inventory: &InventoryRebuilder,
    event: EventId,
) -> Result<Option<()>, BookingError> {
    match catalogue.event(event).await {
        Err(BookingError::EventNotFound) => Ok(Some(())),
        event => inventory.rebuild(&event?).await.map(|_| Some(())),
    }
}

/// Sends failed settlements again, the last time after the drain has begun.
async fn settlement_loop(settlements: SettlementDispatcher, lifecycle: Lifecycle) {
    let [shortest, longest] = SETTLEMENT_RETRY_BACKOFF;
    let mut backoff = shortest;
    loop {
        tokio::select! {
            () = settlements.wait_for_pending() => {}
            () = lifecycle.draining() => {}
        }
        if !lifecycle.sleep_or_drain(backoff).await {
            break;
        }

        let is_empty = settlements.retry().await;
        backoff = if is_empty {
            shortest
        } else {
            longest.min(2 * backoff)
        };
    }
    settlements.retry().await;
}

/// Publishes committed messages, the last time after the drain has begun.
async fn relay_loop(services: Arc<TaskServices>, lifecycle: Lifecycle) {
    let outbox = &services.outbox;
    let publish = async || log_failure("outbox relay", outbox.publish_pending().await);

    let [busy, idle] = RELAY_INTERVALS;
    let mut pause = busy;
    let mut measured_at = Instant::now();
    while lifecycle.sleep_or_drain(pause).await {
        let mut report = publish().await;
        while report.was_full && report.failed == 0 {
            report = publish().await;
        }
        pause = match report {
            RelayReport { failed: 1.., .. } => RELAY_RETRY_INTERVAL,
            RelayReport { published: 1.., .. } => busy,
            _ => idle,
        };

        if measured_at.elapsed() >= BACKLOG_INTERVAL {
            log_failure("outbox relay", outbox.record_backlog().await);
            measured_at = Instant::now();
        }
    }
    publish().await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Counts iterations; each takes `work_ms` and asks for the pause `asked_ms`, unless it fails.
    #[derive(Default)]
    struct Counter {
        begun: AtomicU64,
        completed: AtomicU64,
        work_ms: u64,
        asked_ms: Option<u64>,
        fails: bool,
    }

    fn count(counter: &Counter) -> BoxFuture<'_, Iteration> {
        Box::pin(async {
            counter.begun.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(counter.work_ms)).await;
            counter.completed.fetch_add(1, Ordering::Relaxed);
            if counter.fails {
                return Err(BookingError::Unavailable("on purpose"));
            }
            Ok(counter.asked_ms.map(Duration::from_millis))
        })
    }

    fn task(interval: Interval, on_drain: OnDrain<Counter>) -> Task<Counter> {
        Task {
            name: "test",
            interval,
            iterate: count,
            on_drain,
        }
    }

    /// Iterations that begin within `ms`, and those that are complete once the task has ended.
    async fn iterations(task: Task<Counter>, counter: Counter, ms: u64) -> (u64, u64) {
        let (counter, (lifecycle, _panics)) = (Arc::new(counter), Lifecycle::new());
        let task = tokio::spawn(task.run(Arc::clone(&counter), lifecycle.clone()));
        tokio::time::sleep(Duration::from_millis(ms)).await;
        let begun = counter.begun.load(Ordering::Relaxed);

        lifecycle.begin_drain();
        task.await.unwrap();
        (begun, counter.completed.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_as_asked_or_for_interval() {
        let task = || task(every(100), OnDrain::Complete);
        let usual = iterations(task(), Counter::default(), 1_050).await;
        assert_eq!(usual, (10, 10));

        let asking = Counter {
            asked_ms: Some(10),
            ..Counter::default()
        };
        let (begun, _) = iterations(task(), asking, 195).await;
        assert_eq!(begun, 10, "the first after the interval");

        let failing = Counter {
            fails: true,
            asked_ms: Some(10),
            ..Counter::default()
        };
        assert_eq!(iterations(task(), failing, 1_050).await, (10, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn rate_ignores_length_of_iterations() {
        let steady = |work_ms| {
            let counter = Counter {
                work_ms,
                ..Counter::default()
            };
            iterations(task(at_rate(100), OnDrain::Complete), counter, 1_050)
        };

        assert_eq!(steady(80).await, (11, 11), "the first at once");
        assert_eq!(steady(200).await, (6, 6), "one after the other");
    }

    #[tokio::test(start_paused = true)]
    async fn drain_completes_cancels_or_finishes() {
        let drained = |on_drain| {
            let slow = Counter {
                work_ms: 1_000,
                ..Counter::default()
            };
            iterations(task(every(100), on_drain), slow, 200)
        };

        assert_eq!(drained(OnDrain::Complete).await, (1, 1));
        assert_eq!(drained(OnDrain::Cancel).await, (1, 0));
        assert_eq!(drained(OnDrain::Finally(count)).await, (1, 2));
    }
}
