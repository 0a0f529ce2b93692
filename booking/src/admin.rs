//! Operators' actions: new events, changed settings, removed users, rebuilds. Each is audited.

use std::sync::Arc;

use serde_json::json;
use waitingroom_domain::{
    ids::{EventId, UserId},
    queue::{QueuePatch, QueueSettings, Removal},
};
use waitingroom_messaging::signal::{Recipient, Signal};

use crate::{
    error::BookingError,
    inventory::rebuild::RebuildReport,
    model::{
        appearance::{Appearance, AppearancePatch},
        audit::{AuditAction, AuditContext, AuditEntry},
        event::Event,
    },
    state::AppState,
};

impl AppState {
    /// Adds an event and opens it at once.
    pub(crate) async fn create_event(
        &self,
        event: &Event,
        operator: &UserId,
    ) -> Result<Arc<Event>, BookingError> {
        self.store()
            .create_event(event, &self.audit_context(operator))
            .await?;
        self.sync_catalogue().await?;

        let created = self.catalogue.event(event.event_id).await?;
        self.inventory.rebuild(&created).await?;
        Ok(created)
    }

    /// Changes the settings of a queue. They are effective, and sent to the gateways, when this
    /// returns.
    pub(crate) async fn update_queue(
        &self,
        event: EventId,
        patch: &QueuePatch,
        operator: &UserId,
    ) -> Result<QueueSettings, BookingError> {
        let settings = self
            .store()
            .patch_queue(event, patch, &self.audit_context(operator))
            .await?
            .ok_or(BookingError::EventNotFound)?;

        self.sync_catalogue().await?;
        Ok(settings)
    }

    /// Changes the branding of an event's pages. Other instances read it within a second.
    pub(crate) async fn update_appearance(
        &self,
        event: EventId,
        patch: &AppearancePatch,
        operator: &UserId,
    ) -> Result<Appearance, BookingError> {
        let changed = self
            .store()
            .patch_appearance(event, patch, &self.audit_context(operator))
            .await?;
        let appearance = changed.ok_or(BookingError::EventNotFound)?;

        self.sync_catalogue().await?;
        Ok(appearance)
    }

    /// Rebuilds one event's seats, or all. Audited before and, with the result, after.
    pub(crate) async fn sync_inventory(
        &self,
        event: Option<EventId>,
        events: &[Arc<Event>],
        operator: &UserId,
    ) -> Result<RebuildReport, BookingError> {
        let entry = |action, after| AuditEntry {
            context: self.audit_context(operator),
            event_id: event,
            action,
            before: None,
            after,
        };
        self.store()
            .append_audit(&entry(AuditAction::SyncInventory, None))
            .await?;

        let report = self.rebuild_events(events).await?;

        let result =
            json!({"zones": report.zones, "holds": report.holds, "corrected": report.corrected});
        self.store()
            .append_audit(&entry(AuditAction::InventorySynced, Some(result)))
            .await?;
        Ok(report)
    }

    /// Removes a user from the queue, or revokes their pass, and notifies their connections. Their
    /// bookings stay.
    pub(crate) async fn remove_place(
        &self,
        event_id: EventId,
        user: &UserId,
        operator: &UserId,
    ) -> Result<(), BookingError> {
        let event = self.catalogue.event(event_id).await?;
        self.store()
            .append_audit(&AuditEntry {
                context: self.audit_context(operator),
                event_id: Some(event.event_id),
                action: AuditAction::RemovePlace,
                before: Some(json!({"user_id": user})),
                after: None,
            })
            .await?;

        let nodes = self
            .with_timeout(self.engine().leave(event_id, user, self.now()))
            .await?
            .ok_or(BookingError::NotInQueue)?;

        let left = Signal::Removals {
            event_id,
            users: vec![(user.clone(), Removal::Left)],
        };
        let signals: Vec<_> = nodes
            .into_iter()
            .map(|node| (Recipient::Node(node), left.clone()))
            .collect();
        if let Err(error) = self.backends.signals.send(&signals).await {
            tracing::warn!(%event_id, %error, "failed to notify a user's connections of their removal");
        }
        Ok(())
    }

    fn audit_context(&self, operator: &UserId) -> AuditContext {
        AuditContext {
            operator: operator.clone(),
            at: self.now(),
        }
    }
}
