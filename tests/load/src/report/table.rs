//! The report for people.

use std::fmt::Write;

use super::{Report, costs};

impl Report {
    /// The whole report as text.
    pub fn table(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("a String takes everything");
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "\n{}: {} users ({:?}), {} released/s, {} processes, {:.1} s",
            self.scenario,
            self.users,
            self.transport,
            self.release_rate,
            self.processes,
            self.seconds
        )?;
        self.write_counts(out)?;
        self.write_steps(out)?;
        self.write_errors(out)?;
        writeln!(out)?;

        let costs = self.used.iter().flat_map(|used| costs::lines(self, used));
        costs
            .into_iter()
            .try_for_each(|(name, text)| writeln!(out, "  {name:<18}{text}"))?;
        self.write_slopes(out)?;

        self.write_verdict(out)
    }

    fn write_counts(&self, out: &mut String) -> std::fmt::Result {
        let counts = &self.counts;
        for (name, count, percent) in [
            ("joined", counts.joined, self.joined_percent),
            ("passes", counts.passes, self.passes_percent),
            ("reserved", counts.reserved, self.reserved_percent),
            ("booked", counts.booked, self.booked_percent),
        ] {
            writeln!(out, "  {name:<16}{count:>9}  {percent:>6.2} %")?;
        }

        writeln!(out, "  {:<16}{:>9}", "stream errors", counts.stream_errors)?;
        let others = [
            ("cancelled", counts.cancelled),
            ("left", counts.left),
            ("sent away", counts.sent_away),
            ("rejoined", counts.rejoined),
            ("positions", counts.positions),
        ];

        let seen = others.iter().filter(|(_, count)| *count > 0);
        seen.into_iter()
            .try_for_each(|(name, count)| writeln!(out, "  {name:<16}{count:>9}"))?;

        let rates = [
            ("joins", self.joins_per_second),
            ("reservations", self.reservations_per_second),
        ];
        let mut known = rates
            .iter()
            .filter_map(|(name, rate)| Some((name, (*rate)?)));
        known.try_for_each(|(name, rate)| writeln!(out, "  {name:<16}{rate:>9.0}/s"))
    }

    fn write_steps(&self, out: &mut String) -> std::fmt::Result {
        write!(out, "\n  {:<18}{:>9}", "milliseconds", "count")?;
        ["p50", "p90", "p95", "p99", "max"]
            .iter()
            .try_for_each(|head| write!(out, "{head:>11}"))?;
        writeln!(out)?;

        for step in &self.steps {
            write!(out, "  {:<18}{:>9}", step.step.name(), step.count)?;
            let values = [
                step.p50_ms,
                step.p90_ms,
                step.p95_ms,
                step.p99_ms,
                step.max_ms,
            ];
            values
                .iter()
                .try_for_each(|value| write!(out, "{value:>11.1}"))?;
            writeln!(out)?;
        }

        Ok(())
    }

    fn write_errors(&self, out: &mut String) -> std::fmt::Result {
        if self.errors.is_empty() {
            return writeln!(out, "\n  no errors");
        }
        writeln!(out, "\n  errors")?;
        self.errors
            .iter()
            .try_for_each(|(kind, count)| writeln!(out, "  {count:>9}  {kind}"))
    }

    fn write_slopes(&self, out: &mut String) -> std::fmt::Result {
        if self.slopes.is_empty() {
            return Ok(());
        }

        writeln!(
            out,
            "\n  {:<18}{:>9}{:>12}{:>12}{:>10}",
            "flat?", "samples", "level", "per minute", "scatter"
        )?;
        self.slopes.iter().try_for_each(|slope| {
            let verdict = if slope.is_growth() { "GROWS" } else { "flat" };
            write!(
                out,
                "  {:<18}{:>9}{:>12.1}",
                slope.meter.name(),
                slope.samples,
                slope.level
            )?;
            writeln!(
                out,
                "{:>+12.3}{:>10.1}  {verdict}",
                slope.per_minute, slope.scatter
            )
        })
    }

    fn write_verdict(&self, out: &mut String) -> std::fmt::Result {
        if self.server_log.warnings > 0 {
            writeln!(
                out,
                "\n  the server logged {} warnings, at last",
                self.server_log.warnings
            )?;
            self.server_log
                .last
                .iter()
                .try_for_each(|line| writeln!(out, "    {line}"))?;
        }

        if self.audit.as_ref().is_some_and(Vec::is_empty) {
            writeln!(
                out,
                "\n  the audit of database, engine and stream found nothing"
            )?;
        }

        if self.failures.is_empty() {
            return writeln!(out, "\n  every assertions was kept");
        }

        writeln!(out, "\n  FAILED")?;
        self.failures
            .iter()
            .try_for_each(|failure| writeln!(out, "    {failure}"))
    }
}
