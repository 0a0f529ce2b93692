//! No more passes than rate and burst allow: a bucket, replayed from the issue times, is never
//! overdrawn.

use crate::{
    finding::{Finding, Rule},
    history::History,
    world::{LineSettings, World},
};

/// Issue times are whole milliseconds, so a pass may seem to come a moment early.
const ROUNDING: f64 = 1.01;

pub(crate) fn check(world: &World, history: &History<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut all = Vec::new();

    for (epoch, grants) in history.grants_by_epoch() {
        let issued: Vec<i64> = grants.iter().map(|(_, grant)| grant.issued_ms).collect();
        all.extend(&issued);
        let over = overdrawn(&world.line, &issued);
        if over > ROUNDING {
            let text = format!("the bucket of line {epoch} was overdrawn by {over:.1} passes");
            findings.push(Finding::violation(Rule::Rate, over.ceil() as usize, text));
        }
    }

    all.sort_unstable();
    let over = overdrawn(&world.line, &all);

    if findings.is_empty() && over > ROUNDING {
        let text = format!(
            "over {} lines, each with a bucket of its own, by {over:.1} passes",
            history.epochs()
        );
        findings.push(Finding::documented(Rule::Rate, over.ceil() as usize, text));
    }

    findings
}

/// By how many passes the bucket was overdrawn at worst, over these ordered moments.
fn overdrawn(line: &LineSettings, issued: &[i64]) -> f64 {
    let (mut level, mut last, mut worst) = (line.burst, None, 0.0_f64);
    for at in issued {
        if let Some(last) = last {
            level = line
                .burst
                .min(level + line.rate * (at - last) as f64 / 1_000.0);
        }
        last = Some(*at);
        level -= 1.0;
        worst = worst.max(-level);
    }

    worst
}
