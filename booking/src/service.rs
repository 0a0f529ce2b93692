//! The role: its routes and its tasks.

use std::{sync::Arc, time::Duration};

use axum::Router;
use waitingroom::{http::Check, ids::EventId, lifecycle::Lifecycle, vitals::BookingVitals};

use crate::{
    api,
    catalogue::Catalogue,
    error::BookingError,
    inventory::{
        checkpoint::LastCheckpoints, drift::ComparisonSchedule, rebuild::InventoryRebuilder,
    },
    outbox::{OutboxRelay, RelayReport},
    pipeline::{Pipeline, PipelineDeps, PipelineReceivers},
    reservations::expiry::BatchSize,
    state::{AppState, Backends, BookingConfig},
};

const EXPIRY_PAUSE: Duration = Duration::from_millis(250);
/// While there is something to publish, and while there is nothing.
const RELAY_PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];
/// Before what the engine missed is told again: the first, and the longest.
const RETELL_PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];
const SUSPICION_PAUSE: Duration = Duration::from_millis(500);
const FOLLOW_PAUSE: Duration = Duration::from_millis(500);
const SECOND: Duration = Duration::from_secs(1);
const PROBE_PAUSE: Duration = Duration::from_millis(500);
const SWEEP_PAUSE: Duration = Duration::from_secs(60);
const SWEEP_LIMIT: u32 = 1_000;

/// The booking role, built and not yet running.
pub struct BookingService {
    state: Arc<AppState>,
    lanes: PipelineReceivers,
}

impl BookingService {
    /// Builds the role: reads the catalogue, and opens the events that the engine lacks with the
    /// database's seats; what it holds is left alone, since other instances are selling it. An
    /// engine that does not answer is no reason to fail: the tasks go on trying.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn bind(backends: Backends, config: BookingConfig) -> Result<Self, BookingError> {
        let (committer, lanes) = Pipeline::new();
        let (store, engine, clock) = (
            backends.store.clone(),
            backends.engine.clone(),
            backends.clock.clone(),
        );
        let inventory = InventoryRebuilder::new(store.clone(), engine, clock);
        let catalogue = Arc::new(Catalogue::new(store));
        let state = AppState::new(backends, config, catalogue, committer, inventory);
        state.catalogue.refresh().await?;
        state.read_database_clock().await?;
        // Before anything is asked or expires: while every instance was away, nobody could confirm.
        if let Err(error) = state.probe_database().await {
            tracing::warn!(%error, "the database cannot be written yet");
        }
        if let Err(error) = state.restore_lost().await {
            tracing::warn!(%error, "the engine could not be given its seats yet");
        }
        Ok(Self {
            state: Arc::new(state),
            lanes,
        })
    }

    /// The routes below `/api/v1`, and `/openapi.json` is not among them.
    pub fn router(&self) -> Router {
        api::router(Arc::clone(&self.state))
    }

    /// What readiness depends on.
    pub fn checks(&self) -> Vec<(&'static str, Check)> {
        let (database, engine) = (Arc::clone(&self.state), Arc::clone(&self.state));
        let database: Check = Arc::new(move || {
            let state = Arc::clone(&database);
            Box::pin(async move { state.needs_database().map_err(|error| error.to_string()) })
        });
        let engine: Check = Arc::new(move || {
            let state = Arc::clone(&engine);
            Box::pin(async move {
                if state.pulse.lines.are_all_silent() {
                    return Err("no line answers".to_owned());
                }
                state
                    .within(state.engine().ready())
                    .await
                    .map_err(|error| error.to_string())
            })
        });
        vec![("database", database), ("engine", engine)]
    }

    /// How booking is, to be published as this process's vitals.
    pub fn vitals(&self) -> impl Fn() -> BookingVitals + Send + Sync + use<> {
        let state = Arc::clone(&self.state);
        move || state.vitals()
    }

    /// Starts the tasks. They end with the drain; the group commit after the last request.
    pub fn run(self, lifecycle: &Lifecycle) {
        let Self { state, lanes } = self;
        let backends = &state.backends;
        let (store, engine, clock) = (
            backends.store.clone(),
            backends.engine.clone(),
            backends.clock.clone(),
        );
        lanes.start(
            PipelineDeps {
                store,
                engine,
                clock,
                settler: state.settler.clone(),
            },
            lifecycle,
        );
        lifecycle.spawn("expiry", expiry(Arc::clone(&state), lifecycle.clone()));
        lifecycle.spawn(
            "reconcile",
            reconcile(Arc::clone(&state), lifecycle.clone()),
        );
        lifecycle.spawn("follow", follow(Arc::clone(&state), lifecycle.clone()));
        lifecycle.spawn("lines", lines(Arc::clone(&state), lifecycle.clone()));
        lifecycle.spawn(
            "suspicions",
            suspicions(Arc::clone(&state), lifecycle.clone()),
        );
        lifecycle.spawn("drift", drift(Arc::clone(&state), lifecycle.clone()));
        lifecycle.spawn(
            "settlements",
            settlements(Arc::clone(&state), lifecycle.clone()),
        );
        lifecycle.spawn(
            "availability",
            availability(Arc::clone(&state), lifecycle.clone()),
        );
        lifecycle.spawn(
            "live figures",
            live_figures(Arc::clone(&state), lifecycle.clone()),
        );
        lifecycle.spawn(
            "checkpoint",
            checkpoint(Arc::clone(&state), lifecycle.clone()),
        );
        lifecycle.spawn("probe", probe(Arc::clone(&state), lifecycle.clone()));
        lifecycle.spawn(
            "database clock",
            database_clock(Arc::clone(&state), lifecycle.clone()),
        );
        lifecycle.spawn("outbox relay", relay(Arc::clone(&state), lifecycle.clone()));
        lifecycle.spawn("forget keys", forget_keys(state, lifecycle.clone()));
    }
}

/// Logs what a step failed with; the loop goes on.
fn heed<T: Default, E: std::fmt::Display>(task: &'static str, step: Result<T, E>) -> T {
    step.unwrap_or_else(|error| {
        metrics::counter!("stanchion_booking_task_failures_total", "task" => task).increment(1);
        tracing::warn!(task, %error, "a step failed and will be tried again");
        T::default()
    })
}

async fn expiry(state: Arc<AppState>, lifecycle: Lifecycle) {
    let (mut stride, mut pause) = (BatchSize::default(), None);
    while lifecycle.pause(pause.unwrap_or(EXPIRY_PAUSE)).await {
        if let Err(error) = state.backends.clock.check() {
            tracing::debug!(error, "nothing is ended by a clock that is wrong"); // said where it was found
            continue;
        }
        if !state.pulse.may_expire() {
            pause = None; // an outage lasts, or has not been given back
            continue;
        }
        let swept = heed("expiry", state.sweep(&mut stride).await);
        pause = swept.pause(state.reservations_wait());
    }
}

async fn reconcile(state: Arc<AppState>, lifecycle: Lifecycle) {
    while lifecycle.pause(SECOND).await {
        heed("reconcile", state.reconcile_all().await);
    }
}

async fn follow(state: Arc<AppState>, lifecycle: Lifecycle) {
    while lifecycle.pause(FOLLOW_PAUSE).await {
        heed("follow", state.follow_catalogue().await);
    }
}

async fn lines(state: Arc<AppState>, lifecycle: Lifecycle) {
    while lifecycle.pause(FOLLOW_PAUSE).await {
        heed("restore", state.restore_lost().await);
    }
}

async fn probe(state: Arc<AppState>, lifecycle: Lifecycle) {
    while lifecycle.pause(PROBE_PAUSE).await {
        heed("probe", state.probe_database().await);
    }
}

async fn database_clock(state: Arc<AppState>, lifecycle: Lifecycle) {
    while lifecycle.pause(SECOND).await {
        heed("database clock", state.read_database_clock().await);
    }
}

/// An event is suspected until it has been rebuilt.
async fn suspicions(state: Arc<AppState>, lifecycle: Lifecycle) {
    loop {
        let event = tokio::select! { event = state.suspects.next() => event, () = lifecycle.draining() => return };
        let trusted = state.inventory.trusted_for(event).await;
        if !lifecycle.pause(trusted).await {
            return;
        }
        if heed("suspicions", rebuilt(&state, event).await).is_none() {
            state.suspects.report(event);
            lifecycle.pause(SUSPICION_PAUSE).await;
        }
    }
}

/// A step a second; one that looks several times is not waited for at the end.
async fn drift(state: Arc<AppState>, lifecycle: Lifecycle) {
    let mut rounds = ComparisonSchedule::default();
    while lifecycle.pause(SECOND).await {
        tokio::select! {
            compared = state.compare_some(&mut rounds) => heed("drift", compared),
            () = lifecycle.draining() => return,
        }
    }
}

async fn rebuilt(state: &AppState, event: EventId) -> Result<Option<()>, BookingError> {
    match state.catalogue.event(event).await {
        Err(BookingError::EventNotFound) => Ok(Some(())),
        event => state.inventory.sync(&event?).await.map(|_| Some(())),
    }
}

/// Tells the engine what it missed.
async fn settlements(state: Arc<AppState>, lifecycle: Lifecycle) {
    let [least, most] = RETELL_PAUSES;
    let mut pause = least;
    loop {
        tokio::select! { () = state.settler.something_missed() => {}, () = lifecycle.draining() => {} }
        if !lifecycle.pause(pause).await {
            break;
        }
        pause = if state.settler.retell().await {
            least
        } else {
            most.min(2 * pause)
        };
    }
    state.settler.retell().await;
}

async fn availability(state: Arc<AppState>, lifecycle: Lifecycle) {
    while lifecycle.pause(SECOND).await {
        heed("availability", state.publish_availability().await);
    }
    state.availability.feed.end();
}

/// On the second, however long a round takes.
async fn live_figures(state: Arc<AppState>, lifecycle: Lifecycle) {
    let mut next = tokio::time::Instant::now();
    while lifecycle
        .pause(next.saturating_duration_since(tokio::time::Instant::now()))
        .await
    {
        state.sample_events().await;
        next = (next + SECOND).max(tokio::time::Instant::now());
    }
    state.live.feed.end();
}

async fn checkpoint(state: Arc<AppState>, lifecycle: Lifecycle) {
    let mut written = LastCheckpoints::default();
    while lifecycle.pause(SECOND).await {
        heed("checkpoint", state.checkpoint(&mut written).await);
    }
    heed("checkpoint", state.checkpoint(&mut written).await);
}

async fn relay(state: Arc<AppState>, lifecycle: Lifecycle) {
    let relay = OutboxRelay::new(
        state.store().clone(),
        state.backends.bus.clone(),
        state.config.subject_prefix.clone(),
    );
    let mut measured = std::time::Instant::now();
    let [busy, idle] = RELAY_PAUSES;
    let mut pause = busy;
    while lifecycle.pause(pause).await {
        let mut relayed = heed("outbox relay", relay.step(state.database_now()).await);
        while relayed.was_full && relayed.failed == 0 {
            relayed = heed("outbox relay", relay.step(state.database_now()).await);
        }
        pause = match relayed {
            RelayReport { failed: 1.., .. } => SECOND,
            RelayReport { published: 1.., .. } => busy,
            _ => idle,
        };
        if measured.elapsed() >= SECOND {
            state.pulse.set_outbox_lag(heed(
                "outbox relay",
                relay.measure(state.database_now()).await,
            ));
            measured = std::time::Instant::now();
        }
    }
    heed("outbox relay", relay.step(state.database_now()).await);
}

async fn forget_keys(state: Arc<AppState>, lifecycle: Lifecycle) {
    while lifecycle.pause(SWEEP_PAUSE).await {
        state.guests.forget_past(state.now());
        let before = state.database_now().minus(state.config.remember_keys);
        while heed(
            "forget keys",
            state.store().forget_keys(before, SWEEP_LIMIT).await,
        ) == u64::from(SWEEP_LIMIT)
        {}
    }
}
