//! `stanchion`: the waiting room that ends in a seat. Parses the command line and hands over.

#![expect(
    unreachable_pub,
    reason = "a binary has no public interface; `pub` marks what a module offers the others"
)]

mod cli;
mod commands;
mod config;
mod descriptors;
mod output;
mod process;
mod roles;

use std::process::ExitCode;

/// A sixth of what booking computes under load went into the C library's allocator. Without huge
/// pages: they would take the memory of many small connections by half as much again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let matches = match cli::command().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => return output::report_usage(&error, &arguments),
    };

    match commands::run(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::report_failure(&error),
    }
}
