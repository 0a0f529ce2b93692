//! The catalogue.

use async_trait::async_trait;
use serde::Serialize;
use waitingroom_domain::{
    clock::Timestamp,
    ids::EventId,
    queue::{QueuePatch, QueueSettings},
};

use super::{Backend, audit::append_entry, with_timeout};
use crate::{
    model::{
        appearance::{Appearance, AppearancePatch},
        audit_log::{AuditAction, AuditContext, AuditEntry},
        event::Event,
        revision::{Precondition, Revision},
    },
    store::{
        EventStore, StoreError, connection::Transaction, dialect::Dialect, row::catalogue as row,
        statement::statement,
    },
};

const REVISION: &str = "SELECT revision FROM catalogue";

const RAISE_REVISION: &str = "UPDATE catalogue SET revision = revision + 1";

const EVENTS: &str =
    "SELECT event_id, name, currency, max_seats_per_user, hold_seconds, queue_settings,
        appearance, venue, city, time_zone
    FROM events ORDER BY created_at_ms, event_id";

const SHOWS: &str =
    "SELECT show_id, event_id, name, starts_at_ms FROM shows ORDER BY event_id, ordinal";

const ZONES: &str =
    "SELECT zone_id, show_id, name, unit_price, capacity FROM zones ORDER BY event_id, ordinal";

const ADD_EVENT: &str = "INSERT INTO events
    (event_id, name, currency, max_seats_per_user, hold_seconds, queue_settings, appearance, created_at_ms,
        venue, city, time_zone)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

const ADD_SHOW: &str = "INSERT INTO shows (show_id, event_id, name, starts_at_ms, ordinal)
    VALUES ($1, $2, $3, $4, $5)";

const ADD_ZONE: &str = "INSERT INTO zones
    (zone_id, show_id, event_id, name, unit_price, capacity, ordinal) VALUES ($1, $2, $3, $4, $5, $6, $7)";

const PUT_SETTINGS: &str = "UPDATE events SET queue_settings = $2 WHERE event_id = $1";

const PUT_APPEARANCE: &str = "UPDATE events SET appearance = $2 WHERE event_id = $1";

#[async_trait]
impl<B: Backend> EventStore for B {
    #[tracing::instrument(level = "debug", skip_all)]
    async fn revision(&self) -> Result<i64, StoreError> {
        with_timeout(async {
            let (revision,) = self.reader().fetch_one(statement(REVISION)).await?;
            Ok(revision)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn time(&self) -> Result<Timestamp, StoreError> {
        with_timeout(self.database_time()).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn catalogue(&self) -> Result<Vec<Event>, StoreError> {
        with_timeout(async {
            let mut transaction = self.begin_snapshot().await?;
            let events = transaction.fetch_all(statement(EVENTS)).await?;
            let shows = transaction.fetch_all(statement(SHOWS)).await?;
            let zones = transaction.fetch_all(statement(ZONES)).await?;
            transaction.commit().await?;

            row::assemble(events, shows, zones)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn create_event(&self, event: &Event, context: &AuditContext) -> Result<(), StoreError> {
        with_timeout(async {
            let mut transaction = self.begin().await?;
            add_event(&mut transaction, event, context.at).await?;
            transaction.execute(statement(RAISE_REVISION)).await?;
            append_entry(&mut transaction, &AuditEntry::created(context, event)).await?;
            transaction.commit().await
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn patch_queue(
        &self,
        event: EventId,
        patch: &QueuePatch,
        expected: &Precondition,
        context: &AuditContext,
    ) -> Result<Option<QueueSettings>, StoreError> {
        let column = JsonColumn {
            lock: B::Database::LOCK_SETTINGS,
            put: PUT_SETTINGS,
            action: AuditAction::ChangeQueue,
            parse: row::settings,
            apply: row::patched_settings,
            text: row::settings_text,
        };

        with_timeout(column.patch(self, event, patch, expected, context)).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn patch_appearance(
        &self,
        event: EventId,
        patch: &AppearancePatch,
        expected: &Precondition,
        context: &AuditContext,
    ) -> Result<Option<Appearance>, StoreError> {
        let column = JsonColumn {
            lock: B::Database::LOCK_APPEARANCE,
            put: PUT_APPEARANCE,
            action: AuditAction::ChangeAppearance,
            parse: row::appearance,
            apply: row::patched_appearance,
            text: row::appearance_text,
        };

        with_timeout(column.patch(self, event, patch, expected, context)).await
    }
}

async fn add_event<DB: Dialect>(
    transaction: &mut Transaction<DB>,
    event: &Event,
    created_at: Timestamp,
) -> Result<(), StoreError> {
    let add = statement(ADD_EVENT)
        .bind(event.event_id.uuid())
        .bind(event.name.as_str())
        .bind(event.currency.as_str())
        .bind(event.max_seats_per_user as i32)
        .bind(event.hold_seconds as i32)
        .bind(row::settings_text(&event.queue))
        .bind(row::appearance_text(&event.appearance))
        .bind(created_at.millis())
        .bind(event.venue.name.clone())
        .bind(event.venue.city.clone())
        .bind(row::time_zone_text(&event.venue));
    transaction.execute(add).await?;

    for (ordinal, show) in (0i32..).zip(&event.shows) {
        let add = statement(ADD_SHOW)
            .bind(show.show_id.uuid())
            .bind(event.event_id.uuid())
            .bind(show.name.as_str())
            .bind(show.starts_at.map(Timestamp::millis))
            .bind(ordinal);
        transaction.execute(add).await?;
    }

    for (ordinal, (show, zone)) in (0i32..).zip(event.zones()) {
        let add = statement(ADD_ZONE)
            .bind(zone.zone_id.uuid())
            .bind(show.show_id.uuid())
            .bind(event.event_id.uuid())
            .bind(zone.name.as_str())
            .bind(zone.unit_price)
            .bind(zone.capacity as i32)
            .bind(ordinal);
        transaction.execute(add).await?;
    }

    Ok(())
}

/// A column of events that holds a `T` as JSON and is changed by a `P`.
struct JsonColumn<T, P> {
    /// Reads and locks it.
    lock: &'static str,
    put: &'static str,
    /// The change as the audit names it.
    action: AuditAction,
    parse: fn(&str) -> Result<T, StoreError>,
    apply: fn(&T, &P) -> Result<T, StoreError>,
    text: fn(&T) -> String,
}

impl<T: Serialize + Send, P: Serialize + Sync> JsonColumn<T, P> {
    /// Changes the value and appends the audit entry. `None` if there is no such event.
    async fn patch(
        &self,
        backend: &impl Backend,
        event: EventId,
        patch: &P,
        expected: &Precondition,
        context: &AuditContext,
    ) -> Result<Option<T>, StoreError> {
        let mut transaction = backend.begin().await?;
        let stored = statement(self.lock).bind(event.uuid());
        let Some((stored,)) = transaction.fetch_optional::<(String,)>(stored).await? else {
            transaction.rollback().await?;
            return Ok(None);
        };

        let before = (self.parse)(&stored)?;
        if !expected.holds(&Revision::of(&before)) {
            transaction.rollback().await?;
            return Err(StoreError::PreconditionFailed);
        }

        let after = (self.apply)(&before, patch)?;
        let put = statement(self.put)
            .bind(event.uuid())
            .bind((self.text)(&after));
        transaction.execute(put).await?;
        transaction.execute(statement(RAISE_REVISION)).await?;

        let entry = AuditEntry::changed(context, event, self.action, patch, [&before, &after]);
        append_entry(&mut transaction, &entry).await?;
        transaction.commit().await?;
        Ok(Some(after))
    }
}
