//! The catalogue.

use async_trait::async_trait;
use waitingroom_domain::{
    clock::Timestamp,
    ids::EventId,
    queue::{QueuePatch, QueueSettings},
};

use super::{SqliteStore, audit::append_entry};
use crate::{
    model::{
        appearance::{Appearance, AppearancePatch},
        audit::{AuditAction, AuditContext, AuditEntry},
        event::Event,
    },
    store::{EventStore, StoreError, row::catalogue as row, sql},
};

const LOCK_SETTINGS: &str = "SELECT queue_settings FROM events WHERE event_id = $1";
const LOCK_APPEARANCE: &str = "SELECT appearance FROM events WHERE event_id = $1";

#[async_trait]
impl EventStore for SqliteStore {
    async fn revision(&self) -> Result<i64, StoreError> {
        self.with_timeout(async {
            self.readers
                .run(async |on| sqlx::query_scalar(sql::REVISION).fetch_one(on).await)
                .await
        })
        .await
    }

    async fn time(&self) -> Result<Timestamp, StoreError> {
        Ok(self.clock.now())
    }

    async fn catalogue(&self) -> Result<Vec<Event>, StoreError> {
        self.with_timeout(async {
            let mut transaction = self.readers.begin("BEGIN").await?;
            let events = sqlx::query_as(sql::EVENTS)
                .fetch_all(&mut *transaction)
                .await?;
            let shows = sqlx::query_as(sql::SHOWS)
                .fetch_all(&mut *transaction)
                .await?;
            let zones = sqlx::query_as(sql::ZONES)
                .fetch_all(&mut *transaction)
                .await?;
            transaction.commit().await?;
            row::assemble(events, shows, zones)
        })
        .await
    }

    async fn create_event(&self, event: &Event, context: &AuditContext) -> Result<(), StoreError> {
        self.with_timeout(async {
            let mut transaction = self.begin().await?;
            sqlx::query(sql::ADD_EVENT)
                .bind(event.event_id.uuid())
                .bind(&event.name)
                .bind(event.currency.as_str())
                .bind(event.max_seats_per_user as i32)
                .bind(event.hold_seconds as i32)
                .bind(row::settings_text(&event.queue))
                .bind(row::appearance_text(&event.appearance))
                .bind(context.at.millis())
                .execute(&mut *transaction)
                .await?;
            for (ordinal, show) in (0i32..).zip(&event.shows) {
                sqlx::query(sql::ADD_SHOW)
                    .bind(show.show_id.uuid())
                    .bind(event.event_id.uuid())
                    .bind(&show.name)
                    .bind(show.starts_at.map(Timestamp::millis))
                    .bind(ordinal)
                    .execute(&mut *transaction)
                    .await?;
            }

            for (ordinal, (show, zone)) in (0i32..).zip(event.zones()) {
                sqlx::query(sql::ADD_ZONE)
                    .bind(zone.zone_id.uuid())
                    .bind(show.show_id.uuid())
                    .bind(event.event_id.uuid())
                    .bind(&zone.name)
                    .bind(zone.unit_price)
                    .bind(zone.capacity as i32)
                    .bind(ordinal)
                    .execute(&mut *transaction)
                    .await?;
            }

            sqlx::query(sql::RAISE_REVISION)
                .execute(&mut *transaction)
                .await?;
            append_entry(&mut transaction, &AuditEntry::created(context, event)).await?;
            transaction.commit().await
        })
        .await
    }

    async fn patch_queue(
        &self,
        event: EventId,
        patch: &QueuePatch,
        context: &AuditContext,
    ) -> Result<Option<QueueSettings>, StoreError> {
        self.with_timeout(async {
            let mut transaction = self.begin().await?;
            let stored = sqlx::query_scalar::<_, String>(LOCK_SETTINGS).bind(event.uuid());
            let Some(stored) = stored.fetch_optional(&mut *transaction).await? else {
                transaction.rollback().await?;
                return Ok(None);
            };

            let before = row::settings(&stored)?;
            let after = row::patched_settings(&before, patch)?;
            let put = sqlx::query(sql::PUT_SETTINGS)
                .bind(event.uuid())
                .bind(row::settings_text(&after));
            put.execute(&mut *transaction).await?;
            sqlx::query(sql::RAISE_REVISION)
                .execute(&mut *transaction)
                .await?;
            append_entry(
                &mut transaction,
                &AuditEntry::changed(
                    context,
                    event,
                    AuditAction::ChangeQueue,
                    patch,
                    [&before, &after],
                ),
            )
            .await?;
            transaction.commit().await?;
            Ok(Some(after))
        })
        .await
    }

    async fn patch_appearance(
        &self,
        event: EventId,
        patch: &AppearancePatch,
        context: &AuditContext,
    ) -> Result<Option<Appearance>, StoreError> {
        self.with_timeout(async {
            let mut transaction = self.begin().await?;
            let stored = sqlx::query_scalar::<_, String>(LOCK_APPEARANCE).bind(event.uuid());
            let Some(stored) = stored.fetch_optional(&mut *transaction).await? else {
                transaction.rollback().await?;
                return Ok(None);
            };

            let before = row::appearance(&stored)?;
            let after = row::patched_appearance(&before, patch)?;
            let put = sqlx::query(sql::PUT_APPEARANCE)
                .bind(event.uuid())
                .bind(row::appearance_text(&after));
            put.execute(&mut *transaction).await?;
            sqlx::query(sql::RAISE_REVISION)
                .execute(&mut *transaction)
                .await?;
            let entry = AuditEntry::changed(
                context,
                event,
                AuditAction::ChangeAppearance,
                patch,
                [&before, &after],
            );
            append_entry(&mut transaction, &entry).await?;
            transaction.commit().await?;
            Ok(Some(after))
        })
        .await
    }
}
