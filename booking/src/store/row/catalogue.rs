//! The catalogue's rows, and their way into events.

use std::collections::HashMap;

use sqlx::FromRow;
use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    queue::{QueuePatch, QueueSettings},
};

use super::{corrupt, count, currency};
use crate::{
    model::{
        appearance::{Appearance, AppearancePatch},
        event::{Event, Show, Zone},
        venue::{Venue, VenueTimeZone},
    },
    store::StoreError,
};

#[derive(FromRow)]
pub(in crate::store) struct EventRow {
    event_id: Uuid,
    name: String,
    currency: String,
    max_seats_per_user: i32,
    hold_seconds: i32,
    queue_settings: String,
    appearance: String,
    venue: Option<String>,
    city: Option<String>,
    time_zone: Option<String>,
}

#[derive(FromRow)]
pub(in crate::store) struct ShowRow {
    show_id: Uuid,
    event_id: Uuid,
    name: String,
    starts_at_ms: Option<i64>,
}

#[derive(FromRow)]
pub(in crate::store) struct ZoneRow {
    zone_id: Uuid,
    show_id: Uuid,
    name: String,
    unit_price: i64,
    capacity: i32,
}

/// The settings as they are stored: JSON, so that a new setting needs no migration.
pub(in crate::store) fn settings(text: &str) -> Result<QueueSettings, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| corrupt(format!("queue settings that do not parse: {error}")))
}

pub(in crate::store) fn settings_text(settings: &QueueSettings) -> String {
    serde_json::to_string(settings).expect("settings have only text keys")
}

/// The appearance as it is stored: JSON, for the same reason.
pub(in crate::store) fn appearance(text: &str) -> Result<Appearance, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| corrupt(format!("an appearance that does not parse: {error}")))
}

pub(in crate::store) fn appearance_text(appearance: &Appearance) -> String {
    serde_json::to_string(appearance).expect("an appearance has only text keys")
}

pub(in crate::store) fn time_zone_text(venue: &Venue) -> Option<String> {
    venue.time_zone.as_ref().map(|zone| zone.name().to_owned())
}

/// A later release may know more zones than this one: the event is sold all the same, and its times
/// are those of an event without a zone.
fn time_zone(name: &str) -> Option<VenueTimeZone> {
    name.parse()
        .inspect_err(|_| tracing::warn!(time_zone = name, "an event's time zone is unknown here"))
        .ok()
}

/// Puts the catalogue together; shows and zones come in their order.
pub(in crate::store) fn assemble(
    events: Vec<EventRow>,
    shows: Vec<ShowRow>,
    zones: Vec<ZoneRow>,
) -> Result<Vec<Event>, StoreError> {
    let mut zones_of = HashMap::<Uuid, Vec<Zone>>::new();
    for row in zones {
        let capacity = count("capacity", row.capacity)?;
        let zone = Zone {
            zone_id: row.zone_id.into(),
            name: row.name,
            unit_price: row.unit_price,
            capacity,
        };

        zones_of.entry(row.show_id).or_default().push(zone);
    }

    let mut shows_of = HashMap::<Uuid, Vec<Show>>::new();
    for row in shows {
        let zones = zones_of.remove(&row.show_id).unwrap_or_default();
        let starts_at = row.starts_at_ms.map(Timestamp::from_millis);
        let show = Show {
            show_id: row.show_id.into(),
            name: row.name,
            starts_at,
            zones,
        };

        shows_of.entry(row.event_id).or_default().push(show);
    }
    events
        .into_iter()
        .map(|row| row.with(shows_of.remove(&row.event_id).unwrap_or_default()))
        .collect()
}

impl EventRow {
    fn with(&self, shows: Vec<Show>) -> Result<Event, StoreError> {
        Ok(Event {
            event_id: self.event_id.into(),
            name: self.name.clone(),
            venue: Venue {
                name: self.venue.clone(),
                city: self.city.clone(),
                time_zone: self.time_zone.as_deref().and_then(time_zone),
            },
            currency: currency(&self.currency)?,
            max_seats_per_user: count("limit", self.max_seats_per_user)?,
            hold_seconds: count("hold", self.hold_seconds)?,
            queue: settings(&self.queue_settings)?,
            appearance: appearance(&self.appearance)?,
            shows,
        })
    }
}

pub(in crate::store) fn patched_settings(
    before: &QueueSettings,
    patch: &QueuePatch,
) -> Result<QueueSettings, StoreError> {
    before
        .with(patch)
        .map_err(|invalid| StoreError::Rejected(invalid.to_string()))
}

pub(in crate::store) fn patched_appearance(
    before: &Appearance,
    patch: &AppearancePatch,
) -> Result<Appearance, StoreError> {
    before
        .with(patch)
        .map_err(|invalid| StoreError::Rejected(invalid.to_string()))
}
