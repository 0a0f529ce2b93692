//! `stanchion-load`: thousands of users who go through line, pass and booking at once, and a table
//! of how they fared.
//!
//! The first process coordinates: it starts the server, creates the event, starts worker processes
//! and sums up. The workers are the users.

#![expect(
    unreachable_pub,
    reason = "a binary has no public interface; `pub` marks what a module offers the others"
)]

mod cli;
mod coordinator;
mod descriptors;
mod growth_check;
mod http;
mod latency;
mod loopback;
mod meters;
mod output;
mod plan;
mod queue_client;
mod report;
mod reserve;
mod sale;
mod scenario;
mod server;
mod tally;
mod token;
mod usage;
mod user;
mod worker;
mod worker_protocol;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };

    if std::env::args().nth(1).as_deref() == Some(worker::ARGUMENT) {
        let done = runtime.block_on(worker::run());
        runtime.shutdown_background(); // a thread of it still waits for orders
        return done.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS);
    }

    match runtime.block_on(coordinator::run(cli::Cli::parse())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    output::report(&format!("stanchion-load: {error:#}"));
    ExitCode::FAILURE
}
