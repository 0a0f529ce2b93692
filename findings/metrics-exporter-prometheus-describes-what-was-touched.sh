#!/usr/bin/env bash
# metrics-exporter-prometheus 0.18.3 leaves out a metric that is described and was never touched: no HELP, no TYPE, no zero.
#
# Versions: metrics 0.24.6, metrics-exporter-prometheus 0.18.3 (crates.io).
# Setting: a program describes its counters at its start, as the documentation of `describe_counter!` shows, and serves them.
# A good guess: each described counter is in the text with its HELP and TYPE and the value 0, as Prometheus' own client libraries do it
# for a counter without labels. An alert on `increase(errors_total[5m]) > 0` then sees the first error.
# Seen: the described counter is absent until it is touched. It appears with its first value, so `increase` of the first error is 0.
# Making the handle (`counter!(name)`) is enough to export it as 0; the HELP comes from the description then.
# Consequence: counters without labels are made at the start, beside their descriptions.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/trial/src"
cat >"$work/trial/Cargo.toml" <<'TOML'
[package]
name = "trial"
version = "0.0.0"
edition = "2024"

[dependencies]
metrics = "=0.24.6"
metrics-exporter-prometheus = { version = "=0.18.3", default-features = false }
TOML
cat >"$work/trial/src/main.rs" <<'RUST'
use std::process::exit;

use metrics_exporter_prometheus::PrometheusBuilder;

fn main() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).unwrap();
    metrics::describe_counter!("errors_total", "What went wrong.");

    let described = handle.render();
    println!("described: {described:?}");

    let _ = metrics::counter!("errors_total");
    let made = handle.render();
    println!("made: {made:?}");

    let is_whole = made.contains("# HELP errors_total") && made.contains("errors_total 0");
    exit(i32::from(described.contains("errors_total") || !is_whole));
}
RUST
CARGO_TARGET_DIR="$work/target" cargo run --quiet --manifest-path "$work/trial/Cargo.toml"
