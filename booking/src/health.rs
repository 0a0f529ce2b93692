//! What this role reports about itself: whether database and engine answer, and its load.

use std::{sync::Arc, time::Instant};

use waitingroom_domain::overload_throttle::BookingLoad;
use waitingroom_engine::SharedEngine;
use waitingroom_messaging::process_registry::ReportedBooking;

use crate::{engine_timeout::with_engine_timeout, load_monitor::LoadMonitor, pipeline::Pipeline};

/// See the module's documentation.
pub(crate) struct BookingHealth {
    pub(crate) load: Arc<LoadMonitor>,
    pub(crate) engine: SharedEngine,
    pub(crate) pipeline: Pipeline,
}

impl BookingHealth {
    /// Fails while the database is known to be down.
    pub(crate) fn check_database(&self) -> Result<(), String> {
        let writable = self.load.require_database();
        writable.map_err(|error| error.to_string())
    }

    /// Fails if the engine does not answer, or no queue does.
    pub(crate) async fn check_engine(&self) -> Result<(), String> {
        if self.load.are_all_queues_unreachable() {
            return Err("no queue is reachable".to_owned());
        }

        let ready = with_engine_timeout(self.engine.ready()).await;
        ready.map_err(|error| error.to_string())
    }
}

impl ReportedBooking for BookingHealth {
    fn load(&self) -> BookingLoad {
        self.pipeline.load()
    }

    fn is_unable(&self) -> bool {
        self.load.is_unable(Instant::now())
    }
}
