//! How long it takes until an installation is whole again after a fault: until a walk of every pair
//! of gateway and booking succeeds, and until everybody whose connection it ended is back in line.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    history::History,
    world::{Fault, Record, Seen, World},
};

/// Connections that end this long after a fault's beginning were ended by it.
const ENDED_MS: i64 = 2_000;

/// The line runs again if it releases this share of its rate over a second.
const RATE_SHARE: f64 = 0.8;

/// Why a user's connection ends by their own act, as the recorder says it.
const OWN_ACTS: &[&str] = &["goes away", "buys", "done"];

/// How a fault was recovered from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// What was done.
    pub what: String,
    /// How long it lasted.
    pub lasted_ms: i64,
    /// From its end until every pair was whole; `None` if one never was.
    pub whole_ms: Option<i64>,
    /// From its end until the line ran at four fifths of its rate; `None` if it did not any more,
    /// or had nobody left to release.
    pub rate_ms: Option<i64>,
    /// Walks that failed meanwhile.
    pub failed_walks: usize,
    /// Those whose connection it ended while they waited; `None` if there are none.
    pub back: Option<Back>,
}

/// How soon those whose connections a fault ended were back in line, from the fault's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    /// How many they are.
    pub users: usize,
    /// Until 95 of 100 were told their place again; `None` if they were not.
    pub most_ms: Option<i64>,
    /// Until all were.
    pub all_ms: Option<i64>,
}

/// How each fault of a world was recovered from.
pub fn recoveries(world: &World) -> Vec<Recovery> {
    let history = History::of(world);
    world
        .faults
        .iter()
        .map(|fault| recovery(world, &history, fault))
        .collect()
}

fn recovery(world: &World, history: &History<'_>, fault: &Fault) -> Recovery {
    let pairs: BTreeSet<(&str, &str)> = world
        .walks
        .iter()
        .map(|walk| (walk.gateway.as_str(), walk.booking.as_str()))
        .collect();
    let mut first: BTreeMap<(&str, &str), i64> = BTreeMap::new();

    for walk in world
        .walks
        .iter()
        .filter(|walk| walk.began_ms >= fault.to_ms && walk.failed.is_none())
    {
        let whole = first
            .entry((&walk.gateway, &walk.booking))
            .or_insert(walk.ended_ms);
        *whole = walk.ended_ms.min(*whole);
    }

    let is_whole = !pairs.is_empty() && first.len() == pairs.len();
    let last = first.values().max().copied();
    let until = last.filter(|_| is_whole).unwrap_or(i64::MAX);
    let failed = world.walks.iter().filter(|walk| walk.failed.is_some());

    Recovery {
        what: format!("{} of {}", fault.what, fault.target),
        lasted_ms: fault.to_ms - fault.from_ms,
        whole_ms: last.filter(|_| is_whole).map(|last| last - fault.to_ms),
        rate_ms: rate_is_back(world, fault.to_ms),
        failed_walks: failed
            .filter(|walk| walk.began_ms >= fault.from_ms && walk.began_ms <= until)
            .count(),
        back: back(history, fault.from_ms),
    }
}

/// How soon the waiting users whose connections ended at this moment were told their place again.
fn back(history: &History<'_>, since_ms: i64) -> Option<Back> {
    let returns = history.users.iter().filter(|(user, records)| {
        let lost = |ended_ms: i64| (since_ms..=since_ms + ENDED_MS).contains(&ended_ms);
        let waited = !records
            .iter()
            .any(|record| record.at_ms <= since_ms && matches!(record.seen, Seen::Pass { .. }));
        waited
            && history
                .spells(user)
                .iter()
                .any(|spell| spell.from_ms <= since_ms && lost(spell.to_ms))
    });
    let mut returns: Vec<i64> = returns
        .filter_map(|(_, records)| returned(records, since_ms))
        .collect();

    returns.sort_unstable();
    let at = |place: usize| Some(returns[place - 1]).filter(|ms| *ms != i64::MAX);
    let users = returns.len();

    (users > 0).then(|| Back {
        users,
        most_ms: at((users * 95).div_ceil(100)),
        all_ms: at(users),
    })
}

/// How long after this moment a user whose connection ended was told their place again: never is
/// the largest number. `None` if the user's own act ended it.
fn returned(records: &[&Record], since_ms: i64) -> Option<i64> {
    let ended = records.iter().position(|record| {
        record.at_ms >= since_ms
            && matches!(
                record.seen,
                Seen::Detached { .. } | Seen::End { .. } | Seen::Pass { .. }
            )
    })?;

    if !matches!(&records[ended].seen, Seen::Detached { why, .. } if !OWN_ACTS.contains(&why.as_str()))
    {
        return None;
    }

    let told = |record: &&&Record| matches!(record.seen, Seen::Position { .. } | Seen::Pass { .. });
    Some(
        records[ended..]
            .iter()
            .find(told)
            .map_or(i64::MAX, |record| record.at_ms - since_ms),
    )
}

/// From this moment until the first second in which the line released at four fifths of its rate.
fn rate_is_back(world: &World, since_ms: i64) -> Option<i64> {
    let passes = world
        .records
        .iter()
        .filter_map(|record| match &record.seen {
            Seen::Pass {
                ends_at_ms,
                first: true,
                ..
            } => Some(ends_at_ms - world.line.pass_ttl_ms),
            _ => None,
        });
    let mut issued: Vec<i64> = passes.filter(|issued| *issued >= since_ms).collect();

    issued.sort_unstable();
    let enough = (world.line.rate * RATE_SHARE).ceil().max(1.0) as usize;
    let second = issued
        .windows(enough)
        .find(|second| second[enough - 1] - second[0] < 1_000)?;

    Some(second[0] - since_ms)
}
