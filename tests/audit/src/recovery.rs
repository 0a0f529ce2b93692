//! How long it takes until an installation is whole again after a fault: until a walk of every pair of gateway and booking succeeds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::world::{Fault, Seen, World};

/// The line runs again if it releases this share of its rate over a second.
const RATE_SHARE: f64 = 0.8;

/// How a fault was recovered from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// What was done.
    pub what: String,
    /// How long it lasted.
    pub lasted_ms: i64,
    /// From its end until every pair was whole; `None` if one never was.
    pub whole_ms: Option<i64>,
    /// From its end until the line ran at four fifths of its rate; `None` if it did not any more, or had nobody left to release.
    pub rate_ms: Option<i64>,
    /// Walks that failed meanwhile.
    pub failed_walks: usize,
}

/// How each fault of a world was recovered from.
pub fn recoveries(world: &World) -> Vec<Recovery> {
    world.faults.iter().map(|fault| recovery(world, fault)).collect()
}

fn recovery(world: &World, fault: &Fault) -> Recovery {
    let pairs: BTreeSet<(&str, &str)> =
        world.walks.iter().map(|walk| (walk.gateway.as_str(), walk.booking.as_str())).collect();
    let mut first: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for walk in world.walks.iter().filter(|walk| walk.began_ms >= fault.to_ms && walk.failed.is_none()) {
        let whole = first.entry((&walk.gateway, &walk.booking)).or_insert(walk.ended_ms);
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
        failed_walks: failed.filter(|walk| walk.began_ms >= fault.from_ms && walk.began_ms <= until).count(),
    }
}

/// From this moment until the first second in which the line released at four fifths of its rate.
fn rate_is_back(world: &World, since_ms: i64) -> Option<i64> {
    let passes = world.records.iter().filter_map(|record| match &record.seen {
        Seen::Pass { ends_at_ms, first: true, .. } => Some(ends_at_ms - world.line.pass_ttl_ms),
        _ => None,
    });
    let mut issued: Vec<i64> = passes.filter(|issued| *issued >= since_ms).collect();
    issued.sort_unstable();
    let enough = (world.line.rate * RATE_SHARE).ceil().max(1.0) as usize;
    let second = issued.windows(enough).find(|second| second[enough - 1] - second[0] < 1_000)?;
    Some(second[0] - since_ms)
}
