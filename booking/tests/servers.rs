//! What needs real servers and several instances: PostgreSQL under two roles, JetStream under two
//! relays.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]
#![expect(dead_code, reason = "shared with the other suites, which use the rest")]
#![expect(
    unreachable_pub,
    reason = "servers of a test's own come from the harness of the other suites"
)]

#[path = "http/app.rs"]
mod app;
#[path = "store/databases.rs"]
mod databases;
#[path = "servers/drift.rs"]
mod drift;
#[path = "servers/expiry.rs"]
mod expiry;
#[path = "store/fixtures.rs"]
mod fixtures;
#[path = "servers/instances.rs"]
mod instances;
#[path = "servers/interceptor.rs"]
mod interceptor;
#[path = "servers/jetstream.rs"]
mod jetstream;
#[path = "servers/ledger.rs"]
mod ledger;
#[path = "servers/locked.rs"]
mod locked;
#[path = "servers/lost_answers.rs"]
mod lost_answers;
#[path = "servers/naive.rs"]
mod naive;
#[path = "servers/outages.rs"]
mod outages;
#[path = "servers/pgbouncer.rs"]
mod pgbouncer;
#[path = "../../tests/harness/ports.rs"]
mod ports;
#[path = "servers/postgres.rs"]
mod postgres;
#[path = "../../tests/harness/postgres_server.rs"]
mod postgres_server;
#[path = "../../tests/harness/process.rs"]
mod process;
#[path = "../../tests/harness/scratch.rs"]
mod scratch;
#[path = "../../tests/harness/server_process.rs"]
mod server_process;
#[path = "../../waitingroom/engine/tests/fixture/single_action.rs"]
#[allow(dead_code, reason = "the suites share it, and none needs all of it")]
mod single_action;
#[path = "servers/sold_out.rs"]
mod sold_out;
#[path = "servers/stall.rs"]
mod stall;
#[path = "servers/standby.rs"]
mod standby;
#[path = "../../tests/harness/wait.rs"]
mod wait;
