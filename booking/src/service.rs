//! The role: its routes and its tasks.

use std::{sync::Arc, time::Duration};

use axum::Router;
use waitingroom::{http::Check, ids::EventId, lifecycle::Lifecycle, vitals::BookingVitals};

use crate::{
    api,
    catalogue::Catalogue,
    error::Refusal,
    inventory::{checkpoint::Written, drift::Rounds, rebuild::Inventory},
    outbox::{Relay, Relayed},
    pipeline::{Committer, Lanes, Tools},
    reservations::expiry::Stride,
    state::{Backends, BookingConfig, Desk},
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
pub struct Booking {
    desk: Arc<Desk>,
    lanes: Lanes,
}

impl Booking {
    /// Builds the role: reads the catalogue, and opens the events that the engine lacks with the
    /// database's seats; what it holds is left alone, since other instances are selling it. An
    /// engine that does not answer is no reason to fail: the tasks go on trying.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn bind(backends: Backends, config: BookingConfig) -> Result<Self, Refusal> {
        let (committer, lanes) = Committer::new();
        let (store, engine, clock) = (
            backends.store.clone(),
            backends.engine.clone(),
            backends.clock.clone(),
        );
        let inventory = Inventory::new(store.clone(), engine, clock);
        let catalogue = Arc::new(Catalogue::new(store));
        let desk = Desk::new(backends, config, catalogue, committer, inventory);
        desk.catalogue.refresh().await?;
        desk.read_database_clock().await?;
        // Before anything is asked or expires: while every instance was away, nobody could confirm.
        if let Err(error) = desk.probe_database().await {
            tracing::warn!(%error, "the database cannot be written yet");
        }
        if let Err(error) = desk.restore_lost().await {
            tracing::warn!(%error, "the engine could not be given its seats yet");
        }
        Ok(Self {
            desk: Arc::new(desk),
            lanes,
        })
    }

    /// The routes below `/api/v1`, and `/openapi.json` is not among them.
    pub fn router(&self) -> Router {
        api::router(Arc::clone(&self.desk))
    }

    /// What readiness depends on.
    pub fn checks(&self) -> Vec<(&'static str, Check)> {
        let (database, engine) = (Arc::clone(&self.desk), Arc::clone(&self.desk));
        let database: Check = Arc::new(move || {
            let desk = Arc::clone(&database);
            Box::pin(async move { desk.needs_database().map_err(|refusal| refusal.to_string()) })
        });
        let engine: Check = Arc::new(move || {
            let desk = Arc::clone(&engine);
            Box::pin(async move {
                if desk.pulse.lines.are_all_silent() {
                    return Err("no line answers".to_owned());
                }
                desk.within(desk.engine().ready())
                    .await
                    .map_err(|error| error.to_string())
            })
        });
        vec![("database", database), ("engine", engine)]
    }

    /// How booking is, to be published as this process's vitals.
    pub fn vitals(&self) -> impl Fn() -> BookingVitals + Send + Sync + use<> {
        let desk = Arc::clone(&self.desk);
        move || desk.vitals()
    }

    /// Starts the tasks. They end with the drain; the group commit after the last request.
    pub fn run(self, lifecycle: &Lifecycle) {
        let Self { desk, lanes } = self;
        let backends = &desk.backends;
        let (store, engine, clock) = (
            backends.store.clone(),
            backends.engine.clone(),
            backends.clock.clone(),
        );
        lanes.start(
            Tools {
                store,
                engine,
                clock,
                settler: desk.settler.clone(),
            },
            lifecycle,
        );
        lifecycle.spawn("expiry", expiry(Arc::clone(&desk), lifecycle.clone()));
        lifecycle.spawn("reconcile", reconcile(Arc::clone(&desk), lifecycle.clone()));
        lifecycle.spawn("follow", follow(Arc::clone(&desk), lifecycle.clone()));
        lifecycle.spawn("lines", lines(Arc::clone(&desk), lifecycle.clone()));
        lifecycle.spawn(
            "suspicions",
            suspicions(Arc::clone(&desk), lifecycle.clone()),
        );
        lifecycle.spawn("drift", drift(Arc::clone(&desk), lifecycle.clone()));
        lifecycle.spawn(
            "settlements",
            settlements(Arc::clone(&desk), lifecycle.clone()),
        );
        lifecycle.spawn(
            "availability",
            availability(Arc::clone(&desk), lifecycle.clone()),
        );
        lifecycle.spawn(
            "live figures",
            live_figures(Arc::clone(&desk), lifecycle.clone()),
        );
        lifecycle.spawn(
            "checkpoint",
            checkpoint(Arc::clone(&desk), lifecycle.clone()),
        );
        lifecycle.spawn("probe", probe(Arc::clone(&desk), lifecycle.clone()));
        lifecycle.spawn(
            "database clock",
            database_clock(Arc::clone(&desk), lifecycle.clone()),
        );
        lifecycle.spawn("outbox relay", relay(Arc::clone(&desk), lifecycle.clone()));
        lifecycle.spawn("forget keys", forget_keys(desk, lifecycle.clone()));
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

async fn expiry(desk: Arc<Desk>, lifecycle: Lifecycle) {
    let (mut stride, mut pause) = (Stride::default(), None);
    while lifecycle.pause(pause.unwrap_or(EXPIRY_PAUSE)).await {
        if let Err(error) = desk.backends.clock.check() {
            tracing::debug!(error, "nothing is ended by a clock that is wrong"); // said where it was found
            continue;
        }
        if !desk.pulse.may_expire() {
            pause = None; // an outage lasts, or has not been given back
            continue;
        }
        let swept = heed("expiry", desk.sweep(&mut stride).await);
        pause = swept.pause(desk.reservations_wait());
    }
}

async fn reconcile(desk: Arc<Desk>, lifecycle: Lifecycle) {
    while lifecycle.pause(SECOND).await {
        heed("reconcile", desk.reconcile_all().await);
    }
}

async fn follow(desk: Arc<Desk>, lifecycle: Lifecycle) {
    while lifecycle.pause(FOLLOW_PAUSE).await {
        heed("follow", desk.follow_catalogue().await);
    }
}

async fn lines(desk: Arc<Desk>, lifecycle: Lifecycle) {
    while lifecycle.pause(FOLLOW_PAUSE).await {
        heed("restore", desk.restore_lost().await);
    }
}

async fn probe(desk: Arc<Desk>, lifecycle: Lifecycle) {
    while lifecycle.pause(PROBE_PAUSE).await {
        heed("probe", desk.probe_database().await);
    }
}

async fn database_clock(desk: Arc<Desk>, lifecycle: Lifecycle) {
    while lifecycle.pause(SECOND).await {
        heed("database clock", desk.read_database_clock().await);
    }
}

/// An event is suspected until it has been rebuilt.
async fn suspicions(desk: Arc<Desk>, lifecycle: Lifecycle) {
    loop {
        let event = tokio::select! { event = desk.suspects.next() => event, () = lifecycle.draining() => return };
        let trusted = desk.inventory.trusted_for(event).await;
        if !lifecycle.pause(trusted).await {
            return;
        }
        if heed("suspicions", rebuilt(&desk, event).await).is_none() {
            desk.suspects.report(event);
            lifecycle.pause(SUSPICION_PAUSE).await;
        }
    }
}

/// A step a second; one that looks several times is not waited for at the end.
async fn drift(desk: Arc<Desk>, lifecycle: Lifecycle) {
    let mut rounds = Rounds::default();
    while lifecycle.pause(SECOND).await {
        tokio::select! {
            compared = desk.compare_some(&mut rounds) => heed("drift", compared),
            () = lifecycle.draining() => return,
        }
    }
}

async fn rebuilt(desk: &Desk, event: EventId) -> Result<Option<()>, Refusal> {
    match desk.catalogue.event(event).await {
        Err(Refusal::EventNotFound) => Ok(Some(())),
        event => desk.inventory.sync(&event?).await.map(|_| Some(())),
    }
}

/// Tells the engine what it missed.
async fn settlements(desk: Arc<Desk>, lifecycle: Lifecycle) {
    let [least, most] = RETELL_PAUSES;
    let mut pause = least;
    loop {
        tokio::select! { () = desk.settler.something_missed() => {}, () = lifecycle.draining() => {} }
        if !lifecycle.pause(pause).await {
            break;
        }
        pause = if desk.settler.retell().await {
            least
        } else {
            most.min(2 * pause)
        };
    }
    desk.settler.retell().await;
}

async fn availability(desk: Arc<Desk>, lifecycle: Lifecycle) {
    while lifecycle.pause(SECOND).await {
        heed("availability", desk.publish_availability().await);
    }
    desk.availability.feed.end();
}

/// On the second, however long a round takes.
async fn live_figures(desk: Arc<Desk>, lifecycle: Lifecycle) {
    let mut next = tokio::time::Instant::now();
    while lifecycle
        .pause(next.saturating_duration_since(tokio::time::Instant::now()))
        .await
    {
        desk.sample_events().await;
        next = (next + SECOND).max(tokio::time::Instant::now());
    }
    desk.live.feed.end();
}

async fn checkpoint(desk: Arc<Desk>, lifecycle: Lifecycle) {
    let mut written = Written::default();
    while lifecycle.pause(SECOND).await {
        heed("checkpoint", desk.checkpoint(&mut written).await);
    }
    heed("checkpoint", desk.checkpoint(&mut written).await);
}

async fn relay(desk: Arc<Desk>, lifecycle: Lifecycle) {
    let relay = Relay::new(
        desk.store().clone(),
        desk.backends.bus.clone(),
        desk.config.subject_prefix.clone(),
    );
    let mut measured = std::time::Instant::now();
    let [busy, idle] = RELAY_PAUSES;
    let mut pause = busy;
    while lifecycle.pause(pause).await {
        let mut relayed = heed("outbox relay", relay.step(desk.database_now()).await);
        while relayed.was_full && relayed.failed == 0 {
            relayed = heed("outbox relay", relay.step(desk.database_now()).await);
        }
        pause = match relayed {
            Relayed { failed: 1.., .. } => SECOND,
            Relayed { published: 1.., .. } => busy,
            _ => idle,
        };
        if measured.elapsed() >= SECOND {
            desk.pulse.set_outbox_lag(heed(
                "outbox relay",
                relay.measure(desk.database_now()).await,
            ));
            measured = std::time::Instant::now();
        }
    }
    heed("outbox relay", relay.step(desk.database_now()).await);
}

async fn forget_keys(desk: Arc<Desk>, lifecycle: Lifecycle) {
    while lifecycle.pause(SWEEP_PAUSE).await {
        desk.guests.forget_past(desk.now());
        let before = desk.database_now().minus(desk.config.remember_keys);
        while heed(
            "forget keys",
            desk.store().forget_keys(before, SWEEP_LIMIT).await,
        ) == u64::from(SWEEP_LIMIT)
        {}
    }
}
