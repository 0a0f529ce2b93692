//! The booking service: built on backends, it offers routes, readiness checks and tasks.

use std::sync::Arc;

use axum::Router;
use waitingroom_messaging::process_registry::ReportedBooking;
use waitingroom_server::{http::Check, start_and_drain::Lifecycle};

use crate::{
    api,
    error::BookingError,
    health::BookingHealth,
    pipeline::PipelineReceivers,
    state::{AppState, Backends, BookingConfig, Services},
    tasks::{self, TaskServices},
};

/// The booking role, built and not yet running.
pub struct BookingService {
    state: AppState,
    tasks: TaskServices,
    health: Arc<BookingHealth>,
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
        let Services {
            state,
            tasks,
            health,
            receivers,
        } = Services::new(backends, config);

        tasks.inventory.catalogue.refresh().await?;
        tasks.database_clock.sync().await?;

        // Before any request and before the first expiry: while every instance was down, users
        // could not confirm, and their holds are owed that time.
        if let Err(error) = tasks.database_probe.probe().await {
            tracing::warn!(%error, "database is not writable yet; probing again");
        }
        if let Err(error) = tasks.inventory.queue_check.restore_missing_events().await {
            tracing::warn!(%error, "initial inventory load failed; retrying");
        }
        Ok(Self {
            state,
            tasks,
            health: Arc::new(health),
            receivers,
        })
    }

    /// The routes below `/api/v1`; `/openapi.json` is not among them.
    pub fn router(&self) -> Router {
        api::router(self.state.clone())
    }

    /// What readiness depends on.
    pub fn checks(&self) -> Vec<(&'static str, Check)> {
        let health = Arc::clone(&self.health);
        let database: Check = Arc::new(move || {
            let health = Arc::clone(&health);
            Box::pin(async move { health.check_database() })
        });

        let health = Arc::clone(&self.health);
        let engine: Check = Arc::new(move || {
            let health = Arc::clone(&health);
            Box::pin(async move { health.check_engine().await })
        });
        vec![("database", database), ("engine", engine)]
    }

    /// What this process's status tells of booking.
    pub fn reported(&self) -> Arc<dyn ReportedBooking> {
        Arc::clone(&self.health) as Arc<dyn ReportedBooking>
    }

    /// Starts the tasks. They end with the drain; the pipeline ends after the last request.
    pub fn run(self, lifecycle: &Lifecycle) {
        self.receivers.start(lifecycle);
        tasks::start(self.tasks, lifecycle);
    }
}
