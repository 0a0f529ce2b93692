#!/usr/bin/env bash
# figment 0.10.19: `Value::to_u128` is nothing for a positive number of a TOML file, so a range check by it lets everything pass.
#
# Versions: figment 0.10.19 (crates.io).
# Setting: layered settings; a check reads each number of the merged values with `to_u128`, the widest unsigned form, and compares it with
# a range.
# A good guess: `to_u128` gives 70000 for `port = 70000`, since it is a conversion to the widest type.
# Seen: `Some` for a number from a flag (`u64`), `None` for the same number from a file: TOML's integers are `i64`, and `to_u128` converts
# unsigned ones only; `to_i128` converts signed ones only. A check of the form `if let Some(number)` skips the file's numbers.
# Consequence: ranges are checked after the settings are read into their types, not on figment's values.
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
figment = { version = "=0.10.19", features = ["toml"] }
TOML
cat >"$work/trial/src/main.rs" <<'RUST'
use std::process::exit;

use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
};

fn main() {
    let file = Figment::from(Toml::string("port = 70000"));
    let flag = Figment::from(Serialized::default("port", 70_000_u64));
    let [file, flag] = [file, flag].map(|layer| layer.find_value("port").unwrap());

    let (from_file, from_flag) = (file.to_u128(), flag.to_u128());
    println!("to_u128: file {from_file:?}, flag {from_flag:?}");
    println!("to_i128: file {:?}, flag {:?}", file.to_i128(), flag.to_i128());

    exit(i32::from(from_file.is_some() || from_flag != Some(70_000)));
}
RUST
CARGO_TARGET_DIR="$work/target" cargo run --quiet --manifest-path "$work/trial/Cargo.toml"
