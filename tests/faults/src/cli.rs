//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Runs a sale under faults and audits what clients saw, engine, database and stream
///
/// Each run starts its own servers and processes on free loopback ports, with a network between
/// them that can fail, and ends them. The binary under test is STANCHION_BIN. Redis, PostgreSQL and
/// NATS have to be on the PATH: put tests/services/run before the command. The exit code is 1 if a
/// promise was broken, or something did not work again after a fault.
#[derive(Debug, Parser)]
#[command(version, about, long_about)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The scenarios and what happens in each
    List,
    /// Run scenarios
    Run(RunOptions),
    /// Audit a world again that a run has written down
    Audit {
        /// The file
        world: PathBuf,
    },
}

/// How scenarios are run.
#[derive(Debug, clap::Args)]
pub struct RunOptions {
    /// Which: names, or `all`, which leaves out those with a crowd of thousands
    #[arg(required = true)]
    pub scenarios: Vec<String>,
    /// Runs of each, with seeds that count up
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub runs: u32,
    /// The seed of the first run [default: made up, and printed]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Users of the crowd [default: 300, or the scenario's own number]
    #[arg(long, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    pub users: Option<u32>,
    /// Short holds, a short sale, a third of the repetitions: a scenario in about half a minute
    #[arg(long)]
    pub hurry: bool,
    /// Times that a run is tried again that could not be carried out
    #[arg(long, default_value_t = 1)]
    pub retries: u32,
    /// Print the reports as JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Append the table to this file as well
    #[arg(long, value_name = "FILE")]
    pub table: Option<PathBuf>,
    /// Write each run's world into this folder if a promise was broken
    #[arg(long, value_name = "FOLDER")]
    pub worlds: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
