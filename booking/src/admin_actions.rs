//! Operators' actions: new events, changed settings, removed users, rebuilds. Each is audited.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use serde_json::json;
use waitingroom_domain::{
    clock::Clock,
    ids::{EventId, UserId, ZoneId},
    queue::{QueuePatch, QueueSettings, Removal},
};
use waitingroom_engine::{EngineError, SharedEngine};
use waitingroom_messaging::signal::{Recipient, Signal, Signals};
use waitingroom_server::problem::Conflict;

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
        revision::{Precondition, Revision},
    },
    store::{SharedStore, StoreError, ZoneCount},
};

/// Audit records among which the last change of a value is searched.
const MAX_SEARCHED_RECORDS: u32 = 50;

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

    /// Changes the settings of a queue if they are the expected ones. They are effective, and sent
    /// to the gateways, when this returns.
    pub(crate) async fn update_queue(
        &self,
        event: EventId,
        patch: &QueuePatch,
        expected: &Precondition,
        operator: &UserId,
    ) -> Result<QueueSettings, BookingError> {
        let changed = self
            .store
            .patch_queue(event, patch, expected, &self.audit_context(operator))
            .await;

        match changed {
            Ok(settings) => {
                self.catalogue_sync.sync().await?;
                settings.ok_or(BookingError::EventNotFound)
            }
            Err(StoreError::PreconditionFailed) => {
                let current = self.current_event(event).await?;
                let found = self.conflict(event, AuditAction::ChangeQueue, &current.queue);
                Err(found.await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Changes the branding of an event's pages if it is the expected one. Other instances read it
    /// within a second.
    pub(crate) async fn update_appearance(
        &self,
        event: EventId,
        patch: &AppearancePatch,
        expected: &Precondition,
        operator: &UserId,
    ) -> Result<Appearance, BookingError> {
        let changed = self
            .store
            .patch_appearance(event, patch, expected, &self.audit_context(operator))
            .await;

        match changed {
            Ok(appearance) => {
                self.catalogue_sync.sync().await?;
                appearance.ok_or(BookingError::EventNotFound)
            }
            Err(StoreError::PreconditionFailed) => {
                let current = self.current_event(event).await?;
                let found =
                    self.conflict(event, AuditAction::ChangeAppearance, &current.appearance);
                Err(found.await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn current_event(&self, event: EventId) -> Result<Arc<Event>, BookingError> {
        self.catalogue_sync.sync().await?;
        self.catalogue.event(event).await
    }

    /// The refusal of a change whose precondition does not hold: the current value, and who set it.
    async fn conflict(
        &self,
        event: EventId,
        action: AuditAction,
        current: &impl Serialize,
    ) -> Result<BookingError, BookingError> {
        let records = self
            .store
            .audit_records(Some(event), i64::MAX, MAX_SEARCHED_RECORDS)
            .await?;
        let last = records
            .into_iter()
            .find(|record| record.action == action.as_str());
        let (changed_by, changed_at) = last.map(|last| (last.operator, last.at)).unzip();

        let current_value = serde_json::to_value(current).expect("settings have only text keys");
        Ok(BookingError::PreconditionFailed(Box::new(Conflict {
            revision: Revision::of(current).as_str().to_owned(),
            current: current_value,
            changed_by,
            changed_at,
        })))
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
