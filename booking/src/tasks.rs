//! The background tasks of the role. An iteration that fails is logged and counted; the next one
//! tries again. All tasks end when the drain begins.

use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use waitingroom::{ids::EventId, lifecycle::Lifecycle};

use crate::{
    catalogue::Catalogue,
    database_clock::DatabaseClock,
    error::BookingError,
    inventory::{InventoryServices, rebuild::InventoryRebuilder},
    live::LiveServices,
    load_monitor::probes::DatabaseProbe,
    outbox::{OutboxPublisher, RelayReport},
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
const TASKS: [Task; 11] = [
    Task::new("reconcile", every(1_000), |services| {
        iteration(services.inventory.reconciler.reconcile_holds())
    }),
    Task::new("catalogue sync", every(500), |services| {
        iteration(services.inventory.catalogue_sync.sync())
    }),
    Task::new("queue check", every(500), |services| {
        iteration(services.inventory.queue_check.restore_missing_events())
    }),
    Task::new("database probe", every(500), |services| {
        iteration(services.database_probe.probe())
    }),
    Task::new("database clock", every(1_000), |services| {
        iteration(services.database_clock.sync())
    }),
    Task::new("expiry", every(250), |services| {
        Box::pin(services.expiry.sweep())
    }),
    // A comparison that is confirming a difference is not waited for when the drain begins.
    Task::new("drift", every(1_000), |services| {
        iteration(services.inventory.drift.compare_due())
    })
    .cancelled_by_drain(),
    Task::new("availability", every(1_000), |services| {
        iteration(services.live.availability.publish())
    })
    .finally(|services| {
        services.live.availability.feed.close();
        iteration(async { Ok::<_, BookingError>(()) })
    }),
    Task::new("dashboard", at_rate(1_000), |services| {
        iteration(async {
            services.live.dashboard.sample_events().await;
            Ok::<_, BookingError>(())
        })
    })
    .finally(|services| {
        services.live.dashboard.feed.close();
        iteration(async { Ok::<_, BookingError>(()) })
    }),
    Task::new("checkpoint", every(1_000), |services| {
        iteration(services.inventory.checkpoints.save())
    })
    .finally(|services| iteration(services.inventory.checkpoints.save())),
    Task::new("key cleanup", every(60_000), |services| {
        iteration(services.key_cleanup.clear_expired())
    }),
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
        let running = task.run(Arc::clone(&services), lifecycle.clone());
        lifecycle.spawn(task.name, running);
    }

    let rebuilds = rebuild_loop(Arc::clone(&services), lifecycle.clone());
    lifecycle.spawn("rebuild", rebuilds);

    let retries = settlement_loop(services.settlements.clone(), lifecycle.clone());
    lifecycle.spawn("settlements", retries);

    lifecycle.spawn("outbox relay", relay_loop(services, lifecycle.clone()));
}

/// A row of the table.
#[derive(Clone, Copy)]
struct Task {
    name: &'static str,
    interval: Interval,
    iterate: fn(&TaskServices) -> BoxFuture<'_, Iteration>,
    on_drain: OnDrain,
}

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

/// What the beginning of the drain does to a task, which has no further iteration.
#[derive(Clone, Copy)]
enum OnDrain {
    /// The present iteration is completed.
    Complete,
    /// The present iteration is dropped.
    Cancel,
    /// The present iteration is completed, and this is done afterwards.
    Finally(fn(&TaskServices) -> BoxFuture<'_, Iteration>),
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

impl Task {
    const fn new(
        name: &'static str,
        interval: Interval,
        iterate: fn(&TaskServices) -> BoxFuture<'_, Iteration>,
    ) -> Self {
        Self {
            name,
            interval,
            iterate,
            on_drain: OnDrain::Complete,
        }
    }

    const fn cancelled_by_drain(self) -> Self {
        Self {
            on_drain: OnDrain::Cancel,
            ..self
        }
    }

    const fn finally(self, last: fn(&TaskServices) -> BoxFuture<'_, Iteration>) -> Self {
        Self {
            on_drain: OnDrain::Finally(last),
            ..self
        }
    }

    async fn run(self, services: Arc<TaskServices>, lifecycle: Lifecycle) {
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
                result = (self.iterate)(&services) => log_failure(self.name, result),
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
            log_failure(self.name, last(&services).await);
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
