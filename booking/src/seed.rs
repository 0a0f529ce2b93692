//! Initial data, for load tests and for a demo, and the reset to it.

use std::time::Duration;

use jiff::civil::Weekday;
use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{EventId, ShowId, ZoneId},
    queue::{QueueSettings, SaleState},
};
use waitingroom_engine::SharedEngine;

use crate::{
    error::BookingError,
    inventory::rebuild::InventoryRebuilder,
    model::{
        appearance::Appearance,
        audit_log::AuditContext,
        event::{Event, Show, Zone},
        money::Currency,
        venue::Venue,
    },
    store::{SharedStore, StoreError},
};

/// How much the load test's catalogue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedSize {
    /// Events.
    pub events: u16,
    /// Shows of each event.
    pub shows: u16,
    /// Zones of each show.
    pub zones: u16,
    /// Seats of each zone.
    pub seats: u32,
}

impl Default for SeedSize {
    /// 900,000 seats in 45 zones.
    fn default() -> Self {
        Self {
            events: 3,
            shows: 3,
            zones: 5,
            seats: 20_000,
        }
    }
}

/// The id of a load test's event, counted from 1.
pub fn load_test_event_id(event: u16) -> EventId {
    numbered(0xe000_0000, event, 0).into()
}

/// The id of a load test's show, counted from 1 over all events.
pub fn load_test_show_id(show: u16) -> ShowId {
    numbered(0xa000_0000, show, 0).into()
}

/// The id of a load test's zone: `b0000000-0000-{show}-{zone}-000000000000` in four decimal digits
/// each.
pub fn load_test_zone_id(show: u16, zone: u16) -> ZoneId {
    numbered(0xb000_0000, show, zone).into()
}

/// The numbers are read as they are written: decimal digits in hexadecimal places.
fn numbered(kind: u32, first: u16, second: u16) -> Uuid {
    let digits =
        |number: u16| u16::from_str_radix(&format!("{:04}", number % 10_000), 16).unwrap_or(0);
    let [high, low] = digits(second).to_be_bytes();
    Uuid::from_fields(kind, 0, digits(first), &[high, low, 0, 0, 0, 0, 0, 0])
}

/// Adds the load test's events that are not there yet; returns how many were added.
///
/// # Errors
/// Those of the store.
pub async fn seed_load_test(
    store: &SharedStore,
    size: SeedSize,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut added = 0;
    for event in 1..=size.events {
        added += usize::from(add(store, &load_test(event, size), now).await?);
    }

    Ok(added)
}

/// Adds a pleasant event for a first look, unless it is there; its line moves slowly enough to be
/// seen moving.
///
/// # Errors
/// Those of the store.
pub async fn seed_demo(store: &SharedStore, now: Timestamp) -> Result<bool, StoreError> {
    add(store, &demo(now), now).await
}

async fn add(store: &SharedStore, event: &Event, now: Timestamp) -> Result<bool, StoreError> {
    let seeder = "stanchion:seed"
        .parse()
        .expect("printable characters without spaces are a user");
    match store
        .create_event(
            event,
            &AuditContext {
                operator: seeder,
                at: now,
            },
        )
        .await
    {
        Ok(()) => Ok(true),
        Err(StoreError::Exists(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes every booking and message, counts all seats as free, and opens every queue again from
/// the beginning.
///
/// # Errors
/// Database or engine unavailable: what was done until then stands, and the reset can be repeated.
pub async fn reset(store: &SharedStore, engine: &SharedEngine) -> Result<(), BookingError> {
    store.reset().await?;
    let inventory = InventoryRebuilder::new(
        store.clone(),
        engine.clone(),
        waitingroom_domain::clock::Clock::System,
    );
    for event in store.catalogue().await? {
        store.clear_checkpoint(event.event_id).await?;
        let deadline = Duration::from_secs(30); // a long line takes its time to forget
        let removed = tokio::time::timeout(deadline, engine.remove(event.event_id)).await;
        removed.map_err(|_| BookingError::Unavailable("the engine does not answer"))??;
        // Once more: a running instance may have written it down in between.
        store.clear_checkpoint(event.event_id).await?;
        inventory.rebuild(&event.into()).await?;
    }

    Ok(())
}

fn load_test(event: u16, size: SeedSize) -> Event {
    let first_show = (event - 1) * size.shows + 1;
    Event {
        event_id: load_test_event_id(event),
        name: format!("Load test {event}"),
        venue: Venue::default(),
        currency: Currency::EUR,
        max_seats_per_user: 10,
        hold_seconds: 600,
        queue: QueueSettings {
            rate_per_second: 2_000.0,
            burst: 2_000,
            max_active: 20_000,
            pass_ttl_seconds: 600,
            ..QueueSettings::default()
        },
        appearance: Appearance::default(),
        shows: (first_show..first_show + size.shows)
            .map(|show| load_test_show(show, size))
            .collect(),
    }
}

fn load_test_show(show: u16, size: SeedSize) -> Show {
    let zone = |zone: u16| Zone {
        zone_id: load_test_zone_id(show, zone),
        name: format!("Zone {zone}"),
        unit_price: 2_500 + 500 * i64::from(zone),
        capacity: size.seats,
    };

    Show {
        show_id: load_test_show_id(show),
        name: format!("Show {show}"),
        starts_at: None,
        zones: (1..=size.zones).map(zone).collect(),
    }
}

/// The hour at which the demo's shows begin.
const CURTAIN: i8 = 20;

fn demo(now: Timestamp) -> Event {
    let venue = Venue {
        name: Some("Harbour Stage".into()),
        city: Some("Hamburg".into()),
        time_zone: "Europe/Berlin".parse().ok(),
    };
    let friday = venue
        .time_zone
        .as_ref()
        .and_then(|zone| zone.next(Weekday::Friday, CURTAIN, now));
    // In the venue's time, also if the clocks are changed in between.
    let saturday = friday.and_then(|friday| {
        let zone = venue.time_zone.as_ref()?;
        zone.next(Weekday::Saturday, CURTAIN, friday)
    });

    Event {
        event_id: numbered(0xd000_0000, 1, 0).into(),
        name: "The Velvet Rope: live at the Harbour".into(),
        venue,
        currency: Currency::EUR,
        max_seats_per_user: 6,
        hold_seconds: 300,
        queue: QueueSettings {
            state: SaleState::Open,
            rate_per_second: 5.0,
            burst: 5,
            max_active: 200,
            pass_ttl_seconds: 300,
            message: Some("Welcome. The line moves, and your place in it is yours.".into()),
            ..QueueSettings::default()
        },
        appearance: Appearance::default(),
        shows: vec![
            demo_show(1, "Friday evening", friday),
            demo_show(2, "Saturday evening", saturday),
        ],
    }
}

fn demo_show(show: u16, name: &str, starts_at: Option<Timestamp>) -> Show {
    let zones = [
        ("Front row", 14_900, 40),
        ("Stalls", 8_900, 400),
        ("Balcony", 5_900, 250),
        ("Standing", 3_900, 600),
    ];
    let zone = |(number, (name, unit_price, capacity)): (u16, (&str, i64, u32))| Zone {
        zone_id: numbered(0xd200_0000, show, number).into(),
        name: name.into(),
        unit_price,
        capacity,
    };

    Show {
        show_id: numbered(0xd100_0000, show, 0).into(),
        name: name.into(),
        starts_at,
        zones: (1..).zip(zones).map(zone).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demo_is_on_days_that_its_names_say() {
        for now in [
            "2026-11-28T05:00:00Z",
            "2026-11-27T12:00:00Z",
            "2027-03-25T23:30:00Z",
        ] {
            let now = Timestamp::parse(now).unwrap();
            let event = demo(now);
            let shown = |show: usize| {
                let starts_at = event.shows[show].starts_at.unwrap();
                assert!(starts_at > now && starts_at.since(now) < Duration::from_secs(9 * 86_400));
                event.venue.wall_time(starts_at).unwrap()
            };

            assert_eq!(
                [shown(0).weekday(), shown(1).weekday()],
                [Weekday::Friday, Weekday::Saturday]
            );
            for show in [0, 1] {
                assert!(shown(show).to_minute().ends_with(" 20:00"));
            }
        }
    }

    #[test]
    fn ids_match_load_tests() {
        assert_eq!(
            load_test_zone_id(1, 5).to_string(),
            "b0000000-0000-0001-0005-000000000000"
        );
        assert_eq!(
            load_test_zone_id(12, 10).to_string(),
            "b0000000-0000-0012-0010-000000000000"
        );
        assert_eq!(
            load_test_event_id(3).to_string(),
            "e0000000-0000-0003-0000-000000000000"
        );
        assert_eq!(
            load_test_show_id(9).to_string(),
            "a0000000-0000-0009-0000-000000000000"
        );
    }
}
