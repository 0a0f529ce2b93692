//! Brings changes of the catalogue, made here or at another instance, to the engine and the
//! gateways, and restores events that the engine does not hold.

use std::{sync::Arc, time::Duration};

use waitingroom_domain::{
    ids::EventId,
    queue::{QueueSettings, SaleState},
};
use waitingroom_engine::{EngineError, QueueStatus};
use waitingroom_messaging::signal::{Recipient, Signal};

use crate::{
    error::BookingError, inventory::rebuild::RebuildReport, model::event::Event, state::AppState,
};

/// Longest wait for one call of the engine, and for a signal.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

impl AppState {
    /// Reads the catalogue if it has changed, and announces changed settings. An announcement that
    /// fails is repeated by the next call.
    pub(crate) async fn sync_catalogue(&self) -> Result<(), BookingError> {
        self.catalogue.refresh().await?;

        let _announcing = self.announcement_lock.lock().await;
        for (event, settings) in self.catalogue.unannounced_changes() {
            self.announce_settings(event, &settings).await?;
            self.catalogue.mark_announced(event, &settings);
        }
        Ok(())
    }

    /// Checks every queue. Rebuilds the events that the engine lacks, lets queues continue that
    /// were handed over, and corrects settings that differ from the database's; returns how many
    /// were rebuilt or corrected.
    pub(crate) async fn restore_missing_events(&self) -> Result<usize, BookingError> {
        let mut restored = 0;
        let mut last_error = None;
        for (event, status) in self.check_queues().await {
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

        let known = self.catalogue.event(event).await?;
        if settings_differ(&status.settings, &known.queue) {
            return self.reconcile_settings(event, &status.settings).await;
        }
        Ok(false)
    }

    /// Announces an event's settings again unless the database, read after the engine, has the
    /// settings of the engine.
    async fn reconcile_settings(
        &self,
        event: EventId,
        in_engine: &QueueSettings,
    ) -> Result<bool, BookingError> {
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

    /// Rebuilds these events.
    pub(crate) async fn rebuild_events(
        &self,
        events: &[Arc<Event>],
    ) -> Result<RebuildReport, BookingError> {
        let mut total = RebuildReport::default();
        for event in events {
            let report = self.inventory.rebuild(event).await?;
            total.zones += report.zones;
            total.holds += report.holds;
            total.corrected += report.corrected;
        }

        Ok(total)
    }

    async fn announce_settings(
        &self,
        event: EventId,
        settings: &QueueSettings,
    ) -> Result<(), BookingError> {
        let configure = self.engine().configure(event, settings);
        match self.with_timeout(configure).await {
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
        let send = self.backends.signals.send(&signals);
        if !matches!(tokio::time::timeout(CALL_TIMEOUT, send).await, Ok(Ok(_))) {
            tracing::warn!(%event, "failed to publish settings change; next tick republishes");
        }
        Ok(())
    }

    /// A call of the engine, which takes [`CALL_TIMEOUT`] at most.
    pub(crate) async fn with_timeout<T>(
        &self,
        call: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        tokio::time::timeout(CALL_TIMEOUT, call)
            .await
            .unwrap_or_else(|_| {
                let timeout_ms = CALL_TIMEOUT.as_millis();
                Err(EngineError::Unavailable(format!(
                    "no answer in {timeout_ms} ms"
                )))
            })
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
