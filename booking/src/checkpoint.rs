//! Writing down how far each line has come, and who was passed over, so that a line that is lost goes on where it was.

use std::collections::HashMap;

use waitingroom::{
    engine::{EngineError, Reached},
    ids::EventId,
};

use crate::{desk::Desk, refusal::Refusal};

/// What was written last; each step writes only what has moved.
#[derive(Debug, Default)]
pub(crate) struct Written(HashMap<EventId, Reached>);

impl Desk {
    /// One step; returns how many lines had moved.
    pub(crate) async fn checkpoint(&self, written: &mut Written) -> Result<usize, Refusal> {
        let mut moved = 0;
        for event in self.catalogue.events() {
            let id = event.event_id;
            let reached = match self.within(self.engine().reached(id)).await {
                Ok(reached) => reached,
                Err(EngineError::UnknownEvent) => continue,
                Err(error) => return Err(error.into()),
            };
            if reached != Reached::default() && written.0.get(&id) != Some(&reached) {
                self.store().save_checkpoint(id, &reached).await?;
                written.0.insert(id, reached);
                moved += 1;
            }
        }
        Ok(moved)
    }
}
