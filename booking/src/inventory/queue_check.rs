//! Checks every queue: restores events that the engine does not hold, lets queues continue that
//! were handed over, and corrects settings.

use std::sync::Arc;

use waitingroom_domain::ids::EventId;
use waitingroom_engine::{EngineError, QueueStatus};

use crate::{
    catalogue::Catalogue,
    error::BookingError,
    inventory::{catalogue_sync::CatalogueSync, rebuild::InventoryRebuilder},
    load_monitor::probes::QueueProbe,
};

/// See the module's documentation.
pub(crate) struct QueueCheck {
    pub(crate) probe: QueueProbe,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) inventory: Arc<InventoryRebuilder>,
    pub(crate) catalogue_sync: Arc<CatalogueSync>,
}

impl QueueCheck {
    /// Checks every queue. Rebuilds the events that the engine lacks, lets queues continue that
    /// were handed over, and corrects settings that differ from the database's; returns how many
    /// were rebuilt or corrected.
    pub(crate) async fn restore_missing_events(&self) -> Result<usize, BookingError> {
        let mut restored = 0;
        let mut last_error = None;
        for (event, status) in self.probe.check_queues().await {
            match self.restore_event(event, status).await {
                Ok(is_restored) => restored += usize::from(is_restored),
                Err(error) => last_error = Some(error),
            }
        }

        last_error.map_or(Ok(restored), Err)
    }

    async fn restore_event(
        &self,
        event: EventId,
        status: Result<QueueStatus, EngineError>,
    ) -> Result<bool, BookingError> {
        let status = match status {
            Ok(status) => status,
            Err(EngineError::UnknownEvent) => {
                let missing = self.catalogue.event(event).await?;
                self.inventory.rebuild_if_missing(&missing).await?;
                return Ok(true);
            }
            Err(error) => return Err(error.into()),
        };

        if let Some(frozen) = status.frozen {
            self.inventory.thaw(event, frozen).await?;
            return Ok(false);
        }

        self.catalogue_sync
            .reconcile_settings(event, &status.settings)
            .await
    }
}
