//! Probes the database and every queue in the engine, so that trouble and recovery show without any
//! reservation.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use waitingroom_domain::{ids::EventId, throttle::BookingLoad};
use waitingroom_engine::{EngineError, QueueStatus};

use crate::{
    model::event::Event,
    state::AppState,
    store::{Outage, StoreError},
};

/// Longest wait for the database's answer to a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest wait for one batch of holds that get the time of an outage back.
const EXTEND_HOLDS_TIMEOUT: Duration = Duration::from_secs(4);

/// Longest wait for the status of a queue.
const QUEUE_STATUS_TIMEOUT: Duration = Duration::from_secs(1);

const QUEUE_CHECK_CONCURRENCY: usize = 64;

impl AppState {
    /// Writes a heartbeat to the database, to learn whether it can be written and how long that
    /// takes. After an outage the database counts as reachable only once every hold has got the
    /// time of the outage back.
    pub(crate) async fn probe_database(&self) -> Result<(), StoreError> {
        let monitor = &self.load_monitor;
        let started = Instant::now();
        monitor.database_probe_started(started);
        let answer = with_probe_timeout(PROBE_TIMEOUT, self.store().write_heartbeat()).await;

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
            let extend = self.store().extend_holds(outage);
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

    /// The status of every queue. Queues that do not answer count as unreachable until they do.
    pub(crate) async fn check_queues(&self) -> Vec<(EventId, Result<QueueStatus, EngineError>)> {
        let checked: Vec<_> = stream::iter(self.catalogue.events())
            .map(|event| self.check_queue(event))
            .buffer_unordered(QUEUE_CHECK_CONCURRENCY)
            .collect()
            .await;

        let queues = &self.load_monitor.queues;
        let were_all_unreachable = queues.are_all_unreachable();
        queues.checked(
            checked
                .iter()
                .map(|(event, asked_at, status)| (*event, *asked_at, is_reachable(status))),
        );
        if were_all_unreachable && !queues.are_all_unreachable() {
            self.load_monitor.recover(Instant::now());
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
        let status = tokio::time::timeout(QUEUE_STATUS_TIMEOUT, self.engine().status(id))
            .await
            .unwrap_or_else(|_| {
                let timeout_ms = QUEUE_STATUS_TIMEOUT.as_millis();
                Err(EngineError::Unavailable(format!(
                    "no answer in {timeout_ms} ms"
                )))
            });

        (id, asked_at, status)
    }

    /// The load at this moment.
    pub(crate) fn load(&self) -> BookingLoad {
        let (queued, capacity) = self.pipeline.queue_length();
        self.load_monitor.load(Instant::now(), queued, capacity)
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
