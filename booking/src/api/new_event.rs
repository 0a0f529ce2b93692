//! The body of `POST /admin/events`, parsed into an event.

use serde::Deserialize;
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{EventId, ShowId, ZoneId},
    queue::{QueuePatch, QueueSettings, queue_patch_with_defaults},
    schema::openapi_schema,
};
use waitingroom_server::problem::Problem;

use super::params::invalid_setting;
use crate::model::{
    appearance::{Appearance, AppearancePatch},
    event::{Event, Show, Zone},
    money::Currency,
    venue::{Venue, VenueTimeZone, WallTime},
};

const DEFAULT_HOLD_SECONDS: u32 = 600;
const DEFAULT_USER_LIMIT: u32 = 10;
const MAX_NAME: usize = 200;
/// No control characters, and not only spaces.
const NAME_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$";
const MAX_SHOWS: usize = 200;
const MAX_ZONES: usize = 500;
/// So that a whole event's seats fit the engine's numbers.
const MAX_CAPACITY: u32 = 10_000_000;
/// So that ten seats' price fits.
const MAX_PRICE: i64 = 1_000_000_000_000;

/// An event to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "An evening",
    "venue": "Harbour Stage",
    "city": "Hamburg",
    "time_zone": "Europe/Berlin",
    "currency": "EUR",
    "queue": { "rate_per_second": 20 },
    "shows": [{
        "name": "Friday", "starts_at_local": "2030-05-03T20:00", "zones": [{ "name": "Stalls", "capacity": 400, "unit_price": 8900 }]
    }]
}))]
pub(super) struct NewEvent {
    event_id: Option<EventId>,
    #[schema(value_type = Name)]
    name: String,
    /// The house or ground.
    #[schema(value_type = Option<Name>)]
    venue: Option<String>,
    #[schema(value_type = Option<Name>)]
    city: Option<String>,
    /// The zone in which the event's times are meant: pages show them in it, wherever their visitor
    /// is. Without it, they show the visitor's.
    time_zone: Option<VenueTimeZone>,
    /// A currency of ISO 4217 that is in use, see `GET /admin/currencies`.
    #[schema(default = "EUR")]
    currency: Option<Currency>,
    /// Max seats that one user may hold or have bought.
    #[schema(minimum = 1, maximum = 100000, default = 10)]
    max_seats_per_user: Option<u32>,
    /// Duration of a hold.
    #[schema(minimum = 1, maximum = 86400, default = 600)]
    hold_seconds: Option<u32>,
    #[serde(default)]
    #[schema(schema_with = queue_patch_with_defaults)]
    queue: QueuePatch,
    #[serde(default)]
    appearance: AppearancePatch,
    #[schema(min_items = 1, max_items = 200)]
    shows: Vec<NewShow>,
}

/// A show of an event to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewShow {
    show_id: Option<ShowId>,
    #[schema(value_type = Name)]
    name: String,
    starts_at: Option<Timestamp>,
    /// The same as the clocks at the venue show it, instead of `starts_at`; it needs the event's
    /// `time_zone`. Of a time that they show twice, the first is meant.
    starts_at_local: Option<WallTime>,
    #[schema(min_items = 1, max_items = 500)]
    zones: Vec<NewZone>,
}

/// A zone of an event to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewZone {
    zone_id: Option<ZoneId>,
    #[schema(value_type = Name)]
    name: String,
    #[schema(minimum = 1, maximum = 10000000)]
    capacity: u32,
    /// Price of one seat, in minor units; 0 for a free seat.
    #[schema(minimum = 0, maximum = 1000000000000_i64)]
    unit_price: i64,
}

/// The schema of names.
struct Name;

impl PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        openapi_schema(json!({
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_NAME,
            "pattern": NAME_PATTERN,
            "description": "Printable characters; surrounding spaces are removed.",
        }))
    }
}

impl ToSchema for Name {}

impl NewEvent {
    pub(super) fn into_event(self) -> Result<Event, Problem> {
        check(
            !self.shows.is_empty() && self.shows.len() <= MAX_SHOWS,
            "shows",
            "must be from 1 to 200",
        )?;

        let hold_seconds = self.hold_seconds.unwrap_or(DEFAULT_HOLD_SECONDS);
        check(
            (1..=86_400).contains(&hold_seconds),
            "hold_seconds",
            "must be from 1 to 86400",
        )?;

        let max_seats_per_user = self.max_seats_per_user.unwrap_or(DEFAULT_USER_LIMIT);
        check(
            (1..=100_000).contains(&max_seats_per_user),
            "max_seats_per_user",
            "must be from 1 to 100000",
        )?;

        let venue = Venue {
            name: optional_name(self.venue, "venue")?,
            city: optional_name(self.city, "city")?,
            time_zone: self.time_zone,
        };

        let shows = self.shows.into_iter().enumerate();
        Ok(Event {
            event_id: self.event_id.unwrap_or_else(|| Uuid::now_v7().into()),
            name: name(self.name, "name")?,
            currency: self.currency.unwrap_or(Currency::EUR),
            max_seats_per_user,
            hold_seconds,
            queue: QueueSettings::default()
                .with(&self.queue)
                .map_err(|invalid| invalid_setting("queue.", &invalid))?,
            appearance: Appearance::default()
                .with(&self.appearance)
                .map_err(|invalid| invalid_setting("appearance.", &invalid))?,
            shows: shows
                .map(|(at, show)| show.into_show(&format!("shows[{at}]"), &venue))
                .collect::<Result<_, _>>()?,
            venue,
        })
    }
}

impl NewShow {
    fn into_show(self, path: &str, venue: &Venue) -> Result<Show, Problem> {
        let starts_at = self.moment(&format!("{path}.starts_at_local"), venue)?;
        let zones = format!("{path}.zones");
        check(
            !self.zones.is_empty() && self.zones.len() <= MAX_ZONES,
            &zones,
            "must be from 1 to 500",
        )?;

        let all = self.zones.into_iter().enumerate();
        Ok(Show {
            show_id: self.show_id.unwrap_or_else(|| Uuid::now_v7().into()),
            name: name(self.name, &format!("{path}.name"))?,
            starts_at,
            zones: all
                .map(|(at, zone)| zone.into_zone(&format!("{zones}[{at}]")))
                .collect::<Result<_, _>>()?,
        })
    }

    /// When it begins, from whichever of the two fields says so.
    fn moment(&self, field: &str, venue: &Venue) -> Result<Option<Timestamp>, Problem> {
        let Some(shown) = self.starts_at_local else {
            return Ok(self.starts_at);
        };
        check(
            self.starts_at.is_none(),
            field,
            "must not be given together with starts_at",
        )?;

        let zone = venue
            .time_zone
            .as_ref()
            .ok_or_else(|| Problem::invalid(field, "needs the time_zone of the event"))?;
        let moment = zone.moment(shown);
        moment
            .map(Some)
            .map_err(|error| Problem::invalid(field, error.to_string()))
    }
}

impl NewZone {
    fn into_zone(self, path: &str) -> Result<Zone, Problem> {
        let capacity = (1..=MAX_CAPACITY).contains(&self.capacity);
        check(
            capacity,
            &format!("{path}.capacity"),
            "must be from 1 to 10000000",
        )?;

        let price = (0..=MAX_PRICE).contains(&self.unit_price);
        check(
            price,
            &format!("{path}.unit_price"),
            "must be from 0 to 1000000000000",
        )?;

        Ok(Zone {
            zone_id: self.zone_id.unwrap_or_else(|| Uuid::now_v7().into()),
            name: name(self.name, &format!("{path}.name"))?,
            unit_price: self.unit_price,
            capacity: self.capacity,
        })
    }
}

fn optional_name(text: Option<String>, field: &str) -> Result<Option<String>, Problem> {
    text.map(|text| name(text, field)).transpose()
}

fn name(text: String, field: &str) -> Result<String, Problem> {
    let name = text.trim();
    let fits =
        !name.is_empty() && text.chars().count() <= MAX_NAME && !text.chars().any(char::is_control);
    check(fits, field, "must be 1 to 200 printable characters")?;
    Ok(name.to_owned())
}

fn check(holds: bool, field: &str, problem: &str) -> Result<(), Problem> {
    if holds {
        Ok(())
    } else {
        Err(Problem::invalid(field, problem))
    }
}
