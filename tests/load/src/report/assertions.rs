//! Checks the assertions of the scenario against the results of the run.

use super::Report;
use crate::scenario::Assertions;

/// The assertions that failed, in words.
pub(super) fn failed(report: &Report, assertions: Assertions) -> Vec<String> {
    let (counts, users) = (&report.counts, report.users);
    let returning = assertions.returning(users);
    let everybody =
        |what: &str, count: u64| (count < users).then(|| format!("{what}: {count} of {users}"));
    let never = |what: &str, count: u64| (count > 0).then(|| format!("{what}: {count}"));
    let left = !report.ending.nothing_left() && assertions.leaves_nothing;
    let ending = &report.ending;
    let grown = report.slopes.iter().filter(|slope| slope.is_growth());
    let grown = grown.map(|slope| {
        format!(
            "{} grew by {:.1} a minute",
            slope.meter.name(),
            slope.per_minute
        )
    });

    let failed = [
        everybody("joined", counts.joined),
        assertions
            .passes
            .then(|| everybody("passes", counts.passes))
            .flatten(),
        assertions
            .reserved
            .then(|| everybody("reserved", counts.reserved))
            .flatten(),
        assertions
            .booked
            .then(|| everybody("booked", counts.booked))
            .flatten(),
        (counts.rejoined < returning)
            .then(|| format!("came back: {} of {returning}", counts.rejoined)),
        never("stream errors", counts.stream_errors),
        never("positions that grew", counts.position_grew),
        left.then(|| {
            format!(
                "left behind: {} in line, {} passes, {} of {} seats free",
                ending.in_line, ending.active_passes, ending.seats_available, ending.seats
            )
        }),
        (report.server_log.ended_in_order == Some(false))
            .then(|| "the server did not end in order".to_owned()),
    ];
    failed.into_iter().flatten().chain(grown).collect()
}
