//! Rows, counters and engine tell of the same seats once nothing is under way; no zone is oversold;
//! nobody is refused for want of seats that were always there.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::some;
use crate::{
    finding::{Finding, Rule},
    history::History,
    world::{Database, Engine, Seen, Status, Stock, World, Zone},
};

/// A reservation takes seats in the engine for at most this long before its row's time.
const BEFORE_ROW_MS: i64 = 4_000;
/// Seats whose hold ended are free for others this long afterwards at the latest.
const FREED_MS: i64 = 30_000;
/// A zone counts as never full if it had this many seats more than were asked for.
const SPARE: i64 = 3;

pub(crate) fn check(world: &World, _: &History<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say =
        |count: usize, text: String| findings.push(Finding::violation(Rule::Seats, count, text));

    for zone in &world.database.zones {
        counters(zone, &world.database, &mut say);
    }

    if let Some(engine) = &world.engine {
        for zone in &world.database.zones {
            compare(zone, engine, &mut say);
        }
        if let Some(stock) = &engine.stock {
            stock_of(stock, engine, &world.database, &mut say);
        }
    }

    refused_for_nothing(world, &mut say);
    findings
}

fn counters(zone: &Zone, database: &Database, say: &mut impl FnMut(usize, String)) {
    let sum = |status: Status| -> i64 {
        let rows = database
            .bookings
            .iter()
            .filter(|row| row.zone_id == zone.zone_id && row.status == status);
        rows.map(|row| row.quantity).sum()
    };
    let (held, confirmed) = (sum(Status::Reserved), sum(Status::Confirmed));

    if (held, confirmed) != (zone.held, zone.confirmed) {
        let text = format!(
            "zone {}: the rows say {held} held and {confirmed} confirmed, the counters {} and {}",
            zone.zone_id, zone.held, zone.confirmed
        );
        say(1, text);
    }

    if (zone.held + zone.confirmed).max(held + confirmed) > zone.capacity {
        say(
            1,
            format!(
                "zone {} is oversold: {held} and {confirmed} of {}",
                zone.zone_id, zone.capacity
            ),
        );
    }
}

fn compare(zone: &Zone, engine: &Engine, say: &mut impl FnMut(usize, String)) {
    let free = zone.capacity - zone.held - zone.confirmed;
    match engine.zones.get(&zone.zone_id) {
        Some(has) if *has == free => {}
        Some(has) => {
            let text = format!(
                "zone {}: {free} are free in the database, {has} in the engine",
                zone.zone_id
            );
            say(usize::try_from((has - free).abs()).unwrap_or(1), text);
        }
        None => say(1, format!("zone {} is not in the engine", zone.zone_id)),
    }
}

fn stock_of(
    stock: &Stock,
    engine: &Engine,
    database: &Database,
    say: &mut impl FnMut(usize, String),
) {
    let total: i64 = engine.zones.values().sum();
    if stock.seats_left != total {
        say(
            1,
            format!(
                "the engine counts {} seats left, its zones have {total}",
                stock.seats_left
            ),
        );
    }

    let mut users: BTreeMap<&str, i64> = BTreeMap::new();
    for row in database.bookings.iter().filter(|row| row.status.is_live()) {
        *users.entry(&row.user_id).or_default() += row.quantity;
    }

    let names: BTreeSet<&str> = users
        .keys()
        .copied()
        .chain(stock.user_seats.keys().map(String::as_str))
        .collect();
    let seats = |user: &str| {
        (
            users.get(user).copied().unwrap_or(0),
            stock.user_seats.get(user).copied().unwrap_or(0),
        )
    };

    let differ: Vec<String> = names
        .into_iter()
        .map(|user| (user, seats(user)))
        .filter(|(_, (database, engine))| database != engine)
        .map(|(user, (database, engine))| {
            format!("{user} has {database} in the database, {engine} in the engine")
        })
        .collect();

    if !differ.is_empty() {
        say(
            differ.len(),
            format!("seats of users differ: {}", some(&differ)),
        );
    }

    let reserved: BTreeSet<Uuid> = database
        .bookings
        .iter()
        .filter(|row| row.status == Status::Reserved)
        .map(|row| row.booking_id)
        .collect();

    for (kind, all) in [
        (
            "the engine still has holds that nobody committed",
            stock.uncommitted.iter().collect::<Vec<_>>(),
        ),
        (
            "the engine holds what the database has not reserved",
            stock.holds.difference(&reserved).collect(),
        ),
        (
            "the engine lacks holds of what is reserved",
            reserved.difference(&stock.holds).collect(),
        ),
    ] {
        if !all.is_empty() {
            say(all.len(), format!("{kind}: {}", some(&all)));
        }
    }
}

fn refused_for_nothing(world: &World, say: &mut impl FnMut(usize, String)) {
    let room: BTreeMap<Uuid, i64> = world
        .database
        .zones
        .iter()
        .map(|zone| (zone.zone_id, least_room(zone, &world.database)))
        .collect();
    let refused: Vec<String> = world
        .records
        .iter()
        .filter_map(|record| {
            let Seen::Reserve {
                zone,
                quantity,
                answer,
                ..
            } = &record.seen
            else {
                return None;
            };
            let room = *room.get(zone)?;
            let is_wrong =
                answer.code.as_deref() == Some("INSUFFICIENT_SEATS") && room >= quantity + SPARE;
            is_wrong.then(|| {
                format!(
                    "{} wanted {quantity} of {zone}, which always had {room}",
                    record.user
                )
            })
        })
        .collect();

    if !refused.is_empty() {
        say(
            refused.len(),
            format!(
                "refused for want of seats that were there: {}",
                some(&refused)
            ),
        );
    }
}

/// The fewest free seats that a zone can have had at any moment, by the rows.
fn least_room(zone: &Zone, database: &Database) -> i64 {
    let mut changes = Vec::new();
    for row in database
        .bookings
        .iter()
        .filter(|row| row.zone_id == zone.zone_id)
    {
        changes.push((row.created_at_ms - BEFORE_ROW_MS, row.quantity));
        if !row.status.is_live() {
            changes.push((row.expires_at_ms + FREED_MS, -row.quantity));
        }
    }

    changes.sort_unstable();
    let (mut taken, mut max) = (0, 0);

    for (_, change) in changes {
        taken += change;
        max = max.max(taken);
    }

    zone.capacity - max
}
