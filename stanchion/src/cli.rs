//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use waitingroom_domain::ids::UserId;

use crate::config::Settings;

/// A realtime waiting room that ends in a seat.
///
/// Without a command, every role runs in this process on the embedded default: an in-memory line, a
/// SQLite file in the data directory, nothing else to set up.
#[derive(Debug, Parser)]
#[command(version, about, long_about, propagate_version = true)]
pub struct Cli {
    /// What to run; every role on the embedded default where it is left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run it.
    #[command(flatten)]
    pub settings: Settings,
}

/// A role, or a tool.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a gateway: holds the line's connections (needs Redis)
    Gateway,
    /// Run booking: turns passes into reserved seats (needs Redis, PostgreSQL, NATS)
    Booking,
    /// Run a queue worker: releases the line (needs Redis)
    QueueWorker,
    /// Bring the database's schema up to date and exit
    Migrate,
    /// Write test data to the database: the load test's 900,000 seats, or the demo event
    Seed(Seed),
    /// Delete every booking and empty every line: for test data
    Reset(Reset),
    /// Hand the lines over to another Redis (a restart, a failover) without a loss: begin, move
    /// Redis, and they go on by themselves
    #[command(subcommand)]
    Handover(Handover),
    /// Print a user's token, signed with the configured secret
    Token(Token),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Ask a running role for its health; exit 1 where it is not well
    Health(Health),
}

/// `seed`.
#[derive(Debug, Args)]
pub struct Seed {
    /// Which data
    #[arg(long, value_enum, default_value_t = SeedData::LoadTest)]
    pub data: SeedData,
    /// Seats in each zone of the load test's data
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub seats_per_zone: u32,
}

/// Which data to seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SeedData {
    /// 3 events × 3 shows × 5 zones
    LoadTest,
    /// One pleasant event to try things out on
    Demo,
}

/// `reset`.
#[derive(Debug, Args)]
pub struct Reset {
    /// I know that this deletes every booking; required outside the embedded default
    #[arg(long)]
    pub delete_all_bookings: bool,
}

/// `handover …`.
#[derive(Debug, Subcommand)]
pub enum Handover {
    /// Let every line stand still, marked so that it is known wherever it is found; then restart
    /// Redis with what it has stored, or fail over
    Begin {
        /// Seconds after which they go on where they are, if nothing happens
        #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
    },
    /// Wait until every line goes on; exit 1 where one does not in time
    Wait {
        /// Longest wait
        #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..=3_600))]
        seconds: u64,
    },
    /// Let every line go on where it is, and wait for that
    Resume,
}

/// `token`.
#[derive(Debug, Args)]
pub struct Token {
    /// The user (sub)
    #[arg(long)]
    pub user: UserId,
    /// admin for an operator
    #[arg(long)]
    pub role: Option<String>,
    /// Seconds until it expires
    #[arg(long, default_value_t = 86_400)]
    pub ttl_seconds: u64,
}

/// `config …`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read flags, environment and file, and say what is in force; secrets are not shown
    Check,
}

/// `health`.
#[derive(Debug, Args)]
pub struct Health {
    /// Which role to ask
    #[arg(long, default_value = "http://127.0.0.1:8080/health")]
    pub url: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The help of the command and of every command below it, in short and in full.
    fn helps(command: &mut clap::Command) -> Vec<String> {
        let own = [command.render_help(), command.render_long_help()].map(|help| help.to_string());
        own.into_iter()
            .chain(command.get_subcommands_mut().flat_map(helps))
            .collect()
    }

    /// Doc comments become help, and a terminal shows their Markdown as it is written.
    #[test]
    fn help_is_plain_text() {
        let mut command = Cli::command();
        command.build();

        let helps = helps(&mut command);
        assert!(
            helps.len() > 20 && helps.iter().any(|help| help.contains("--dev-tokens")),
            "{}",
            helps.len()
        );

        for help in helps {
            for markup in ["`", "](", "**", "\\"] {
                assert!(!help.contains(markup), "{markup} in:\n{help}");
            }
        }
    }
}
