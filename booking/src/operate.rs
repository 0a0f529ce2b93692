//! What operators do: new events, and changes to how a line is run.

use std::sync::Arc;

use waitingroom::{
    ids::EventId,
    line::{QueuePatch, QueueSettings},
};

use crate::{desk::Desk, event::Event, refusal::Refusal};

impl Desk {
    /// Adds an event and opens it at once.
    pub(crate) async fn create_event(&self, event: &Event) -> Result<Arc<Event>, Refusal> {
        self.store().create_event(event, self.now()).await?;
        self.follow_catalogue().await?;
        let created = self.catalogue.event(event.event_id).await?;
        self.inventory.sync(&created).await?;
        Ok(created)
    }

    /// Changes the settings of a line. They are in force, and the gateways are told, when this returns.
    pub(crate) async fn change_queue(&self, event: EventId, patch: &QueuePatch) -> Result<QueueSettings, Refusal> {
        let settings = self.store().patch_queue(event, patch).await?.ok_or(Refusal::EventNotFound)?;
        self.follow_catalogue().await?;
        Ok(settings)
    }
}
