#!/usr/bin/env bash
# utoipa 5.5 does not see `#[serde(rename = …)]` whose text comes from a `literal` fragment of a macro: schema and JSON disagree.
#
# Versions: utoipa 5.5.0, serde 1.0.228, serde_json 1.0.150 (crates.io).
# Setting: a macro writes a struct from a table and passes the name on the wire as `$name:literal`. The struct derives `Serialize` and
# `ToSchema`.
# A good guess: utoipa reads serde's attributes, so both use the new name; an attribute that it cannot read is an error.
# Seen: serde writes `taken_back`, the schema has `unclaimed`, and nothing is said. With `$name:tt` both have `taken_back`: a `literal`
# fragment reaches the derive macro inside an invisible group.
# Consequence: the table of counters takes its names as `tt`; a test compares the schema with the table.
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
serde = { version = "=1.0.228", features = ["derive"] }
serde_json = "=1.0.150"
utoipa = "=5.5.0"
TOML
cat >"$work/trial/src/main.rs" <<'RUST'
use std::process::exit;

use serde::Serialize;
use utoipa::{PartialSchema, ToSchema};

macro_rules! by_literal {
    ($Struct:ident, $field:ident as $name:literal) => {
        #[derive(Serialize, ToSchema)]
        struct $Struct {
            #[serde(rename = $name)]
            $field: u64,
        }
    };
}

macro_rules! by_token {
    ($Struct:ident, $field:ident as $name:tt) => {
        #[derive(Serialize, ToSchema)]
        struct $Struct {
            #[serde(rename = $name)]
            $field: u64,
        }
    };
}

by_literal!(Literal, unclaimed as "taken_back");
by_token!(Token, unclaimed as "taken_back");

fn schema<T: PartialSchema>() -> String {
    serde_json::to_string(&T::schema()).unwrap()
}

fn main() {
    let json = serde_json::to_string(&Literal { unclaimed: 1 }).unwrap();
    let (literal, token) = (schema::<Literal>(), schema::<Token>());
    println!("json: {json}\nliteral: {literal}\ntoken: {token}");
    let _ = serde_json::to_string(&Token { unclaimed: 1 });

    let is_missed = json.contains("taken_back") && literal.contains("unclaimed");
    exit(i32::from(!is_missed || !token.contains("taken_back")));
}
RUST
CARGO_TARGET_DIR="$work/target" cargo run --quiet --manifest-path "$work/trial/Cargo.toml"
