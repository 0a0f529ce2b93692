//! Brings changes of the catalogue, made here or at another instance, to the engine and the
//! gateways.

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;
use waitingroom_domain::{
    ids::EventId,
    queue::{QueueSettings, SaleState},
};
use waitingroom_engine::{EngineError, SharedEngine};
use waitingroom_messaging::signal::{Recipient, Signal, Signals};

use crate::{
    catalogue::Catalogue, engine_timeout::with_engine_timeout, error::BookingError,
    inventory::rebuild::InventoryRebuilder,
};

/// Longest wait for a signal.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(2);

/// See the module's documentation.
pub(crate) struct CatalogueSync {
    catalogue: Arc<Catalogue>,
    /// Opens events that the engine lacks.
    inventory: Arc<InventoryRebuilder>,
    engine: SharedEngine,
    signals: Arc<dyn Signals>,
    /// Makes announcements of changed settings take turns.
    announcement_lock: Mutex<()>,
}

impl CatalogueSync {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        inventory: Arc<InventoryRebuilder>,
        engine: SharedEngine,
        signals: Arc<dyn Signals>,
    ) -> Self {
        Self {
            catalogue,
            inventory,
            engine,
            signals,
            announcement_lock: Mutex::default(),
        }
    }

    /// Reads the catalogue if it has changed, and announces changed settings. An announcement that
    /// fails is repeated by the next call.
    pub(crate) async fn sync(&self) -> Result<(), BookingError> {
        self.catalogue.refresh().await?;

        let _announcing = self.announcement_lock.lock().await;
        for (event, settings) in self.catalogue.unannounced_changes() {
            self.announce_settings(event, &settings).await?;
            self.catalogue.mark_announced(event, &settings);
        }
        Ok(())
    }

    /// Announces an event's settings again if the engine has others than the database; true if it
    /// has.
    pub(crate) async fn reconcile_settings(
        &self,
        event: EventId,
        in_engine: &QueueSettings,
    ) -> Result<bool, BookingError> {
        let known = self.catalogue.event(event).await?;
        if !settings_differ(in_engine, &known.queue) {
            return Ok(false);
        }

        // The settings may have changed since this copy was read: the database counts, read after
        // the engine.
        self.catalogue.refresh().await?;
        let settings = self.catalogue.event(event).await?.queue.clone();
        if !settings_differ(in_engine, &settings) {
            return Ok(false);
        }

        tracing::info!(%event, "engine settings out of sync; overwritten from database");
        let _announcing = self.announcement_lock.lock().await;
        self.announce_settings(event, &settings).await?;
        Ok(true)
    }

    async fn announce_settings(
        &self,
        event: EventId,
        settings: &QueueSettings,
    ) -> Result<(), BookingError> {
        let configure = self.engine.configure(event, settings);
        match with_engine_timeout(configure).await {
            Err(EngineError::UnknownEvent) => {
                let missing = self.catalogue.event(event).await?;
                self.inventory.rebuild_if_missing(&missing).await?;
            }
            answer => answer?,
        }

        // After the engine: a gateway that asks it upon the signal finds these settings.
        let signal = Signal::Sale {
            event_id: event,
            settings: settings.clone(),
        };
        let signals = [(Recipient::AllNodes, signal)];
        let send = self.signals.send(&signals);
        if !matches!(tokio::time::timeout(SIGNAL_TIMEOUT, send).await, Ok(Ok(_))) {
            tracing::warn!(%event, "failed to publish settings change; next tick republishes");
        }
        Ok(())
    }
}

/// Whether the engine has other settings than the database. For an open sale without seats left, it
/// reports that it is sold out.
fn settings_differ(in_engine: &QueueSettings, in_database: &QueueSettings) -> bool {
    let is_sold_out = in_engine.state == SaleState::SoldOut && in_database.state == SaleState::Open;
    let expected = QueueSettings {
        state: if is_sold_out {
            SaleState::SoldOut
        } else {
            in_database.state
        },
        ..in_database.clone()
    };
    *in_engine != expected
}
