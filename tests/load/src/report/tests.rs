use clap::Parser;

use super::*;
use crate::latency::Step;

fn report(scenario: &str, counts: Counts) -> Report {
    let cli = Cli::parse_from(["stanchion-load", scenario, "--users", "100"]);
    let latencies = Latencies::default();

    (1..=100).for_each(|ms| latencies.record(Step::Reserve, Duration::from_millis(ms)));
    let errors = BTreeMap::from([("reserve: 503 UNAVAILABLE".to_owned(), 2)]);
    let tallied = Tallied {
        counts,
        measured: latencies.measured(),
        errors,
        joining_seconds: 2.0,
        reserving_seconds: 0.0,
    };

    let used = Used {
        before: Usage {
            rss_kib: 10_240,
            cpu_ms: 100,
            descriptors: 20,
        },
        peak_rss_kib: 10_740,
        peak_descriptors: 130,
        peak_connected: 100,
        cpu_ms: 50,
        after: Usage {
            rss_kib: 10_300,
            cpu_ms: 150,
            descriptors: 20,
        },
        measured: None,
        workers_cpu_ms: 10,
        workers_peak_kib: 2_048,
    };
    let (script, took) = (Script::of(&cli), Duration::from_secs(3));

    Report::new(
        &cli,
        &script,
        1,
        took,
        vec![tallied],
        Some(used),
        Vec::new(),
        Ending::default(),
        ServerLog::default(),
    )
}

fn everybody() -> Counts {
    Counts {
        joined: 100,
        passes: 100,
        booked: 100,
        rejoined: 100,
        ..Counts::default()
    }
}

#[test]
fn the_table_holds_shares_percentiles_errors_and_costs() {
    let table = report("smoke", everybody()).table();
    for expected in [
        "  joined                100  100.00 %\n",
        "  joins                  50/s\n",
        "  reserve                 100       50.0       90.0       95.0       99.0      100.0\n",
        "          2  reserve: 503 UNAVAILABLE\n",
        "5.00 KiB for each of 100 connections",
        "0.05 s in all; 500 µs per user, 500 µs per pass",
        "  every assertions was kept\n",
    ] {
        assert!(table.contains(expected), "{expected:?} is not in\n{table}");
    }
}

#[test]
fn every_broken_promise_is_named() {
    let failures = |scenario, counts| report(scenario, counts).failures;
    assert_eq!(
        failures(
            "smoke",
            Counts {
                booked: 99,
                ..everybody()
            }
        ),
        ["booked: 99 of 100"]
    );
    assert_eq!(
        failures(
            "smoke",
            Counts {
                stream_errors: 1,
                ..everybody()
            }
        ),
        ["stream errors: 1"]
    );
    assert_eq!(
        failures(
            "smoke",
            Counts {
                position_grew: 3,
                ..everybody()
            }
        ),
        ["positions that grew: 3"]
    );
    assert_eq!(
        failures(
            "drain",
            Counts {
                rejoined: 98,
                ..everybody()
            }
        ),
        ["came back: 98 of 100"]
    );
    assert_eq!(
        failures(
            "idle",
            Counts {
                joined: 100,
                ..Counts::default()
            }
        ),
        Vec::<String>::new()
    );
}

#[test]
fn machines_read_the_same() {
    let json: serde_json::Value =
        serde_json::from_str(&report("10k", everybody()).json().unwrap()).unwrap();
    assert_eq!(
        (&json["scenario"], &json["users"]),
        (&"10k".into(), &100.into())
    );
    assert_eq!(json["steps"][0]["step"], "reserve");
    assert_eq!(json["errors"]["reserve: 503 UNAVAILABLE"], 2);
    assert_eq!(json["used"]["before"]["rss_kib"], 10_240);
}
