//! The routes, as a client meets them: SQLite in memory, the engine in memory, no sockets.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

#[path = "../../waitingroom/engine/tests/fixture/single_action.rs"]
#[allow(dead_code, reason = "the suites share it, and none needs all of it")]
mod single_action;

mod http {
    mod admin;
    mod app;
    mod availability;
    mod catalogue;
    mod codes;
    mod decisions;
    mod faults;
    mod live;
    mod outages;
    mod recovery;
    mod reserving;
    mod venues;
}
