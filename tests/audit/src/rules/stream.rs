//! Each change of a booking is in the stream once, a booking's beginning before its end, and
//! nothing that the database lacks.

use std::collections::{BTreeMap, BTreeSet};

use super::some;
use crate::{
    finding::{Finding, Rule, Weight},
    history::History,
    world::{Status, World},
};

pub(crate) fn check(world: &World, _: &History<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let waiting = world.database.messages_waiting;

    if waiting > 0 {
        let count = usize::try_from(waiting).unwrap_or(usize::MAX);
        findings.push(Finding::violation(
            Rule::Stream,
            count,
            format!("{waiting} messages still wait in the outbox"),
        ));
    }

    let Some(stream) = &world.stream else {
        return findings;
    };
    let mut seen: BTreeMap<&str, Vec<u64>> = BTreeMap::new();

    for message in &stream.messages {
        seen.entry(&message.id).or_default().push(message.sequence);
    }

    let mut expected = BTreeSet::new();
    let mut reversed = Vec::new();

    for row in &world.database.bookings {
        let message = |status: Status| format!("{}:{}", row.booking_id, status.name());
        let (begun, ended) = (message(Status::Reserved), message(row.status));
        if let (Some(begun), Some(ended)) = (seen.get(begun.as_str()), seen.get(ended.as_str()))
            && ended[0] < begun[0]
        {
            reversed.push(row.booking_id);
        }
        expected.extend([begun, ended]);
    }

    let twice: Vec<&str> = seen
        .iter()
        .filter(|(_, at)| at.len() > 1)
        .map(|(id, _)| *id)
        .collect();
    let missing: Vec<&String> = expected
        .iter()
        .filter(|id| !seen.contains_key(id.as_str()))
        .collect();
    let unknown: Vec<&&str> = seen.keys().filter(|id| !expected.contains(**id)).collect();

    // A stream that was thrown away takes what it held with it, and what it knew of repetitions.
    let weight = if stream.lost {
        Weight::Documented
    } else {
        Weight::Violation
    };
    let mut say = |weight: Weight, count: usize, text: String| {
        if count > 0 {
            findings.push(Finding {
                rule: Rule::Stream,
                weight,
                count,
                text,
            });
        }
    };

    say(
        weight,
        twice.len(),
        format!(
            "messages are in the stream more than once: {}",
            some(&twice)
        ),
    );
    say(
        weight,
        missing.len(),
        format!("messages are not in the stream: {}", some(&missing)),
    );

    let text = format!(
        "messages tell of what the database does not have: {}",
        some(&unknown)
    );

    // A primary that is lost with its last commits may have had them told.
    say(
        if world.loses_commits() {
            Weight::Documented
        } else {
            Weight::Violation
        },
        unknown.len(),
        text,
    );

    let text = format!(
        "bookings end in the stream before they begin: {}",
        some(&reversed)
    );
    say(weight, reversed.len(), text);
    findings
}
