#!/usr/bin/env bash
# sqlx 0.9.0 refuses `begin_with` on an SQLite connection for good, once SQLite has ended one transaction by itself.
#
# Versions: sqlx 0.9.0 (crates.io) with the SQLite that its libsqlite3-sys bundles.
# Setting: a pool of one connection. In a transaction a statement fails in the way that makes SQLite roll back all of it: here by
# INSERT OR ROLLBACK; a full disk does the same. The program rolls back, or drops the transaction, and begins the next.
# A good guess: SQLite is in no transaction, so the next one begins as the first did.
# Seen: ROLLBACK is refused, since there is nothing to roll back, and the depth that sqlx counts stays at one. `begin` makes a savepoint
# in its place, which happens to work; `begin_with`, which BEGIN IMMEDIATE needs, is refused from then on:
# "attempted to call begin_with at non-zero transaction depth".
# Consequence: after an error in a transaction the connection is closed, or transactions are begun by statements of one's own.
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
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "sqlite"] }
tokio = { version = "1", features = ["rt", "macros"] }
TOML
cat >"$work/trial/src/main.rs" <<'RUST'
use std::process::exit;

use sqlx::sqlite::SqlitePoolOptions;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    sqlx::query("CREATE TABLE t (id INTEGER PRIMARY KEY)").execute(&pool).await.unwrap();
    sqlx::query("INSERT INTO t VALUES (1)").execute(&pool).await.unwrap();
    let immediate = async || pool.begin_with("BEGIN IMMEDIATE").await;

    let before = immediate().await.unwrap().rollback().await;
    println!("begin_with before: {before:?}");

    let mut transaction = immediate().await.unwrap();
    let again = sqlx::query("INSERT OR ROLLBACK INTO t VALUES (1)").execute(&mut *transaction).await;
    println!("the statement: {}", again.unwrap_err());
    let rolled_back = transaction.rollback().await;
    println!("rollback: {rolled_back:?}");

    let mut refused = 0;
    for _ in 0..3 {
        if let Err(error) = immediate().await {
            println!("begin_with: {error}");
            refused += 1;
        }
    }
    exit(i32::from(before.is_err() || rolled_back.is_ok() || refused != 3));
}
RUST
CARGO_TARGET_DIR="$work/target" cargo run --quiet --manifest-path "$work/trial/Cargo.toml"
