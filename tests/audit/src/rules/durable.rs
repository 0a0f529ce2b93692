//! What was answered is in the database: each 201 has its row, each 200 its status, and no booking
//! that was told is 404 afterwards. What a standby did not have that takes over, and followed
//! asynchronously, is documented.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::some;
use crate::{
    finding::{Finding, Rule, Weight},
    history::History,
    world::{Booking, Decision, Seen, Status, World},
};

pub(crate) fn check(world: &World, _: &History<'_>) -> Vec<Finding> {
    let rows: BTreeMap<Uuid, &Booking> = world
        .database
        .bookings
        .iter()
        .map(|booking| (booking.booking_id, booking))
        .collect();
    let gone = gone_with_a_primary(world, &rows);
    let (mut lost, mut different, mut undone, mut unfound) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut excused = Vec::new();

    for record in &world.records {
        let user = &record.user;
        match &record.seen {
            Seen::Reserve {
                zone,
                quantity,
                answer,
                ..
            } if answer.status == 201 => {
                let Some(booking) = answer.booking else {
                    continue;
                };
                match rows.get(&booking) {
                    None if gone.contains(&booking) => excused.push(format!("{booking} of {user}")),
                    None => lost.push(format!("{booking} of {user}")),
                    Some(row)
                        if (row.user_id.as_str(), row.zone_id, row.quantity)
                            != (user, *zone, *quantity) =>
                    {
                        different.push(format!("{booking} of {user}"));
                    }
                    Some(_) => {}
                }
            }
            Seen::Decide {
                booking,
                decision,
                answer,
            } if answer.status == 200 => {
                let promised = match decision {
                    Decision::Confirm => Status::Confirmed,
                    Decision::Cancel => Status::Cancelled,
                };
                let is = rows.get(booking).map(|row| row.status);
                if is != Some(promised) {
                    let is = is.map_or("gone", Status::name);
                    let text = format!(
                        "{booking} of {user} is {is}, and {} was answered",
                        promised.name()
                    );
                    if world.may_have_lost(record.at_ms) {
                        excused.push(text)
                    } else {
                        undone.push(text)
                    }
                }
            }
            Seen::Decide {
                booking, answer, ..
            } if answer.status == 404 && !gone.contains(booking) => {
                unfound.push(format!("{booking} of {user}"));
            }
            _ => {}
        }
    }

    // The prober cancels what it was told a moment before.
    let walks = world
        .walks
        .iter()
        .filter_map(|walk| Some((walk, walk.failed.as_ref()?)));
    let walks = walks.filter(|(_, failed)| failed.step == "cancel" && failed.status == 404);
    let walks = walks.filter(|(walk, _)| {
        !(walk.began_ms..=walk.ended_ms).any(|at_ms| world.may_have_lost(at_ms))
    });

    unfound.extend(
        walks.map(|(walk, _)| format!("a walk's over {} and {}", walk.gateway, walk.booking)),
    );
    let finding = |text: &str, all: Vec<String>| {
        (!all.is_empty()).then(|| {
            Finding::violation(Rule::Durable, all.len(), format!("{text}: {}", some(&all)))
        })
    };

    [
        finding("201 was answered and there is no row", lost),
        finding(
            "201 was answered and the row tells of something else",
            different,
        ),
        finding(
            "200 was answered and the row does not have that status",
            undone,
        ),
        finding(
            "a booking that was told with 201 was not found (404)",
            unfound,
        ),
        finding(
            "what the primary had committed last is gone with it",
            excused,
        )
        .map(|finding| Finding {
            weight: Weight::Documented,
            ..finding
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Bookings that were told of when their commits may have been lost, and are not there.
fn gone_with_a_primary(world: &World, rows: &BTreeMap<Uuid, &Booking>) -> BTreeSet<Uuid> {
    let told = world
        .records
        .iter()
        .filter(|record| world.may_have_lost(record.at_ms));
    let told = told.filter_map(|record| match &record.seen {
        Seen::Reserve { answer, .. } if answer.status == 201 => answer.booking,
        _ => None,
    });
    told.filter(|booking| !rows.contains_key(booking)).collect()
}
