//! Writing down how far each line has come, and who was passed over, so that a line that is lost
//! goes on where it was.

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use waitingroom::{
    engine::{EngineError, Reached},
    ids::EventId,
};

use crate::{
    error::BookingError,
    state::{AppState, EVENT_CONCURRENCY},
};

/// The checkpoints that were written last: only queues that have moved are written again.
#[derive(Debug, Default)]
pub(crate) struct LastCheckpoints(HashMap<EventId, Reached>);

impl AppState {
    /// One step; returns how many lines had moved.
    pub(crate) async fn save_checkpoints(
        &self,
        last: &mut LastCheckpoints,
    ) -> Result<usize, BookingError> {
        let (mut moved, mut failed) = (0, None);
        let events = self.catalogue.events();
        let reads = events.into_iter().map(|event| async move {
            let id = event.event_id;
            (id, self.with_timeout(self.engine().reached(id)).await)
        });
        let mut reads = stream::iter(reads).buffer_unordered(EVENT_CONCURRENCY);
        while let Some((id, reached)) = reads.next().await {
            let reached = match reached {
                Ok(reached) => reached,
                Err(EngineError::UnknownEvent) => continue,
                Err(error) => {
                    failed = Some(error); // which holds up no other
                    continue;
                }
            };
            if reached != Reached::default() && last.0.get(&id) != Some(&reached) {
                self.store().save_checkpoint(id, &reached).await?;
                last.0.insert(id, reached);
                moved += 1;
            }
        }
        failed.map_or(Ok(moved), |error| Err(error.into()))
    }
}
