//! The booking service: built on backends, it offers routes, readiness checks and tasks.

use std::sync::Arc;

use axum::Router;
use waitingroom_domain::throttle::BookingLoad;
use waitingroom_server::{http::Check, lifecycle::Lifecycle};

use crate::{
    api,
    catalogue::Catalogue,
    error::BookingError,
    inventory::rebuild::InventoryRebuilder,
    pipeline::{Pipeline, PipelineDeps, PipelineReceivers},
    state::{AppState, Backends, BookingConfig},
    tasks,
};

/// The booking role, built and not yet running.
pub struct BookingService {
    state: Arc<AppState>,
    receivers: PipelineReceivers,
}

impl BookingService {
    /// Builds the role: reads the catalogue, and opens the events that the engine lacks with the
    /// database's seats. Events that the engine holds are left alone, since other instances are
    /// selling them. An engine that does not answer is no reason to fail: the tasks keep trying.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn bind(backends: Backends, config: BookingConfig) -> Result<Self, BookingError> {
        let store = backends.store.clone();
        let inventory = InventoryRebuilder::new(
            store.clone(),
            backends.engine.clone(),
            backends.clock.clone(),
        );
        let catalogue = Arc::new(Catalogue::new(store));
        let (pipeline, receivers) = Pipeline::new();
        let state = AppState::new(backends, config, catalogue, pipeline, inventory);

        state.catalogue.refresh().await?;
        state.sync_database_clock().await?;

        // Before any request and before the first expiry: while every instance was down, users
        // could not confirm, and their holds are owed that time.
        if let Err(error) = state.probe_database().await {
            tracing::warn!(%error, "database is not writable yet; probing again");
        }
        if let Err(error) = state.restore_missing_events().await {
            tracing::warn!(%error, "initial inventory load failed; retrying");
        }
        Ok(Self {
            state: Arc::new(state),
            receivers,
        })
    }

    /// The routes below `/api/v1`; `/openapi.json` is not among them.
    pub fn router(&self) -> Router {
        api::router(Arc::clone(&self.state))
    }

    /// What readiness depends on.
    pub fn checks(&self) -> Vec<(&'static str, Check)> {
        let (database, engine) = (Arc::clone(&self.state), Arc::clone(&self.state));
        let database: Check = Arc::new(move || {
            let state = Arc::clone(&database);
            Box::pin(async move { state.require_database().map_err(|error| error.to_string()) })
        });

        let engine: Check = Arc::new(move || {
            let state = Arc::clone(&engine);
            Box::pin(async move {
                if state.load_monitor.queues.are_all_unreachable() {
                    return Err("no line answers".to_owned());
                }
                state
                    .with_timeout(state.engine().ready())
                    .await
                    .map_err(|error| error.to_string())
            })
        });
        vec![("database", database), ("engine", engine)]
    }

    /// The load on booking, to be published with this process's status.
    pub fn load(&self) -> impl Fn() -> BookingLoad + Send + Sync + use<> {
        let state = Arc::clone(&self.state);
        move || state.load()
    }

    /// Starts the tasks. They end with the drain; the pipeline ends after the last request.
    pub fn run(self, lifecycle: &Lifecycle) {
        let Self { state, receivers } = self;
        let deps = PipelineDeps {
            store: state.store().clone(),
            engine: state.engine().clone(),
            clock: state.backends.clock.clone(),
            settlements: state.settlements.clone(),
        };

        receivers.start(deps, lifecycle);
        tasks::start(&state, lifecycle);
    }
}
