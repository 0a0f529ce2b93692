//! Operators' actions: new events, changed settings, removed users, rebuilds. Each is audited.

use std::{collections::HashMap, sync::Arc};

use serde_json::json;
use waitingroom_domain::{
    clock::Clock,
    ids::{EventId, UserId, ZoneId},
    queue::{QueuePatch, QueueSettings, Removal},
};
use waitingroom_engine::{EngineError, SharedEngine};
use waitingroom_messaging::signal::{Recipient, Signal, Signals};

use crate::{
    catalogue::Catalogue,
    engine_timeout::with_engine_timeout,
    error::BookingError,
    inventory::{
        catalogue_sync::CatalogueSync,
        rebuild::{InventoryRebuilder, RebuildReport},
    },
    model::{
        appearance::{Appearance, AppearancePatch},
        audit_log::{AuditAction, AuditContext, AuditEntry, AuditRecord},
        event::Event,
    },
    store::{SharedStore, ZoneCount},
};

/// See the module's documentation.
pub(crate) struct AdminService {
    pub(crate) store: SharedStore,
    pub(crate) catalogue: Arc<Catalogue>,
    /// Brings changed settings to the engine and the gateways.
    pub(crate) catalogue_sync: Arc<CatalogueSync>,
    pub(crate) inventory: Arc<InventoryRebuilder>,
    pub(crate) engine: SharedEngine,
    pub(crate) signals: Arc<dyn Signals>,
    pub(crate) clock: Clock,
}

/// The seats of one zone, as the database and the engine count them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ZoneComparison {
    pub(crate) database: ZoneCount,
    /// Seats that can be reserved in the engine.
    pub(crate) engine_available: u32,
}

impl AdminService {
    /// One event, or all, as the database has them now.
    pub(crate) async fn events(
        &self,
        event: Option<EventId>,
    ) -> Result<Vec<Arc<Event>>, BookingError> {
        self.catalogue_sync.sync().await?;
        Ok(match event {
            Some(event) => vec![self.catalogue.event(event).await?],
            None => self.catalogue.events(),
        })
    }

    /// Entries of the audit log with an id below `before`, of one event or of all, newest first.
    pub(crate) async fn audit_records(
        &self,
        event: Option<EventId>,
        before: i64,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, BookingError> {
        Ok(self.store.audit_records(event, before, limit).await?)
    }

    /// Adds an event and opens it at once.
    pub(crate) async fn create_event(
        &self,
        event: &Event,
        operator: &UserId,
    ) -> Result<Arc<Event>, BookingError> {
        self.store
            .create_event(event, &self.audit_context(operator))
            .await?;
        self.catalogue_sync.sync().await?;

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
            .store
            .patch_queue(event, patch, &self.audit_context(operator))
            .await?
            .ok_or(BookingError::EventNotFound)?;

        self.catalogue_sync.sync().await?;
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
            .store
            .patch_appearance(event, patch, &self.audit_context(operator))
            .await?;
        let appearance = changed.ok_or(BookingError::EventNotFound)?;

        self.catalogue_sync.sync().await?;
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
        self.store
            .append_audit(&entry(AuditAction::SyncInventory, None))
            .await?;

        let report = self.inventory.rebuild_all(events).await?;

        let result =
            json!({"zones": report.zones, "holds": report.holds, "corrected": report.corrected});
        self.store
            .append_audit(&entry(AuditAction::InventorySynced, Some(result)))
            .await?;
        Ok(report)
    }

    /// The event's zones, as the database and the engine count their seats. An event that the
    /// engine does not hold has no seats there.
    pub(crate) async fn compare_zones(
        &self,
        event: EventId,
    ) -> Result<Vec<ZoneComparison>, BookingError> {
        let seats = match with_engine_timeout(self.engine.seats(event)).await {
            Ok(seats) => seats,
            Err(EngineError::UnknownEvent) => Vec::new(),
            Err(error) => return Err(error.into()),
        };

        let seats: HashMap<ZoneId, u32> = seats
            .iter()
            .map(|zone| (zone.zone_id, zone.available))
            .collect();
        let counts = self.store.zone_counts(Some(event)).await?;
        Ok(counts
            .into_iter()
            .map(|zone| ZoneComparison {
                engine_available: seats.get(&zone.zone_id).copied().unwrap_or(0),
                database: zone,
            })
            .collect())
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
        self.store
            .append_audit(&AuditEntry {
                context: self.audit_context(operator),
                event_id: Some(event.event_id),
                action: AuditAction::RemovePlace,
                before: Some(json!({"user_id": user})),
                after: None,
            })
            .await?;

        let nodes = with_engine_timeout(self.engine.leave(event_id, user, self.clock.now()))
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
        if let Err(error) = self.signals.send(&signals).await {
            tracing::warn!(%event_id, %error, "failed to notify a user's connections of their removal");
        }
        Ok(())
    }

    fn audit_context(&self, operator: &UserId) -> AuditContext {
        AuditContext {
            operator: operator.clone(),
            at: self.clock.now(),
        }
    }
}
