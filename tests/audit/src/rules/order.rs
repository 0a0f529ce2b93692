//! Passes are released in the order of the line among those who are present.
//!
//! For each pass that passes somebody over: was the one who was passed over connected from a moment
//! before the release until a moment after it? While a gateway or Redis is silent, and for as long
//! as its users may count as absent, that is a documented exception.

use std::collections::BTreeMap;

use super::some;
use crate::{
    finding::{Finding, Rule},
    history::{Grant, History},
    world::{Seen, World},
};

/// A connection counts if it stood this long before the release.
const BEFORE_MS: i64 = 1_500;
/// And this long after it.
const AFTER_MS: i64 = 300;
/// Users of a silent gateway count as absent for this long after the fault's end: ten seconds, and
/// a few to come back.
const ABSENT_MS: i64 = 13_000;

pub(crate) fn check(world: &World, history: &History<'_>) -> Vec<Finding> {
    let mut passed_over = Vec::new();
    let mut excused = Vec::new();

    for (epoch, grants) in history.grants_by_epoch() {
        let grants: Vec<&Grant<'_>> = grants.into_iter().map(|(_, grant)| grant).collect();
        let front = front_over_time(&grants);
        let mut issued: BTreeMap<u64, i64> = BTreeMap::new();
        for grant in &grants {
            issued.entry(grant.number).or_insert(grant.issued_ms);
        }
        for (number, (user, since)) in holders(history, epoch) {
            let Some((behind, moment)) = front.iter().find(|(other, _)| *other > number).copied()
            else {
                continue;
            };
            let own = issued.get(&number);
            let in_time = own.is_some_and(|own| *own <= moment);
            let was_waiting = since <= moment - BEFORE_MS && is_connected(history, user, moment);
            if in_time
                || !was_waiting
                || has_given_up(history, user, number, moment)
                || has_had_a_pass(history, user, moment, own.is_none())
            {
                continue;
            }
            let text = format!("{user} with number {number} by number {behind}");
            if is_excused(world, moment) {
                excused.push(text)
            } else {
                passed_over.push(text)
            }
        }
    }

    let mut findings = Vec::new();
    if !passed_over.is_empty() {
        let text = format!("connected users were passed over: {}", some(&passed_over));
        findings.push(Finding::violation(Rule::Order, passed_over.len(), text));
    }

    if !excused.is_empty() {
        let text = format!(
            "users behind a silent gateway or Redis were passed over: {}",
            some(&excused)
        );
        findings.push(Finding::documented(Rule::Order, excused.len(), text));
    }

    findings
}

/// Who had which number of this line, and since when they knew.
fn holders<'w>(history: &History<'w>, epoch: &str) -> BTreeMap<u64, (&'w str, i64)> {
    let mut holders = BTreeMap::new();
    for (user, tickets) in &history.tickets {
        for ticket in tickets.iter().filter(|ticket| ticket.epoch == epoch) {
            holders
                .entry(ticket.number)
                .or_insert((*user, ticket.at_ms));
        }
    }

    for grant in history.grants.values().filter(|grant| grant.epoch == epoch) {
        holders
            .entry(grant.number)
            .or_insert((grant.user, grant.seen_ms));
    }

    holders
}

/// The highest number that had been released, at each moment when it rose. Ordered by number and
/// time alike.
fn front_over_time(grants: &[&Grant<'_>]) -> Vec<(u64, i64)> {
    let mut front: Vec<(u64, i64)> = Vec::new();
    for grant in grants {
        if front
            .last()
            .is_none_or(|(number, _)| grant.number > *number)
        {
            front.push((grant.number, grant.issued_ms));
        }
    }

    front
}

fn is_connected(history: &History<'_>, user: &str, moment: i64) -> bool {
    let spells = history.spells(user);
    spells
        .iter()
        .any(|spell| spell.from_ms <= moment - BEFORE_MS && spell.to_ms >= moment + AFTER_MS)
}

/// The user left, or has another number, which `place` judges.
fn has_given_up(history: &History<'_>, user: &str, number: u64, moment: i64) -> bool {
    history.users.get(user).is_some_and(|records| {
        let mut earlier = records
            .iter()
            .take_while(|record| record.at_ms <= moment + BEFORE_MS);
        let held =
            |seen: &Seen| matches!(seen, Seen::Ticket { number: other, .. } if *other == number);
        earlier.by_ref().any(|record| held(&record.seen));
        earlier.any(|record| match &record.seen {
            Seen::Left | Seen::Leaves => true,
            Seen::Ticket { number: other, .. } => *other != number,
            _ => false,
        })
    })
}

/// A pass of an earlier line or one that was refused: the number is then not waiting any more.
fn has_had_a_pass(history: &History<'_>, user: &str, moment: i64, any: bool) -> bool {
    let granted = any
        && history
            .grants
            .values()
            .any(|grant| grant.user == user && grant.issued_ms < moment);
    let refused = history.users.get(user).is_some_and(|records| {
        let mut earlier = records.iter().take_while(|record| record.at_ms < moment);
        earlier.any(|record| matches!(record.seen, Seen::PassRefused { .. }))
    });
    granted || refused
}

/// Is a gateway or Redis silent at this moment, or may its users still count as absent?
pub(super) fn is_excused(world: &World, moment: i64) -> bool {
    world.faults.iter().any(|fault| {
        fault.silences && fault.from_ms - 500 <= moment && moment <= fault.to_ms + ABSENT_MS
    })
}
