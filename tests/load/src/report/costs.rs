//! The cost of the run for the server, for each connection, user and pass.

use super::{Phase, Report, Used};

/// Name and text of each line.
pub(super) fn lines(report: &Report, used: &Used) -> Vec<(&'static str, String)> {
    let grown = used.peak_rss_kib.saturating_sub(used.before.rss_kib);
    let mut lines = vec![
        (
            "server memory",
            format!(
                "{:.1} MiB before, {:.1} peak, {:.1} after; {} KiB for each of {} connections at the peak",
                mib(used.before.rss_kib),
                mib(used.peak_rss_kib),
                mib(used.after.rss_kib),
                per(grown as f64, used.peak_connected as f64, 2),
                used.peak_connected
            ),
        ),
        ("server CPU", cpu(report, used)),
        (
            "descriptors",
            format!(
                "{} before, {} peak, {} after",
                used.before.descriptors, used.peak_descriptors, used.after.descriptors
            ),
        ),
    ];

    lines.extend(
        used.measured
            .iter()
            .map(|phase| ("measured phase", measured(report, used, phase))),
    );
    lines.extend(used.measured.iter().flat_map(|phase| parts(report, phase)));

    let own = format!(
        "{:.1} MiB, {} s of CPU",
        mib(used.workers_peak_kib),
        seconds(used.workers_cpu_ms)
    );
    lines.push(("load generator", own));
    lines
}

fn cpu(report: &Report, used: &Used) -> String {
    let total = used.cpu_ms as f64 * 1_000.0;
    let counts = &report.counts;
    let (users, passes) = (
        per(total, counts.joined as f64, 0),
        per(total, counts.passes as f64, 0),
    );

    format!(
        "{} s in all; {users} µs per user, {passes} µs per pass",
        seconds(used.cpu_ms)
    )
}

/// The phase's own cost, and what came before it.
fn measured(report: &Report, used: &Used, phase: &Phase) -> String {
    let us = phase.cpu_ms as f64 * 1_000.0;
    let cost = if report.reservations_per_second.is_some() {
        format!(
            "{} µs per booking",
            per(us, report.counts.reserved as f64, 0)
        )
    } else if report.counts.passes > 0 {
        format!(
            "{} µs per pass, reserved and confirmed",
            per(us, report.counts.passes as f64, 0)
        )
    } else {
        format!(
            "{} µs per second and connection",
            per(us, used.peak_connected as f64 * phase.seconds, 1)
        )
    };

    let a_join = |cpu_ms: u64| per(cpu_ms as f64 * 1_000.0, report.counts.joined as f64, 0);
    let (before, own) = (
        a_join(phase.cpu_before_ms),
        a_join(phase.workers_cpu_before_ms),
    );

    format!(
        "{:.1} s, {} s of CPU: {cost}; {:.1} MiB at its end; before it {before} µs per join, and {own} of the load generator",
        phase.seconds,
        seconds(phase.cpu_ms),
        mib(phase.rss_kib)
    )
}

/// The cost of a reservation for each process, if there are several.
fn parts(report: &Report, phase: &Phase) -> Vec<(&'static str, String)> {
    if report.reservations_per_second.is_none() || phase.parts.len() < 2 {
        return Vec::new();
    }

    let share = |cpu_ms: u64| per(cpu_ms as f64 * 1_000.0, report.counts.reserved as f64, 1);
    let line = |name: &str, cpu_ms, rss_kib| {
        (
            "",
            format!(
                "{name:<16} {:>7} µs of CPU per booking, {:>7.1} MiB",
                share(cpu_ms),
                mib(rss_kib)
            ),
        )
    };

    let mut lines: Vec<_> = phase
        .parts
        .iter()
        .map(|part| line(&part.name, part.cpu_ms, part.rss_kib))
        .collect();
    lines.push((
        "",
        format!(
            "{:<16} {:>7} µs",
            "load generator",
            share(phase.workers_cpu_ms)
        ),
    ));

    let sum = phase.parts.iter().map(|part| part.cpu_ms).sum::<u64>() + phase.workers_cpu_ms;
    lines.push(("", format!("{:<16} {:>7} µs", "all", share(sum))));
    lines
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn seconds(ms: u64) -> String {
    format!("{:.2}", ms as f64 / 1_000.0)
}

/// A share, or a dash if there is no user.
fn per(sum: f64, count: f64, digits: usize) -> String {
    if count > 0.0 {
        format!("{:.digits$}", sum / count)
    } else {
        "-".to_owned()
    }
}
