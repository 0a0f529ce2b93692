//! No more live passes than the cap, counted from below: a pass counts until its booking, its end,
//! or, if it was refused, the end of its claim window.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    finding::{Finding, Rule},
    history::History,
    world::{Seen, World},
};

pub(crate) fn check(world: &World, history: &History<'_>) -> Vec<Finding> {
    let mut booked: BTreeMap<&str, i64> = world
        .database
        .bookings
        .iter()
        .map(|booking| (booking.pass_id.as_str(), booking.created_at_ms))
        .collect();

    for record in world
        .records
        .iter()
        .filter(|record| world.may_have_lost(record.at_ms))
    {
        if let Seen::Reserve {
            pass_id, answer, ..
        } = &record.seen
            && answer.status == 201
        {
            booked.entry(pass_id).or_insert(record.at_ms); // its row may be gone
        }
    }

    let refused: BTreeSet<&str> = world
        .records
        .iter()
        .filter_map(|record| refused_pass(&record.seen))
        .collect();
    let mut findings = Vec::new();

    for (epoch, grants) in history.grants_by_epoch() {
        let mut changes = Vec::with_capacity(grants.len() * 2);
        for (pass_id, grant) in grants {
            let mut end = grant
                .ends_ms
                .min(booked.get(pass_id).copied().unwrap_or(i64::MAX));
            if refused.contains(pass_id) {
                end = end.min(grant.issued_ms + world.line.claim_window_ms);
            }
            changes.push((grant.issued_ms, 1_i64));
            changes.push((end.max(grant.issued_ms), -1));
        }
        let max = max_level(changes);
        if max > world.line.cap {
            let text = format!(
                "at least {max} passes of line {epoch} were live at once, the cap is {}",
                world.line.cap
            );
            findings.push(Finding::violation(Rule::Cap, max - world.line.cap, text));
        }
    }

    findings
}

fn refused_pass(seen: &Seen) -> Option<&str> {
    match seen {
        Seen::PassRefused { pass_id, code, .. }
            if matches!(code.as_str(), "PASS_REVOKED" | "PASS_USED") =>
        {
            Some(pass_id)
        }
        _ => None,
    }
}

/// The highest level; at the same moment, ends come before beginnings.
fn max_level(mut changes: Vec<(i64, i64)>) -> usize {
    changes.sort_unstable();
    let (mut level, mut max) = (0_i64, 0_i64);
    for (_, change) in changes {
        level += change;
        max = max.max(level);
    }
    usize::try_from(max).unwrap_or(0)
}
