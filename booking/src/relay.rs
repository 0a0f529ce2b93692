//! The outbox relay: publishes what was committed, in order, and removes it once the bus has it. Any number of relays share
//! the outbox by leases; what a relay published before it died is told apart by its message id.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;
use waitingroom::{
    bus::{Bus, Message},
    clock::Timestamp,
};

use crate::store::{OutboxRow, SharedStore, StoreError};

/// Longer than a publication can take, shorter than the bus remembers message ids.
const LEASE: Duration = Duration::from_secs(30);

/// Most messages of one step: about a megabyte, and the bus' window.
const LIMIT: u32 = 1_000;

/// See the module's documentation.
pub struct Relay {
    owner: Uuid,
    store: SharedStore,
    bus: Arc<dyn Bus>,
    prefix: String,
}

/// What one step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Messages that the bus has now.
    pub published: usize,
    /// Messages that it did not acknowledge: they stay, and are tried again.
    pub failed: usize,
}

impl Relayed {
    /// Is there likely more to do at once?
    pub fn was_full(&self) -> bool {
        self.published >= LIMIT as usize
    }
}

impl Relay {
    /// A relay to subjects below `prefix`.
    pub fn new(store: SharedStore, bus: Arc<dyn Bus>, prefix: String) -> Self {
        Self { owner: Uuid::new_v4(), store, bus, prefix }
    }

    /// Publishes what waits, up to a limit.
    ///
    /// # Errors
    /// Those of the store. Failures of the bus are counted in the answer.
    pub async fn step(&self, now: Timestamp) -> Result<Relayed, StoreError> {
        let rows = self.store.lease_messages(self.owner, now, now.plus(LEASE), LIMIT).await?;
        if rows.is_empty() {
            return Ok(Relayed::default());
        }
        let messages: Vec<_> = rows.iter().map(|row| self.message(row)).collect();
        let answers = self.bus.publish(&messages).await;
        if let Some(Err(error)) = answers.iter().find(|answer| answer.is_err()) {
            tracing::warn!(%error, messages = messages.len(), "messages of the outbox wait for the bus");
        }
        let kept = rows.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
        let kept: Vec<i64> = kept.map(|(row, _)| row.outbox_id).collect();
        self.store.remove_messages(self.owner, &kept).await?;
        metrics::counter!("stanchion_outbox_published_total").increment(kept.len() as u64);
        Ok(Relayed { published: kept.len(), failed: rows.len() - kept.len() })
    }

    /// Measures what waits: the age of the oldest message.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn measure(&self, now: Timestamp) -> Result<Duration, StoreError> {
        let (waiting, oldest) = self.store.backlog().await?;
        metrics::gauge!("stanchion_outbox_waiting").set(waiting as f64);
        let lag = oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
        metrics::gauge!("stanchion_outbox_lag_seconds").set(lag.as_secs_f64());
        Ok(lag)
    }

    fn message(&self, row: &OutboxRow) -> Message {
        Message {
            subject: format!("{}.{}", self.prefix, row.message.topic),
            message_id: row.message.message_id.clone(),
            payload: row.message.payload.clone().into(),
        }
    }
}
