//! The figures of a run, and the table of all.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{
    cli::{Opening, Strategy, Workload},
    crowd::Received,
    measure::Reading,
};

/// Everything that was read of one run.
#[derive(Debug)]
pub struct Run {
    pub strategy: Strategy,
    pub users: u32,
    pub empty: Reading,
    pub joined: Reading,
    pub delivered: Reading,
    pub received: Received,
}

/// A row of the table.
type Figure = (&'static str, fn(&Run) -> f64, fn(f64) -> String);

const FIGURES: [Figure; 13] = [
    (
        "joined",
        |run| share(f64::from(run.received.joined), run.users),
        percent,
    ),
    (
        "delivered in time",
        |run| share(run.passes(), run.users),
        percent,
    ),
    ("p50", |run| run.quantile_ms(0.50), milliseconds),
    ("p99", |run| run.quantile_ms(0.99), milliseconds),
    (
        "Redis connections",
        |run| run.joined.connections - 1.0,
        count,
    ),
    (
        "Redis messages",
        |run| run.delivered.published - run.joined.published,
        count,
    ),
    (
        "Redis memory per user",
        |run| per(run.joined.redis_bytes - run.empty.redis_bytes, run.users),
        bytes,
    ),
    (
        "Redis CPU per join",
        |run| per(run.joined.redis_cpu_us - run.empty.redis_cpu_us, run.users),
        microseconds,
    ),
    (
        "Redis CPU per delivered pass",
        |run| (run.delivered.redis_cpu_us - run.joined.redis_cpu_us) / run.passes(),
        microseconds,
    ),
    (
        "gateway CPU per delivered pass",
        |run| (run.delivered.gateway_cpu_us - run.joined.gateway_cpu_us) / run.passes(),
        microseconds,
    ),
    (
        "messages per user",
        |run| per(run.received.messages as f64, run.users),
        tenths,
    ),
    (
        "gateway CPU per message",
        |run| {
            (run.delivered.gateway_cpu_us - run.joined.gateway_cpu_us)
                / run.received.messages as f64
        },
        microseconds,
    ),
    (
        "gateway memory per user",
        |run| {
            per(
                run.joined.gateway_bytes - run.empty.gateway_bytes,
                run.users,
            )
        },
        bytes,
    ),
];

impl Run {
    fn passes(&self) -> f64 {
        self.received
            .latencies
            .iter()
            .map(|(_, count)| *count as f64)
            .sum()
    }

    /// The latency that this share of the users had their pass within; infinite where fewer had one
    /// at all.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        let wanted = quantile * f64::from(self.users);
        let mut seen = 0.0;

        for (us, count) in &self.received.latencies {
            seen += *count as f64;
            if seen >= wanted {
                return *us as f64 / 1_000.0;
            }
        }

        f64::INFINITY
    }
}

/// One run in one line.
pub fn line(run: &Run) -> String {
    FIGURES
        .map(|(name, of, show)| format!("{name} {}", show(of(run))))
        .join(", ")
}

/// The medians of every strategy's runs, as Markdown: a row for each figure, so that the table stays
/// narrow.
pub fn table(workload: &Workload, runs: &[Run]) -> String {
    let strategies = &workload.strategies;
    let titles: Vec<&str> = strategies.iter().map(|of| of.title()).collect();
    let when = match workload.opening {
        Opening::WithPasses => "",
        Opening::Before => ", in a sale that is open already",
    };

    let mut lines = vec![
        format!(
            "{} users, {} passes/s{}; medians of {} runs.\n",
            workload.users, workload.rate, when, workload.runs
        ),
        format!("| figure | {} |", titles.join(" | ")),
        format!("|---|{}", "---|".repeat(titles.len())),
    ];

    for (name, of, show) in FIGURES {
        let median_of = |strategy: &Strategy| {
            let theirs = runs.iter().filter(|run| run.strategy == *strategy);
            show(median(theirs.map(of).collect()))
        };
        let cells: Vec<String> = strategies.iter().map(median_of).collect();
        lines.push(format!("| {name} | {} |", cells.join(" | ")));
    }
    lines.join("\n")
}

/// Puts the table into the file, between its two marks.
///
/// # Errors
/// A file without the marks, or that cannot be written.
pub fn write(file: &Path, table: &str) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let text = between(&text, table)
        .with_context(|| format!("{} lacks the marks {BEGIN} and {END}", file.display()))?;
    Ok(fs::write(file, text)?)
}

const BEGIN: &str = "<!-- strategies -->";
const END: &str = "<!-- /strategies -->";

fn between(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn share(part: f64, whole: u32) -> f64 {
    100.0 * part / f64::from(whole)
}

fn per(whole: f64, users: u32) -> f64 {
    whole / f64::from(users)
}

fn percent(value: f64) -> String {
    format!("{value:.4}")
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
        + " %"
}

fn milliseconds(value: f64) -> String {
    if value.is_infinite() {
        "never".to_owned()
    } else {
        format!("{value:.1} ms")
    }
}

fn microseconds(value: f64) -> String {
    format!("{value:.1} µs")
}

fn bytes(value: f64) -> String {
    if value.abs() < 1_024.0 {
        format!("{value:.0} B")
    } else {
        format!("{:.1} KiB", value / 1_024.0)
    }
}

fn tenths(value: f64) -> String {
    format!("{value:.1}")
}

fn count(value: f64) -> String {
    format!("{value:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_the_one_before() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb");
        assert_eq!(
            between(&text, "new").as_deref(),
            Some("a\n<!-- strategies -->\nnew\n<!-- /strategies -->\nb")
        );
        assert_eq!(between("a", "new"), None);
    }

    #[test]
    fn figures_are_shown_with_their_units() {
        assert_eq!([percent(100.0), percent(63.25)], ["100 %", "63.25 %"]);
        assert_eq!(
            [milliseconds(1.23), milliseconds(f64::INFINITY)],
            ["1.2 ms", "never"]
        );
        assert_eq!([bytes(0.2), bytes(6_758.0)], ["0 B", "6.6 KiB"]);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
