//! Probes the database and every queue in the engine, so that trouble and recovery show without any
//! reservation.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use waitingroom_domain::ids::EventId;
use waitingroom_engine::{EngineError, QueueStatus, SharedEngine};

use super::LoadMonitor;
use crate::{
    catalogue::Catalogue,
    engine_timeout::with_timeout,
    model::event::Event,
    settlements::rebuild_queue::RebuildQueue,
    store::{Outage, SharedStore, StoreError},
};

/// Longest wait for the database's answer to a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest wait for one batch of holds that get the time of an outage back.
const EXTEND_HOLDS_TIMEOUT: Duration = Duration::from_secs(4);

/// Longest wait for the status of a queue.
const QUEUE_STATUS_TIMEOUT: Duration = Duration::from_secs(1);

const QUEUE_CHECK_CONCURRENCY: usize = 64;

/// Probes the database.
pub(crate) struct DatabaseProbe {
    pub(crate) store: SharedStore,
    pub(crate) load: Arc<LoadMonitor>,
    /// Takes the events whose holds were extended.
    pub(crate) rebuild_queue: Arc<RebuildQueue>,
}

impl DatabaseProbe {
    /// Writes a heartbeat to the database, to learn whether it can be written and how long that
    /// takes. After an outage the database counts as reachable only once every hold has got the
    /// time of the outage back.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        let monitor = &self.load;
        let started = Instant::now();
        monitor.database_probe_started(started);
        let answer = with_probe_timeout(PROBE_TIMEOUT, self.store.write_heartbeat()).await;

        let duration = started.elapsed();
        monitor.database_probed(match answer {
            Ok(_) => duration,
            Err(_) => duration.max(PROBE_TIMEOUT),
        });

        let was_down = monitor.is_database_down();
        let answer = match answer {
            Ok(Some(outage)) => self.extend_holds_after_outage(outage).await,
            answer => answer.map(drop),
        };
        if answer.is_ok() && was_down {
            monitor.recover(Instant::now());
        }
        monitor
            .database
            .probe_finished(answer.is_ok(), Instant::now());
        answer
    }

    /// The engine learns the new ends of holds by a rebuild; until then the repair of stale holds
    /// asks the database in vain and changes nothing.
    async fn extend_holds_after_outage(&self, outage: Outage) -> Result<(), StoreError> {
        let mut holds = 0;
        loop {
            let extend = self.store.extend_holds(outage);
            let extended = with_probe_timeout(EXTEND_HOLDS_TIMEOUT, extend).await?;
            holds += extended.holds;
            for event in &extended.events {
                self.rebuild_queue.request(*event);
            }
            if extended.is_complete {
                break;
            }
        }

        let duration = outage.to.since(outage.from);
        metrics::counter!(crate::metric_definitions::OUTAGES).increment(1);
        metrics::counter!(crate::metric_definitions::OUTAGE_SECONDS).increment(duration.as_secs());
        metrics::counter!(crate::metric_definitions::HOLDS_PROLONGED).increment(holds);
        tracing::warn!(from = %outage.from, to = %outage.to, seconds = duration.as_secs_f64(), holds,
            "database could not be written for a time; holds were extended by it");
        Ok(())
    }
}

/// Probes every queue of the catalogue.
pub(crate) struct QueueProbe {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) engine: SharedEngine,
    pub(crate) load: Arc<LoadMonitor>,
}

impl QueueProbe {
    /// The status of every queue. Queues that do not answer count as unreachable until they do.
    pub(crate) async fn check_queues(&self) -> Vec<(EventId, Result<QueueStatus, EngineError>)> {
        let checked: Vec<_> = stream::iter(self.catalogue.events())
            .map(|event| self.check_queue(event))
            .buffer_unordered(QUEUE_CHECK_CONCURRENCY)
            .collect()
            .await;

        let queues = &self.load.queues;
        let were_all_unreachable = queues.are_all_unreachable();
        queues.checked(
            checked
                .iter()
                .map(|(event, asked_at, status)| (*event, *asked_at, is_reachable(status))),
        );
        if were_all_unreachable && !queues.are_all_unreachable() {
            self.load.recover(Instant::now());
        }

        checked
            .into_iter()
            .map(|(event, _, status)| (event, status))
            .collect()
    }

    async fn check_queue(
        &self,
        event: Arc<Event>,
    ) -> (EventId, Instant, Result<QueueStatus, EngineError>) {
        let id = event.event_id;
        let asked_at = Instant::now();
        let status = with_timeout(QUEUE_STATUS_TIMEOUT, self.engine.status(id)).await;

        (id, asked_at, status)
    }
}

async fn with_probe_timeout<T>(
    timeout: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(timeout, call)
        .await
        .map_err(|_| StoreError::Unavailable("no answer to a probe".into()))?
}

fn is_reachable(status: &Result<QueueStatus, EngineError>) -> bool {
    !matches!(status, Err(EngineError::Unavailable(_)))
}
