//! Seats, as operators and the public read them.

use serde_json::Value;

use crate::{rest::Rest, sale::Sale, shopping, wait::eventually};

/// One zone's seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneSeats {
    /// All.
    pub capacity: u64,
    /// Free, in the database.
    pub available: u64,
    /// Held.
    pub held: u64,
    /// Sold.
    pub confirmed: u64,
}

/// The seats in engine and database, and the difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The difference in seats.
    pub drift: i64,
    /// In the order of the sale's zones.
    pub zones: Vec<ZoneSeats>,
}

impl Inventory {
    /// Reads it.
    pub async fn of(sale: &Sale, operator: &Rest) -> Self {
        let path = format!("/admin/inventory-status?event_id={}", sale.event);
        let answer = shopping::with_retries(|| operator.get(&path))
            .await
            .expect(200);
        let zones = answer["zones"].as_array().expect("zones");
        let zone = |id: &String| {
            zones
                .iter()
                .find(|zone| zone["zone_id"] == id.as_str())
                .expect("every zone is listed")
        };

        let zones: Vec<ZoneSeats> = sale.zones.iter().map(|id| seats(zone(id))).collect();
        for zone in &zones {
            assert_eq!(
                zone.available + zone.held + zone.confirmed,
                zone.capacity,
                "no seat is lost or sold twice"
            );
        }

        Self {
            drift: answer["drift"].as_i64().expect("drift"),
            zones,
        }
    }

    /// Asks until engine and database agree: the engine is updated after the database.
    pub async fn settled(sale: &Sale, operator: &Rest) -> Self {
        eventually("engine and database to agree on the seats", || async {
            let inventory = Self::of(sale, operator).await;
            (inventory.drift == 0).then_some(inventory)
        })
        .await
    }

    /// Of all zones together.
    pub fn total(&self) -> ZoneSeats {
        let sum = |part: fn(&ZoneSeats) -> u64| self.zones.iter().map(part).sum();
        ZoneSeats {
            capacity: sum(|zone| zone.capacity),
            available: sum(|zone| zone.available),
            held: sum(|zone| zone.held),
            confirmed: sum(|zone| zone.confirmed),
        }
    }
}

fn seats(zone: &Value) -> ZoneSeats {
    let number = |value: &Value| value.as_u64().expect("a number of seats");
    let database = &zone["database"];
    ZoneSeats {
        capacity: number(&zone["capacity"]),
        available: number(&database["available"]),
        held: number(&database["held"]),
        confirmed: number(&database["confirmed"]),
    }
}

/// The seats that the public catalogue offers, over all zones.
pub async fn offered(sale: &Sale, booking: &Rest) -> u64 {
    let event = booking
        .get(&format!("/events/{}", sale.event))
        .await
        .expect(200);
    let zones = event["shows"][0]["zones"]
        .as_array()
        .expect("zones")
        .clone();

    zones
        .iter()
        .map(|zone| zone["available"].as_u64().expect("available"))
        .sum()
}
