//! Following the catalogue: what an operator changed, here or at another instance, goes to the
//! engine and to the gateways; an event that the engine does not hold is rebuilt there.

use std::{sync::Arc, time::Duration};

use waitingroom::{
    engine::{EngineError, LineStatus},
    ids::EventId,
    line::{QueueSettings, SaleState},
    signal::{Recipient, Signal},
};

use crate::{
    error::BookingError, inventory::rebuild::RebuildReport, model::event::Event, state::AppState,
};

const CALL_TIMEOUT: Duration = Duration::from_secs(2);

impl AppState {
    /// One step: reads the catalogue if it has changed, and passes changed settings on. What fails
    /// is tried again at the next.
    pub(crate) async fn sync_catalogue(&self) -> Result<(), BookingError> {
        self.catalogue.refresh().await?;
        let _announcing = self.announcement_lock.lock().await;
        for (event, settings) in self.catalogue.unannounced_changes() {
            self.announce_settings(event, &settings).await?;
            self.catalogue.mark_announced(event, &settings);
        }
        Ok(())
    }

    /// Looks at every line. Rebuilds the events that the engine lacks, lets those go on that were
    /// handed over, and gives the settings of the database to those that have others; returns how
    /// many there were.
    pub(crate) async fn restore_missing_events(&self) -> Result<usize, BookingError> {
        let (mut lost, mut failed) = (0, None);
        for (event, answer) in self.check_queues().await {
            match self.restore_event(event, answer).await {
                Ok(restored) => lost += usize::from(restored),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(lost), Err)
    }

    async fn restore_event(
        &self,
        event: EventId,
        answer: Result<LineStatus, EngineError>,
    ) -> Result<bool, BookingError> {
        match answer {
            Err(EngineError::UnknownEvent) => {
                self.inventory
                    .rebuild_if_missing(&self.catalogue.event(event).await?)
                    .await?;
                Ok(true)
            }
            Ok(LineStatus {
                frozen: Some(frozen),
                ..
            }) => {
                self.inventory.thaw(event, frozen).await?;
                Ok(false)
            }
            Ok(status) => match self.catalogue.event(event).await? {
                known if settings_differ(&status.settings, &known.queue) => {
                    self.reconcile_settings(event, &status.settings).await
                }
                _ => Ok(false),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Announces an event's settings again unless the database, read after the engine, has those
    /// that the engine has.
    async fn reconcile_settings(
        &self,
        event: EventId,
        engine_has: &QueueSettings,
    ) -> Result<bool, BookingError> {
        self.catalogue.refresh().await?;
        let settings = self.catalogue.event(event).await?.queue.clone();
        if !settings_differ(engine_has, &settings) {
            return Ok(false);
        }
        tracing::info!(%event, "the engine had other settings than the database");
        let _announcing = self.announcement_lock.lock().await;
        self.announce_settings(event, &settings).await?;
        Ok(true)
    }

    /// Rebuilds one event, or all.
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
        match self
            .with_timeout(self.engine().configure(event, settings))
            .await
        {
            Err(EngineError::UnknownEvent) => {
                self.inventory
                    .rebuild_if_missing(&self.catalogue.event(event).await?)
                    .await?;
            }
            answer => answer?,
        }
        let signal = Signal::Sale {
            event_id: event,
            settings: settings.clone(),
        };
        let sent = tokio::time::timeout(
            CALL_TIMEOUT,
            self.backends.signals.send(&[(Recipient::Everyone, signal)]),
        )
        .await;
        if !matches!(sent, Ok(Ok(_))) {
            tracing::warn!(%event, "gateways were not told of new settings; the next step of the line tells them");
        }
        Ok(())
    }

    pub(crate) async fn with_timeout<T>(
        &self,
        step: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let late =
            || EngineError::Unavailable(format!("no answer in {} ms", CALL_TIMEOUT.as_millis()));
        tokio::time::timeout(CALL_TIMEOUT, step)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

/// Are these not the settings of the database? The engine says of what is open that it is sold out
/// when nothing is left.
fn settings_differ(engine_has: &QueueSettings, settings: &QueueSettings) -> bool {
    let sold_out = engine_has.state == SaleState::SoldOut && settings.state == SaleState::Open;
    let state = if sold_out {
        SaleState::SoldOut
    } else {
        settings.state
    };
    *engine_has
        != QueueSettings {
            state,
            ..settings.clone()
        }
}
