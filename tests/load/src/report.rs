//! How a run went: sums, failed assertions, a table, JSON.

mod assertions;
mod costs;
mod table;

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use serde::Serialize;

use crate::{
    cli::{Cli, Transport},
    growth_check::Slope,
    latency::{Latencies, Percentiles},
    scenario::Script,
    tally::{Counts, Tallied, add_errors},
    usage::{Part, Usage},
};

/// How a run went.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// How users followed the line.
    pub transport: Transport,
    /// How many there were.
    pub users: u64,
    /// Over how many processes.
    pub processes: u32,
    /// How long everything took, in seconds.
    pub seconds: f64,
    /// Users released per second, as set.
    pub release_rate: f64,
    /// The counters.
    pub counts: Counts,
    /// In per cent of the users.
    pub joined_percent: f64,
    /// In per cent of the users.
    pub passes_percent: f64,
    /// In per cent of the users.
    pub reserved_percent: f64,
    /// In per cent of the users.
    pub booked_percent: f64,
    /// Places taken per second, from the first arrival to the last place.
    pub joins_per_second: Option<f64>,
    /// Reservations per second, if only those were measured.
    pub reservations_per_second: Option<f64>,
    /// How long each step took.
    pub steps: Vec<Percentiles>,
    /// Faults with their number.
    pub errors: BTreeMap<String, u64>,
    /// The resources that the server used.
    pub used: Option<Used>,
    /// How what must not grow went, in `churn`.
    pub slopes: Vec<Slope>,
    /// The remains at the end.
    pub ending: Ending,
    /// The log of the own server.
    pub server_log: ServerLog,
    /// The violations that the auditor found in database, engine and stream; `None` if they could
    /// not be read.
    pub audit: Option<Vec<String>>,
    /// The assertions that failed.
    pub failures: Vec<String>,
}

/// The resources that server and workers used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Used {
    /// The server before the first user.
    pub before: Usage,
    /// The server's largest memory, in KiB.
    pub peak_rss_kib: u64,
    /// The server's most descriptors.
    pub peak_descriptors: u64,
    /// Max connections of users.
    pub peak_connected: u64,
    /// The server's CPU time over the run, in milliseconds.
    pub cpu_ms: u64,
    /// The server after the last user.
    pub after: Usage,
    /// `1k`, `3k`, `10k`: from the moment when all are in line to the end. `idle`: while everybody
    /// waits. `reserve`: from the first reservation to the end.
    pub measured: Option<Phase>,
    /// CPU time of the load generator itself, in milliseconds.
    pub workers_cpu_ms: u64,
    /// Memory of the load generator itself, in KiB.
    pub workers_peak_kib: u64,
}

/// The server over a part of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Phase {
    /// How long it took.
    pub seconds: f64,
    /// The server's CPU time before it, in milliseconds: what the joins cost.
    pub cpu_before_ms: u64,
    /// The server's CPU time in it, in milliseconds.
    pub cpu_ms: u64,
    /// The server's memory at its end, in KiB.
    pub rss_kib: u64,
    /// The load generator's CPU time before it, in milliseconds.
    pub workers_cpu_before_ms: u64,
    /// The load generator's CPU time in it, in milliseconds.
    pub workers_cpu_ms: u64,
    /// Each process of the server by itself.
    pub parts: Vec<Part>,
}

/// The remains once all users are gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// Users in line.
    pub in_line: u64,
    /// Passes neither used nor over.
    pub active_passes: u64,
    /// Available seats.
    pub seats_available: u64,
    /// All seats.
    pub seats: u64,
}

impl Ending {
    /// Is everything as it was before?
    pub const fn nothing_left(&self) -> bool {
        self.in_line == 0 && self.active_passes == 0 && self.seats_available == self.seats
    }
}

/// The log of the own server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ServerLog {
    /// Whether it ended in order each time. `None` for a server that was not ours.
    pub ended_in_order: Option<bool>,
    /// Lines of warnings and errors.
    pub warnings: usize,
    /// The last of them.
    pub last: Vec<String>,
}

impl Report {
    /// Sums up.
    #[expect(
        clippy::too_many_arguments,
        reason = "everything that is known about a run, put together in one place"
    )]
    pub fn new(
        cli: &Cli,
        script: &Script,
        processes: u32,
        took: Duration,
        tallied: Vec<Tallied>,
        used: Option<Used>,
        slopes: Vec<Slope>,
        ending: Ending,
        server_log: ServerLog,
    ) -> Self {
        let (latencies, mut counts, mut errors) =
            (Latencies::default(), Counts::default(), BTreeMap::new());
        for one in &tallied {
            counts += one.counts;
            latencies.add(&one.measured);
            add_errors(&mut errors, &one.errors);
        }

        let reserving = tallied
            .iter()
            .map(|one| one.reserving_seconds)
            .fold(0.0, f64::max);
        let joining = tallied
            .iter()
            .map(|one| one.joining_seconds)
            .fold(0.0, f64::max);
        let percent = |of: u64| of as f64 * 100.0 / f64::from(script.users);
        let mut report = Self {
            scenario: cli.scenario.name(),
            transport: cli.transport,
            users: script.users.into(),
            processes,
            seconds: took.as_secs_f64(),
            release_rate: script.terms.rate,
            counts,
            joined_percent: percent(counts.joined),
            passes_percent: percent(counts.passes),
            reserved_percent: percent(counts.reserved),
            booked_percent: percent(counts.booked),
            joins_per_second: (joining > 0.0).then(|| counts.joined as f64 / joining),
            reservations_per_second: (reserving > 0.0).then(|| counts.reserved as f64 / reserving),
            steps: latencies.percentiles(),
            errors,
            used,
            slopes,
            ending,
            server_log,
            audit: None,
            failures: Vec::new(),
        };

        report.failures = assertions::failed(&report, script.assertions);
        report
    }

    /// Adds what the auditor found: each violation is a assertions that was not kept.
    pub fn audited(&mut self, violations: Vec<String>) {
        self.failures.extend(
            violations
                .iter()
                .map(|violation| format!("audit: {violation}")),
        );
        self.audit = Some(violations);
    }

    /// The report for machines.
    ///
    /// # Errors
    /// None that plain data knows.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

#[cfg(test)]
mod tests;
