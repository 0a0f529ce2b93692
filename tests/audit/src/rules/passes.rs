//! A place ends in one pass, which is good for one booking and is not refused before; everybody
//! gets one in the end.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::some;
use crate::{
    finding::{Finding, Rule, Weight},
    history::History,
    world::{Booking, Outcome, Record, Seen, World},
};

/// A pass that is refused as expired with less time left than this had run out.
const RUN_OUT_MS: i64 = 500;

pub(crate) fn check(world: &World, history: &History<'_>) -> Vec<Finding> {
    let mut findings = shared_or_altered(history);
    findings.extend(second_passes(history));
    findings.extend(used_twice(world));
    findings.extend(refused(world, history));
    findings.extend(never(history));
    findings
}

/// A pass is one user's, and what it says does not change. Only its end may be put off.
fn shared_or_altered(history: &History<'_>) -> Vec<Finding> {
    let (mut shared, mut altered) = (Vec::new(), Vec::new());
    for (user, records) in &history.users {
        for record in records {
            let Seen::Pass {
                pass_id,
                number,
                epoch,
                ends_at_ms,
                ..
            } = &record.seen
            else {
                continue;
            };
            let first = &history.grants[pass_id.as_str()];
            if first.user != *user {
                shared.push(format!("{pass_id} of {} was shown to {user}", first.user));
            } else if (first.number, first.epoch) != (*number, epoch.as_str())
                || *ends_at_ms < first.ends_ms
            {
                altered.push(format!("{pass_id} of {user}"));
            }
        }
    }

    let finding = |text: &str, all: Vec<String>| {
        (!all.is_empty())
            .then(|| Finding::violation(Rule::Pass, all.len(), format!("{text}: {}", some(&all))))
    };
    finding("a pass was shown to two users", shared)
        .into_iter()
        .chain(finding("a pass said another thing than before", altered))
        .collect()
}

/// More than one pass needs a reason that the client saw, or a line that was begun again.
fn second_passes(history: &History<'_>) -> Vec<Finding> {
    let mut without_reason: BTreeMap<bool, Vec<String>> = BTreeMap::new();
    for (user, records) in &history.users {
        let (mut before, mut has_reason): (Option<&str>, bool) = (None, false);
        for record in records {
            match &record.seen {
                Seen::Pass {
                    first: true,
                    epoch,
                    pass_id,
                    ..
                } => {
                    if let Some(before) = before.replace(epoch).filter(|_| !has_reason) {
                        let is_rebuilt = before != epoch;
                        without_reason
                            .entry(is_rebuilt)
                            .or_default()
                            .push(format!("{pass_id} of {user}"));
                    }
                    has_reason = false;
                }
                Seen::Refusal { code } => {
                    has_reason |= matches!(
                        code.as_str(),
                        "PASS_REVOKED" | "PASS_EXPIRED" | "NOT_IN_QUEUE" | "REMOVED"
                    );
                }
                Seen::PassRefused { .. } | Seen::Left | Seen::Leaves => has_reason = true,
                _ => {}
            }
        }
    }

    let finding = |(is_rebuilt, all): (bool, Vec<String>)| {
        let weight = if is_rebuilt {
            Weight::Documented
        } else {
            Weight::Violation
        };
        let text = format!(
            "another pass without a reason that the client saw: {}",
            some(&all)
        );
        Finding {
            rule: Rule::Pass,
            weight,
            count: all.len(),
            text,
        }
    };
    without_reason.into_iter().map(finding).collect()
}

fn used_twice(world: &World) -> Vec<Finding> {
    let mut made: BTreeMap<&str, BTreeSet<Uuid>> = BTreeMap::new();
    let mut twice = Vec::new();

    for booking in &world.database.bookings {
        made.entry(&booking.pass_id)
            .or_default()
            .insert(booking.booking_id);
    }

    for record in &world.records {
        match &record.seen {
            Seen::Reserve {
                pass_id, answer, ..
            } if answer.status == 201 => {
                made.entry(pass_id).or_default().extend(answer.booking);
            }
            Seen::AnotherBooking {
                first,
                second,
                repeated,
            } => {
                twice.push(format!(
                    "{repeated} of {} made {first}, then {second}",
                    record.user
                ));
            }
            _ => {}
        }
    }

    let several = made.iter().filter(|(_, bookings)| bookings.len() > 1);
    twice.extend(several.map(|(pass_id, bookings)| format!("{pass_id} made {bookings:?}")));

    if twice.is_empty() {
        return Vec::new();
    }

    vec![Finding::violation(
        Rule::Pass,
        twice.len(),
        format!("a pass made more than one booking: {}", some(&twice)),
    )]
}

/// A pass was refused although its user had made no booking with it and its time was not over.
fn refused(world: &World, history: &History<'_>) -> Vec<Finding> {
    let booked: BTreeMap<&str, &Booking> = world
        .database
        .bookings
        .iter()
        .map(|booking| (booking.pass_id.as_str(), booking))
        .collect();
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();

    for (user, records) in &history.users {
        let mut taken_back = false;
        for record in records {
            match &record.seen {
                Seen::Refusal { code } if code == "PASS_REVOKED" => taken_back = true,
                Seen::PassRefused {
                    pass_id,
                    code,
                    left_ms,
                } => {
                    let kind = match code.as_str() {
                        "PASS_EXPIRED" if *left_ms <= RUN_OUT_MS => continue,
                        "PASS_EXPIRED" => "PASS_EXPIRED with time left".to_owned(),
                        "PASS_USED" if booked.contains_key(pass_id.as_str()) => {
                            "PASS_USED for a booking that the user was never told of".to_owned()
                        }
                        "PASS_USED" => "PASS_USED without a booking".to_owned(),
                        "PASS_REVOKED" if !taken_back => {
                            "PASS_REVOKED, which the line had not said".to_owned()
                        }
                        code => code.to_owned(),
                    };
                    kinds
                        .entry(kind)
                        .or_default()
                        .push(format!("{pass_id} of {user} with {left_ms} ms left"));
                }
                _ => {}
            }
        }
    }

    let finding = |(kind, all): (String, Vec<String>)| {
        Finding::violation(
            Rule::Pass,
            all.len(),
            format!("unused passes were refused, {kind}: {}", some(&all)),
        )
    };
    kinds.into_iter().map(finding).collect()
}

fn never(history: &History<'_>) -> Option<Finding> {
    let waited_in_vain = |records: &[&Record]| {
        let ended = records.iter().rev().find_map(|record| match record.seen {
            Seen::End { outcome } => Some(outcome),
            _ => None,
        });
        let had_a_pass = records
            .iter()
            .any(|record| matches!(record.seen, Seen::Pass { .. }));
        ended.is_none_or(|outcome| outcome == Outcome::Unfinished) && !had_a_pass
    };
    let never: Vec<&str> = history
        .users
        .iter()
        .filter(|(_, records)| waited_in_vain(records))
        .map(|(user, _)| *user)
        .collect();

    let text = format!(
        "users waited to the end and never had a pass: {}",
        some(&never)
    );
    (!never.is_empty()).then(|| Finding::violation(Rule::Pass, never.len(), text))
}
