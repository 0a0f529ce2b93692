//! What runs found: as a table, and for machines.

use std::collections::BTreeMap;

use serde::Serialize;
use stanchion_audit::{Back, Finding, Outcome, Recovery, Rule, Seen, World, violations};

/// A big crowd whose gateway dies is back in line within these times: 95 of 100, and all.
const MOST_BACK_MS: i64 = 5_000;
const ALL_BACK_MS: i64 = 15_000;

/// What one run found.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// The scenario.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Users of the crowd.
    pub users: u32,
    /// Everything that the auditor found.
    pub findings: Vec<Finding>,
    /// How each fault was recovered from.
    pub recoveries: Vec<Recovery>,
    /// How users ended.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// What went wrong for clients, by kind.
    pub errors: BTreeMap<String, usize>,
    /// Is it judged how soon the crowd was back in line?
    pub judges_returns: bool,
}

impl RunReport {
    /// What one run found in its world.
    pub fn new(
        scenario: &str,
        seed: u64,
        users: u32,
        findings: Vec<Finding>,
        recoveries: Vec<Recovery>,
        world: &World,
    ) -> Self {
        let (mut outcomes, mut errors) = (BTreeMap::new(), BTreeMap::new());
        for record in &world.records {
            match &record.seen {
                Seen::End { outcome } => *outcomes.entry(*outcome).or_default() += 1,
                Seen::Reserve { answer, .. } | Seen::Decide { answer, .. }
                    if !matches!(answer.status, 200 | 201) =>
                {
                    let code = answer.code.as_deref().unwrap_or("?");
                    let code = if answer.status == 0 {
                        "no answer"
                    } else {
                        code
                    };
                    *errors
                        .entry(format!("booking {} {code}", answer.status))
                        .or_default() += 1;
                }
                Seen::Refusal { code } => *errors.entry(format!("line {code}")).or_default() += 1,
                _ => {}
            }
        }

        let scenario = scenario.to_owned();
        Self {
            scenario,
            seed,
            users,
            findings,
            recoveries,
            outcomes,
            errors,
            judges_returns: false,
        }
    }

    /// Broken promises, by rule.
    pub fn broken(&self) -> BTreeMap<Rule, usize> {
        let mut broken = BTreeMap::new();
        for finding in violations(&self.findings) {
            *broken.entry(finding.rule).or_default() += finding.count;
        }
        broken
    }

    /// Was every promise kept, and did every pair work again after each fault?
    pub fn is_good(&self) -> bool {
        let is_whole = |recovery: &Recovery| recovery.whole_ms.is_some();
        let is_back =
            |recovery: &Recovery| !self.judges_returns || recovery.back.is_some_and(is_soon);
        self.broken().is_empty()
            && self
                .recoveries
                .iter()
                .all(|recovery| is_whole(recovery) && is_back(recovery))
    }

    /// A few lines for people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} seed {}: {:?}\n  errors {:?}\n",
            self.scenario, self.seed, self.outcomes, self.errors
        );

        for one in &self.recoveries {
            let ms = |ms: Option<i64>| {
                ms.map_or("never".to_owned(), |ms| {
                    format!("{:.1} s", ms as f64 / 1_000.0)
                })
            };
            let (whole, rate) = (ms(one.whole_ms), ms(one.rate_ms));
            text += &format!(
                "  {} ({:.1} s): whole again {whole}, rate {rate}\n",
                one.what,
                one.lasted_ms as f64 / 1_000.0
            );
            if let Some(back) = one.back {
                let (most, all) = (ms(back.most_ms), ms(back.all_ms));
                text += &format!(
                    "    {} users cut off: 95 % back in line after {most}, all after {all}\n",
                    back.users
                );
            }
        }

        for finding in &self.findings {
            text += &format!(
                "  {:?} {}: {} × {}\n",
                finding.weight,
                finding.rule.name(),
                finding.count,
                finding.text
            );
        }

        text
    }
}

fn is_soon(back: Back) -> bool {
    back.most_ms.is_some_and(|ms| ms <= MOST_BACK_MS)
        && back.all_ms.is_some_and(|ms| ms <= ALL_BACK_MS)
}

/// A table of all runs, in Markdown.
pub fn table(reports: &[RunReport]) -> String {
    let mut by_scenario: Vec<(&str, Vec<&RunReport>)> = Vec::new();
    for report in reports {
        match by_scenario
            .iter_mut()
            .find(|(name, _)| *name == report.scenario)
        {
            Some((_, runs)) => runs.push(report),
            None => by_scenario.push((&report.scenario, vec![report])),
        }
    }

    let mut table = "| scenario | runs | violations | whole again, median (worst) | rate back, median (worst) | back in line, worst: 95 % (all) |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();

    for (name, runs) in by_scenario {
        let whole = times(&runs, |recovery| recovery.whole_ms, "never");
        let rate = times(&runs, |recovery| recovery.rate_ms, "–");
        table += &format!(
            "| {name} | {} | {} | {whole} | {rate} | {} |\n",
            runs.len(),
            broken(&runs),
            returns(&runs)
        );
    }

    table
}

fn broken(runs: &[&RunReport]) -> String {
    let mut rules: BTreeMap<Rule, Vec<String>> = BTreeMap::new();
    for run in runs {
        for (rule, count) in run.broken() {
            rules.entry(rule).or_default().push(count.to_string());
        }
    }

    if rules.is_empty() {
        return "0".to_owned();
    }

    rules
        .iter()
        .map(|(rule, counts)| format!("{} {}", rule.name(), counts.join("+")))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Median and worst over all faults of all runs; `missing` is for those that never were.
fn times(runs: &[&RunReport], of: impl Fn(&Recovery) -> Option<i64>, missing: &str) -> String {
    let mut times: Vec<i64> = runs
        .iter()
        .flat_map(|run| &run.recoveries)
        .map(|recovery| of(recovery).unwrap_or(i64::MAX))
        .collect();

    if times.is_empty() {
        return String::new();
    }

    times.sort_unstable();
    let text = |ms: i64| {
        if ms == i64::MAX {
            missing.to_owned()
        } else {
            format!("{:.1} s", ms as f64 / 1_000.0)
        }
    };

    format!(
        "{} ({})",
        text(times[(times.len() - 1) / 2]),
        text(times[times.len() - 1])
    )
}

/// The worst over all faults of all runs that cut users off.
fn returns(runs: &[&RunReport]) -> String {
    let backs: Vec<Back> = runs
        .iter()
        .flat_map(|run| &run.recoveries)
        .filter_map(|recovery| recovery.back)
        .collect();
    let worst =
        |of: fn(&Back) -> Option<i64>| backs.iter().map(|back| of(back).unwrap_or(i64::MAX)).max();
    let text = |ms: i64| {
        if ms == i64::MAX {
            "never".to_owned()
        } else {
            format!("{:.1} s", ms as f64 / 1_000.0)
        }
    };

    match (worst(|back| back.most_ms), worst(|back| back.all_ms)) {
        (Some(most), Some(all)) => format!("{} ({})", text(most), text(all)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use stanchion_audit::Weight;

    use super::*;

    fn report(whole_ms: Option<i64>, lost: usize) -> RunReport {
        let back = Some(Back {
            users: 9,
            most_ms: Some(4_000),
            all_ms: Some(9_000),
        });
        let recovery = Recovery {
            what: "x".into(),
            lasted_ms: 1,
            whole_ms,
            rate_ms: Some(500),
            failed_walks: 0,
            back,
        };

        let finding = |weight, count| Finding {
            rule: Rule::Durable,
            weight,
            count,
            text: String::new(),
        };
        RunReport {
            scenario: "redis-flushed".into(),
            seed: 1,
            users: 1,
            findings: vec![
                finding(Weight::Violation, lost),
                finding(Weight::Documented, 7),
            ],
            recoveries: vec![recovery],
            outcomes: BTreeMap::new(),
            errors: BTreeMap::new(),
            judges_returns: false,
        }
    }

    #[test]
    fn a_table_tells_violations_of_each_run_and_the_worst_time() {
        let table = table(&[
            report(Some(600), 2),
            report(None, 1),
            report(Some(1_200), 3),
        ]);
        let row = table.lines().last().unwrap();

        assert_eq!(
            row,
            "| redis-flushed | 3 | durable 2+1+3 | 1.2 s (never) | 0.5 s (0.5 s) | 4.0 s (9.0 s) |"
        );
    }

    #[test]
    fn a_big_crowd_has_to_be_back_in_time() {
        let mut run = report(Some(600), 0);
        run.findings.clear();
        run.judges_returns = true;
        assert!(run.is_good());

        for late in [
            (Some(5_001), Some(9_000)),
            (Some(4_000), Some(15_001)),
            (Some(4_000), None),
        ] {
            run.recoveries[0].back = Some(Back {
                users: 9,
                most_ms: late.0,
                all_ms: late.1,
            });
            assert!(!run.is_good(), "{late:?}");
        }
    }
}
