//! Writes down how far each queue has come, and who was passed over, so that a queue that is lost
//! continues where it was.

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use waitingroom_domain::ids::EventId;
use waitingroom_engine::{EngineError, RecoveryPoint};

use crate::{
    error::BookingError,
    state::{AppState, EVENT_CONCURRENCY},
};

/// The checkpoints that were written last: only queues that have moved are written again.
#[derive(Debug, Default)]
pub(crate) struct LastCheckpoints(HashMap<EventId, RecoveryPoint>);

impl AppState {
    /// Writes the checkpoints of all queues that have moved, and returns their number. A queue that
    /// does not answer delays no other.
    pub(crate) async fn save_checkpoints(
        &self,
        last: &mut LastCheckpoints,
    ) -> Result<usize, BookingError> {
        let reads = self.catalogue.events().into_iter().map(|event| async move {
            let id = event.event_id;
            (
                id,
                self.with_timeout(self.engine().recovery_point(id)).await,
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

            if reached != RecoveryPoint::default() && last.0.get(&event) != Some(&reached) {
                self.store().save_checkpoint(event, &reached).await?;
                last.0.insert(event, reached);
                saved += 1;
            }
        }
        last_error.map_or(Ok(saved), |error| Err(error.into()))
    }
}
