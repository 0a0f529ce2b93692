//! The background tasks of the role. An iteration that fails is logged and counted; the next one
//! tries again. All tasks end when the drain begins.

use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};

use waitingroom_domain::ids::EventId;
use waitingroom_server::lifecycle::Lifecycle;

use crate::{
    error::BookingError,
    inventory::{checkpoint::LastCheckpoints, drift::ComparisonSchedule},
    outbox::{OutboxRelay, RelayReport},
    reservations::expiry::BatchSize,
    state::AppState,
};

const BACKLOG_INTERVAL: Duration = Duration::from_secs(1);
const CATALOGUE_SYNC_INTERVAL: Duration = Duration::from_millis(500);
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);
const CLOCK_SYNC_INTERVAL: Duration = Duration::from_secs(1);
const DRIFT_INTERVAL: Duration = Duration::from_secs(1);
const EXPIRY_INTERVAL: Duration = Duration::from_millis(250);
const KEY_CLEANUP_INTERVAL: Duration = Duration::from_secs(60);
const KEY_CLEANUP_LIMIT: u32 = 1_000;
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
const QUEUE_CHECK_INTERVAL: Duration = Duration::from_millis(500);
const REBUILD_INTERVAL: Duration = Duration::from_millis(500);
const RECONCILE_INTERVAL: Duration = Duration::from_secs(1);

/// While messages are pending, and while none are.
const RELAY_INTERVALS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];

/// After a message that the bus did not acknowledge.
const RELAY_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Of dashboards and availability feeds.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Before failed settlements are sent again: the first wait, and the longest.
const SETTLEMENT_RETRY_BACKOFF: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// Starts every task.
pub(crate) fn start(state: &Arc<AppState>, lifecycle: &Lifecycle) {
    periodic_tasks(state, lifecycle);

    let spawn = Spawner { state, lifecycle };
    spawn.task("expiry", expiry);
    spawn.task("rebuild", rebuild);
    spawn.task("drift", drift);
    spawn.task("settlements", settlements);
    spawn.task("availability", availability);
    spawn.task("dashboard", dashboard);
    spawn.task("checkpoint", checkpoint);
    spawn.task("outbox relay", relay);
    spawn.task("key cleanup", key_cleanup);
}

/// Tasks that do the same at each interval and keep nothing between two iterations.
fn periodic_tasks(state: &Arc<AppState>, lifecycle: &Lifecycle) {
    let spawn = Spawner { state, lifecycle };
    spawn.periodic("reconcile", RECONCILE_INTERVAL, |state| async move {
        state.reconcile_holds().await.map(drop)
    });

    spawn.periodic(
        "catalogue sync",
        CATALOGUE_SYNC_INTERVAL,
        |state| async move { state.sync_catalogue().await },
    );
    spawn.periodic("queue check", QUEUE_CHECK_INTERVAL, |state| async move {
        state.restore_missing_events().await.map(drop)
    });

    spawn.periodic("database probe", PROBE_INTERVAL, |state| async move {
        Ok(state.probe_database().await?)
    });

    spawn.periodic("database clock", CLOCK_SYNC_INTERVAL, |state| async move {
        Ok(state.sync_database_clock().await?)
    });
}

struct Spawner<'a> {
    state: &'a Arc<AppState>,
    lifecycle: &'a Lifecycle,
}

impl Spawner<'_> {
    fn task<F>(&self, name: &'static str, task: fn(Arc<AppState>, Lifecycle) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let running = task(Arc::clone(self.state), self.lifecycle.clone());
        self.lifecycle.spawn(name, running);
    }

    /// Waits for `interval` before each iteration.
    fn periodic<F>(&self, name: &'static str, interval: Duration, iterate: fn(Arc<AppState>) -> F)
    where
        F: Future<Output = Result<(), BookingError>> + Send + 'static,
    {
        let (state, lifecycle) = (Arc::clone(self.state), self.lifecycle.clone());
        self.lifecycle.spawn(name, async move {
            while lifecycle.sleep_or_drain(interval).await {
                log_failure(name, iterate(Arc::clone(&state)).await);
            }
        });
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

async fn expiry(state: Arc<AppState>, lifecycle: Lifecycle) {
    let mut batch_size = BatchSize::default();
    let mut pause = None;
    while lifecycle
        .sleep_or_drain(pause.unwrap_or(EXPIRY_INTERVAL))
        .await
    {
        // The clock has logged by itself what is wrong with it.
        if let Err(error) = state.backends.clock.check() {
            tracing::debug!(error, "no hold is expired by a wrong clock");
            continue;
        }

        // An outage lasts, or holds have not got its time back yet.
        if !state.load_monitor.may_expire() {
            pause = None;
            continue;
        }

        let report = log_failure("expiry", state.expire_due_holds(&mut batch_size).await);
        pause = report.pause(state.has_reservations_in_flight());
    }
}

/// An event stays in the queue until its rebuild has succeeded.
async fn rebuild(state: Arc<AppState>, lifecycle: Lifecycle) {
    loop {
        let event = tokio::select! {
            event = state.rebuild_queue.next() => event,
            () = lifecycle.draining() => return,
        };
        let cooldown = state.inventory.cooldown_left(event).await;
        if !lifecycle.sleep_or_drain(cooldown).await {
            return;
        }

        if log_failure("rebuild", rebuild_event(&state, event).await).is_none() {
            state.rebuild_queue.request(event);
            lifecycle.sleep_or_drain(REBUILD_INTERVAL).await;
        }
    }
}

/// Succeeds for an event that is gone, too.
async fn rebuild_event(state: &AppState, event: EventId) -> Result<Option<()>, BookingError> {
    match state.catalogue.event(event).await {
        Err(BookingError::EventNotFound) => Ok(Some(())),
        event => state.inventory.rebuild(&event?).await.map(|_| Some(())),
    }
}

/// A comparison that is confirming a difference is not waited for when the drain begins.
async fn drift(state: Arc<AppState>, lifecycle: Lifecycle) {
    let mut schedule = ComparisonSchedule::default();
    while lifecycle.sleep_or_drain(DRIFT_INTERVAL).await {
        tokio::select! {
            compared = state.compare_due(&mut schedule) => log_failure("drift", compared),
            () = lifecycle.draining() => return,
        }
    }
}

/// Sends failed settlements again, the last time after the drain has begun.
async fn settlements(state: Arc<AppState>, lifecycle: Lifecycle) {
    let [shortest, longest] = SETTLEMENT_RETRY_BACKOFF;
    let mut backoff = shortest;
    loop {
        tokio::select! {
            () = state.settlements.wait_for_pending() => {}
            () = lifecycle.draining() => {}
        }
        if !lifecycle.sleep_or_drain(backoff).await {
            break;
        }

        let is_empty = state.settlements.retry().await;
        backoff = if is_empty {
            shortest
        } else {
            longest.min(2 * backoff)
        };
    }
    state.settlements.retry().await;
}

async fn availability(state: Arc<AppState>, lifecycle: Lifecycle) {
    while lifecycle.sleep_or_drain(SAMPLE_INTERVAL).await {
        log_failure("availability", state.publish_availability().await);
    }
    state.availability.feed.close();
}

/// Keeps to the interval, however long a sample takes.
async fn dashboard(state: Arc<AppState>, lifecycle: Lifecycle) {
    let mut next = Instant::now();
    while lifecycle
        .sleep_or_drain(next.saturating_duration_since(Instant::now()))
        .await
    {
        state.sample_events().await;
        next = (next + SAMPLE_INTERVAL).max(Instant::now());
    }

    state.dashboard.feed.close();
}

/// Writes the last checkpoints after the drain has begun.
async fn checkpoint(state: Arc<AppState>, lifecycle: Lifecycle) {
    let mut last = LastCheckpoints::default();
    while lifecycle.sleep_or_drain(CHECKPOINT_INTERVAL).await {
        log_failure("checkpoint", state.save_checkpoints(&mut last).await);
    }
    log_failure("checkpoint", state.save_checkpoints(&mut last).await);
}

/// Publishes for the last time after the drain has begun.
async fn relay(state: Arc<AppState>, lifecycle: Lifecycle) {
    let relay = OutboxRelay::new(
        state.store().clone(),
        state.backends.bus.clone(),
        state.config.subject_prefix.clone(),
    );
    let publish = async || {
        let published = relay.publish_pending(state.database_now()).await;
        log_failure("outbox relay", published)
    };

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
            let lag = relay.record_backlog(state.database_now()).await;
            state
                .load_monitor
                .set_outbox_lag(log_failure("outbox relay", lag));
            measured_at = Instant::now();
        }
    }
    publish().await;
}

async fn key_cleanup(state: Arc<AppState>, lifecycle: Lifecycle) {
    while lifecycle.sleep_or_drain(KEY_CLEANUP_INTERVAL).await {
        state.guest_limiter.evict_expired(state.now());

        let before = state.database_now().minus(state.config.idempotency_key_ttl);
        loop {
            let cleared = state
                .store()
                .clear_expired_keys(before, KEY_CLEANUP_LIMIT)
                .await;
            if log_failure("key cleanup", cleared) < u64::from(KEY_CLEANUP_LIMIT) {
                break;
            }
        }
    }
}
