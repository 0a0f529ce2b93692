//! The outbox relay: publishes committed messages and deletes them once the bus has acknowledged
//! them. Of any number of relays one publishes at a time, and the messages of one booking are sent
//! one after the other: the next once the bus has acknowledged the one before, so the stream keeps
//! their order whatever fails. The bus drops messages that a relay published before it died by
//! their message ids.

use std::{collections::HashMap, sync::Arc, time::Duration};

use uuid::Uuid;
use waitingroom_domain::clock::Timestamp;
use waitingroom_messaging::bus::{Bus, Message};

use crate::{
    database_clock::DatabaseClock,
    error::BookingError,
    load_monitor::LoadMonitor,
    model::{booking::OutboxMessage, outbox::OutboxBatch},
    store::{SharedStore, StoreError},
};

/// Longer than a publication can take, shorter than the bus remembers message ids.
const RELAY_LEASE: Duration = Duration::from_secs(30);

/// Max batches at once: some megabytes, if each is of a full transaction.
const MAX_LEASED_BATCHES: u32 = 32;

/// See the module's documentation.
pub struct OutboxRelay {
    owner: Uuid,
    store: SharedStore,
    bus: Arc<dyn Bus>,
    prefix: String,
}

/// The result of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayReport {
    /// Messages that the bus has acknowledged.
    pub published: usize,
    /// Messages that it did not acknowledge: they stay, and are published again.
    pub failed: usize,
    /// More messages are probably pending.
    pub was_full: bool,
}

impl OutboxRelay {
    /// A relay to subjects below `prefix`.
    pub fn new(store: SharedStore, bus: Arc<dyn Bus>, prefix: String) -> Self {
        Self {
            owner: Uuid::new_v4(),
            store,
            bus,
            prefix,
        }
    }

    /// Publishes pending messages, up to a limit.
    ///
    /// # Errors
    /// Those of the store. Failures of the bus are counted in the answer.
    pub async fn publish_pending(&self, now: Timestamp) -> Result<RelayReport, StoreError> {
        let batches = self
            .store
            .lease_batches(self.owner, now, now.plus(RELAY_LEASE), MAX_LEASED_BATCHES)
            .await?;

        let was_full = batches.len() == MAX_LEASED_BATCHES as usize;
        let messages: Vec<_> = batches
            .iter()
            .flat_map(|batch| &batch.messages)
            .map(|one| self.message(one))
            .collect();
        if messages.is_empty() {
            return Ok(RelayReport::default());
        }

        let acked = self.publish_in_order(&messages).await;
        let published = acked.iter().filter(|acked| **acked).count();
        let failed = messages.len() - published;
        self.ack(batches, acked.into_iter()).await?;

        metrics::counter!(crate::metric_definitions::OUTBOX_PUBLISHED).increment(published as u64);
        Ok(RelayReport {
            published,
            failed,
            was_full,
        })
    }

    /// Publishes the messages in rounds: in the first those that are the first of their booking, in
    /// the next their successors. A failure holds back what follows it. True for each message that
    /// the bus has.
    async fn publish_in_order(&self, messages: &[Message]) -> Vec<bool> {
        let mut acked = vec![false; messages.len()];
        for round in publish_rounds(messages) {
            let batch: Vec<_> = round.iter().map(|at| messages[*at].clone()).collect();
            let answers = self.bus.publish(&batch).await;
            if let Some(Err(error)) = answers.iter().find(|answer| answer.is_err()) {
                tracing::warn!(%error, messages = batch.len(), "outbox publish failed; will retry");
            }

            for (at, answer) in round.iter().zip(&answers) {
                acked[*at] = answer.is_ok();
            }

            if answers.iter().any(Result::is_err) {
                break;
            }
        }
        acked
    }

    /// Deletes acknowledged messages: whole batches, or single messages of them.
    async fn ack(
        &self,
        batches: Vec<OutboxBatch>,
        mut acked: impl Iterator<Item = bool> + Send,
    ) -> Result<(), StoreError> {
        let mut done = Vec::with_capacity(batches.len());
        for mut batch in batches {
            let before = batch.messages.len();
            batch.messages.retain(|_| acked.next() != Some(true));
            if batch.messages.is_empty() {
                done.push(batch.outbox_id);
            } else if batch.messages.len() < before {
                self.store
                    .replace_messages(self.owner, batch.outbox_id, &batch.messages)
                    .await?;
            }
        }

        self.store.delete_batches(&done).await
    }

    /// Records the number of pending messages, and returns the age of the oldest.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn record_backlog(&self, now: Timestamp) -> Result<Duration, StoreError> {
        let (waiting, oldest) = self.store.backlog().await?;
        metrics::gauge!(crate::metric_definitions::OUTBOX_PENDING).set(waiting as f64);
        let lag = oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
        metrics::gauge!(crate::metric_definitions::OUTBOX_LAG).set(lag.as_secs_f64());
        Ok(lag)
    }

    fn message(&self, message: &OutboxMessage) -> Message {
        Message {
            subject: format!("{}.{}", self.prefix, message.topic),
            message_id: message.message_id.clone(),
            payload: message.payload.clone().into(),
        }
    }
}

/// The positions of messages that may be published together: the n-th round holds the n-th message
/// of each booking.
fn publish_rounds(messages: &[Message]) -> Vec<Vec<usize>> {
    let mut publish_rounds = Vec::<Vec<usize>>::new();
    let mut before = HashMap::<&str, usize>::new();

    for (at, message) in messages.iter().enumerate() {
        let booking = message.message_id.split(':').next().unwrap_or_default(); // `booking:status`
        let round = before
            .entry(booking)
            .and_modify(|round| *round += 1)
            .or_default();
        if publish_rounds.len() == *round {
            publish_rounds.push(Vec::new());
        }
        publish_rounds[*round].push(at);
    }

    publish_rounds
}

/// The relay of this process, at the database's time. Reports the backlog to the load monitor.
pub(crate) struct OutboxPublisher {
    pub(crate) relay: OutboxRelay,
    pub(crate) database_clock: Arc<DatabaseClock>,
    pub(crate) load: Arc<LoadMonitor>,
}

impl OutboxPublisher {
    /// Publishes pending messages, up to a limit.
    pub(crate) async fn publish_pending(&self) -> Result<RelayReport, BookingError> {
        let now = self.database_clock.now();
        Ok(self.relay.publish_pending(now).await?)
    }

    /// Records the number of pending messages and the age of the oldest: zero if that is not known.
    pub(crate) async fn record_backlog(&self) -> Result<(), BookingError> {
        let lag = self.relay.record_backlog(self.database_clock.now()).await;
        self.load
            .set_outbox_lag(*lag.as_ref().unwrap_or(&Duration::ZERO));
        lag?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_has_one_message_per_booking() {
        let message = |id: &str| Message {
            subject: "s".into(),
            message_id: id.into(),
            payload: "{}".into(),
        };
        let messages = ["a:reserved", "b:reserved", "a:confirmed", "c:expired"].map(message);
        assert_eq!(publish_rounds(&messages), [vec![0, 1, 3], vec![2]]);
        assert!(publish_rounds(&[]).is_empty());
    }
}
