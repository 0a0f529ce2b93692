//! Writes down how far each queue has come, and who was passed over, so that a queue that is lost
//! continues where it was.

use std::{collections::HashMap, sync::Arc};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use waitingroom_domain::ids::EventId;
use waitingroom_engine::{EngineError, RecoveryPoint, SharedEngine};

use super::EVENT_CONCURRENCY;
use crate::{
    catalogue::Catalogue, engine_timeout::with_engine_timeout, error::BookingError,
    store::SharedStore,
};

/// See the module's documentation.
pub(crate) struct CheckpointWriter {
    catalogue: Arc<Catalogue>,
    engine: SharedEngine,
    store: SharedStore,
    /// The checkpoints that were written last: only queues that have moved are written again.
    last: Mutex<HashMap<EventId, RecoveryPoint>>,
}

impl CheckpointWriter {
    pub(crate) fn new(catalogue: Arc<Catalogue>, engine: SharedEngine, store: SharedStore) -> Self {
        Self {
            catalogue,
            engine,
            store,
            last: Mutex::default(),
        }
    }

    /// Writes the checkpoints of all queues that have moved, and returns their number. A queue that
    /// does not answer delays no other.
    pub(crate) async fn save(&self) -> Result<usize, BookingError> {
        let reads = self.catalogue.events().into_iter().map(|event| async move {
            let id = event.event_id;
            (
                id,
                with_engine_timeout(self.engine.recovery_point(id)).await,
            )
        });
        let mut reads = stream::iter(reads).buffer_unordered(EVENT_CONCURRENCY);

        let mut saved = 0;
        let mut last_error = None;
        while let Some((event, reached)) = reads.next().await {
            let reached = match reached {
                Ok(reached) => reached,
                Err(EngineError::UnknownEvent) => continue,
                Err(error) => {
                    last_error = Some(error);
                    continue;
                }
            };

            if self.has_moved(event, &reached) {
                self.store.save_checkpoint(event, &reached).await?;
                self.last.lock().insert(event, reached);
                saved += 1;
            }
        }
        last_error.map_or(Ok(saved), |error| Err(error.into()))
    }

    fn has_moved(&self, event: EventId, reached: &RecoveryPoint) -> bool {
        *reached != RecoveryPoint::default() && self.last.lock().get(&event) != Some(reached)
    }
}
