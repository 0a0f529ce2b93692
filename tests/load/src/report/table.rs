//! The report for people.

use std::fmt::Write;

use super::{Report, Used};

impl Report {
    /// The whole report as text.
    pub fn table(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("a String takes everything");
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let counts = &self.counts;
        writeln!(
            out,
            "\n{}: {} users ({:?}), {} released/s, {} processes, {:.1} s",
            self.scenario, self.users, self.transport, self.release_rate, self.processes, self.seconds
        )?;
        for (name, count, percent) in [
            ("joined", counts.joined, self.joined_percent),
            ("passes", counts.passes, self.passes_percent),
            ("booked", counts.booked, self.booked_percent),
        ] {
            writeln!(out, "  {name:<16}{count:>9}  {percent:>6.2} %")?;
        }
        writeln!(out, "  {:<16}{:>9}", "stream errors", counts.stream_errors)?;
        for (name, count) in [
            ("cancelled", counts.cancelled),
            ("left", counts.left),
            ("sent away", counts.sent_away),
            ("rejoined", counts.rejoined),
            ("positions", counts.positions),
        ] {
            if count > 0 {
                writeln!(out, "  {name:<16}{count:>9}")?;
            }
        }
        if let Some(rate) = self.reservations_per_second {
            writeln!(out, "  {:<16}{rate:>9.0}/s", "reservations")?;
        }
        self.write_steps(out)?;
        self.write_errors(out)?;
        if let Some(used) = &self.used {
            self.write_used(out, used)?;
        }
        self.write_verdict(out)
    }

    fn write_steps(&self, out: &mut String) -> std::fmt::Result {
        let heads = ["p50", "p90", "p95", "p99", "max"];
        write!(out, "\n  {:<18}{:>9}", "milliseconds", "count")?;
        heads.iter().try_for_each(|head| write!(out, "{head:>11}"))?;
        writeln!(out)?;
        for step in &self.steps {
            write!(out, "  {:<18}{:>9}", step.step.name(), step.count)?;
            let values = [step.p50_ms, step.p90_ms, step.p95_ms, step.p99_ms, step.max_ms];
            values.iter().try_for_each(|value| write!(out, "{value:>11.1}"))?;
            writeln!(out)?;
        }
        Ok(())
    }

    fn write_errors(&self, out: &mut String) -> std::fmt::Result {
        if self.errors.is_empty() {
            return writeln!(out, "\n  no errors");
        }
        writeln!(out, "\n  errors")?;
        self.errors.iter().try_for_each(|(kind, count)| writeln!(out, "  {count:>9}  {kind}"))
    }

    fn write_used(&self, out: &mut String, used: &Used) -> std::fmt::Result {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let grown = used.peak_rss_kib.saturating_sub(used.before.rss_kib);
        writeln!(
            out,
            "\n  server memory     {:.1} MiB before, {:.1} peak, {:.1} after; {:.2} KiB per connection at {} connections",
            mib(used.before.rss_kib),
            mib(used.peak_rss_kib),
            mib(used.after.rss_kib),
            per(grown as f64, used.peak_connected),
            used.peak_connected
        )?;
        writeln!(
            out,
            "  server CPU        {:.2} s; {} per user, {} per pass",
            used.cpu_ms as f64 / 1_000.0,
            micros(used.cpu_ms, self.counts.joined),
            micros(used.cpu_ms, self.counts.passes)
        )?;
        writeln!(
            out,
            "  descriptors       {} before, {} peak, {} after",
            used.before.descriptors, used.peak_descriptors, used.after.descriptors
        )?;
        if let Some(phase) = &used.measured {
            let (what, count) = if self.reservations_per_second.is_some() {
                ("per booking", self.counts.reserved as f64)
            } else {
                ("per second and connection", used.peak_connected as f64 * phase.seconds)
            };
            writeln!(
                out,
                "  measured phase    {:.1} s, {:.2} s of CPU ({:.1} µs {what}), {:.1} MiB",
                phase.seconds,
                phase.cpu_ms as f64 / 1_000.0,
                phase.cpu_ms as f64 * 1_000.0 / count.max(1.0),
                mib(phase.rss_kib)
            )?;
        }
        writeln!(
            out,
            "  load generator    {:.1} MiB, {:.2} s of CPU",
            mib(used.workers_peak_kib),
            used.workers_cpu_ms as f64 / 1_000.0
        )
    }

    fn write_verdict(&self, out: &mut String) -> std::fmt::Result {
        if self.server_log.warnings > 0 {
            writeln!(out, "\n  the server logged {} warnings, at last", self.server_log.warnings)?;
            self.server_log.last.iter().try_for_each(|line| writeln!(out, "    {line}"))?;
        }
        if self.failures.is_empty() {
            return writeln!(out, "\n  every promise was kept");
        }
        writeln!(out, "\n  FAILED")?;
        self.failures.iter().try_for_each(|failure| writeln!(out, "    {failure}"))
    }
}

fn per(sum: f64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}

fn micros(cpu_ms: u64, count: u64) -> String {
    if count == 0 { "-".to_owned() } else { format!("{:.0} µs", cpu_ms as f64 * 1_000.0 / count as f64) }
}
