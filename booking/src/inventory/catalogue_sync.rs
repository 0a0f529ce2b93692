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

const DEADLINE: Duration = Duration::from_secs(2);

impl AppState {
    /// One step: reads the catalogue if it has changed, and passes changed settings on. What fails
    /// is tried again at the next.
    pub(crate) async fn follow_catalogue(&self) -> Result<(), BookingError> {
        self.catalogue.refresh().await?;
        let _turn = self.announcing.lock().await;
        for (event, settings) in self.catalogue.changed() {
            self.announce(event, &settings).await?;
            self.catalogue.passed_on(event, &settings);
        }
        Ok(())
    }

    /// Looks at every line. Rebuilds the events that the engine lacks, lets those go on that were
    /// handed over, and gives the settings of the database to those that have others; returns how
    /// many there were.
    pub(crate) async fn restore_lost(&self) -> Result<usize, BookingError> {
        let (mut lost, mut failed) = (0, None);
        for (event, answer) in self.look_at_lines().await {
            match self.restore_line(event, answer).await {
                Ok(restored) => lost += usize::from(restored),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(lost), Err)
    }

    async fn restore_line(
        &self,
        event: EventId,
        answer: Result<LineStatus, EngineError>,
    ) -> Result<bool, BookingError> {
        match answer {
            Err(EngineError::UnknownEvent) => {
                self.inventory
                    .restore(&self.catalogue.event(event).await?)
                    .await?;
                Ok(true)
            }
            Ok(LineStatus {
                frozen: Some(frozen),
                ..
            }) => {
                self.inventory.go_on(event, frozen).await?;
                Ok(false)
            }
            Ok(status) => match self.catalogue.event(event).await? {
                known if differs(&status.settings, &known.queue) => {
                    self.correct_settings(event, &status.settings).await
                }
                _ => Ok(false),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Announces an event's settings again unless the database, read after the engine, has those
    /// that the engine has.
    async fn correct_settings(
        &self,
        event: EventId,
        engine_has: &QueueSettings,
    ) -> Result<bool, BookingError> {
        self.catalogue.refresh().await?;
        let settings = self.catalogue.event(event).await?.queue.clone();
        if !differs(engine_has, &settings) {
            return Ok(false);
        }
        tracing::info!(%event, "the engine had other settings than the database");
        let _turn = self.announcing.lock().await;
        self.announce(event, &settings).await?;
        Ok(true)
    }

    /// Rebuilds one event, or all.
    pub(crate) async fn sync(&self, events: &[Arc<Event>]) -> Result<RebuildReport, BookingError> {
        let mut total = RebuildReport::default();
        for event in events {
            let synced = self.inventory.sync(event).await?;
            total.zones += synced.zones;
            total.holds += synced.holds;
            total.corrected += synced.corrected;
        }
        Ok(total)
    }

    async fn announce(&self, event: EventId, settings: &QueueSettings) -> Result<(), BookingError> {
        match self.within(self.engine().configure(event, settings)).await {
            Err(EngineError::UnknownEvent) => {
                self.inventory
                    .restore(&self.catalogue.event(event).await?)
                    .await?;
            }
            answer => answer?,
        }
        let signal = Signal::Sale {
            event_id: event,
            settings: settings.clone(),
        };
        let sent = tokio::time::timeout(
            DEADLINE,
            self.backends.signals.send(&[(Recipient::Everyone, signal)]),
        )
        .await;
        if !matches!(sent, Ok(Ok(_))) {
            tracing::warn!(%event, "gateways were not told of new settings; the next step of the line tells them");
        }
        Ok(())
    }

    pub(crate) async fn within<T>(
        &self,
        step: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let late = || EngineError::Unavailable(format!("no answer in {} ms", DEADLINE.as_millis()));
        tokio::time::timeout(DEADLINE, step)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

/// Are these not the settings of the database? The engine says of what is open that it is sold out
/// when nothing is left.
fn differs(engine_has: &QueueSettings, settings: &QueueSettings) -> bool {
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
