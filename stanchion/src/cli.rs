//! The command line.

use std::{ffi::OsString, path::PathBuf};

use clap::{Arg, ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum, value_parser};
use waitingroom_domain::ids::UserId;

use crate::config::{SETTING_TABLE, Settings, flag};

/// Below the settings, which have one line each.
const AFTER_HELP: &str = "\
Without a command, every role runs in this process on the embedded default: an in-memory queue,
a SQLite file in the data directory, nothing else to set up.

Each setting is a flag, a variable and a key of the file: --redis-url is STANCHION_REDIS_URL and
redis_url. docs/configuration.md has the details.";

/// A realtime waiting room that ends in a seat
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, propagate_version = true)]
pub struct Cli {
    /// Role or tool to run; every role on the embedded default if it is left out
    #[command(subcommand)]
    pub command: Option<Command>,
    /// TOML file with settings
    #[arg(
        long,
        env = "STANCHION_CONFIG",
        hide_env = true,
        global = true,
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// The settings, as far as flags give them.
    #[command(flatten)]
    pub settings: Settings,
}

/// The command line. Its help has one line a setting, in short and in full, and leaves out the
/// former names of flags.
pub fn command() -> clap::Command {
    let help = Arg::new("help")
        .short('h')
        .long("help")
        .help("Print help")
        .action(ArgAction::HelpShort)
        .global(true);
    let command = Cli::command()
        .disable_help_flag(true)
        .arg(help)
        .term_width(0) // else a text beyond column 100 gets a second line
        .mut_args(with_default);

    let former_names = SETTING_TABLE
        .iter()
        .filter_map(|setting| setting.former_name);
    former_names.fold(command, |command, name| {
        let flag = flag(name).trim_start_matches('-').to_owned();
        let arg = Arg::new(name).long(flag).global(true).hide(true);
        command.arg(arg.value_parser(value_parser!(OsString)))
    })
}

/// Writes what applies without a value as clap writes defaults.
fn with_default(arg: Arg) -> Arg {
    let setting = SETTING_TABLE
        .iter()
        .find(|setting| arg.get_id() == setting.name);
    match setting.and_then(|setting| Some((setting.help, setting.default?))) {
        Some((help, default)) => arg
            .help(format!("{help} [default: {default}]"))
            .hide_default_value(true),
        None => arg,
    }
}

/// A role, or a tool.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a gateway: holds the visitors' connections (needs Redis)
    Gateway,
    /// Run booking: turns passes into reserved seats (needs Redis, PostgreSQL, NATS)
    Booking,
    /// Run a queue worker: releases users from the queues (needs Redis)
    QueueWorker,
    /// Bring the database's schema up to date and exit
    Migrate,
    /// Write test data to the database: the load test's 900,000 seats, or the demo event
    Seed(Seed),
    /// Delete every booking and empty every queue: for test data
    Reset(Reset),
    /// Hand the queues over to another Redis (a restart, a failover) without a loss
    #[command(subcommand)]
    Handover(Handover),
    /// Print a user's token, signed with the configured secret
    Token(Token),
    /// Print a new key for Web Push, as a line of the settings' file, and its public half
    PushKey,
    /// Inspect the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Ask a running role for its health; exit 1 if it is not healthy
    Health(Health),
}

/// `seed`.
#[derive(Debug, Args)]
pub struct Seed {
    /// Data to write
    #[arg(long, value_enum, default_value_t = SeedData::LoadTest)]
    pub data: SeedData,
    /// Seats in each zone of the load test's data
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub seats_per_zone: u32,
}

/// Data to seed.
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
    /// Confirm that every booking is deleted; required outside the embedded default
    #[arg(long)]
    pub delete_all_bookings: bool,
}

/// `handover …`.
#[derive(Debug, Subcommand)]
pub enum Handover {
    /// Freeze and mark every queue; then restart Redis with its stored data, or fail over
    Begin {
        /// Seconds after which the queues resume if nothing happens
        #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
    },
    /// Wait until every queue has resumed; exit 1 if one has not in time
    Wait {
        /// Maximum wait in seconds
        #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..=3_600))]
        seconds: u64,
    },
    /// Resume every queue as it is, and wait for that
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
    /// Read flags, environment and file, and print the effective settings; secrets are not shown
    Check,
}

/// `health`.
#[derive(Debug, Args)]
pub struct Health {
    /// Health URL of the role
    #[arg(long, default_value = "http://127.0.0.1:8080/health")]
    pub url: String,
}

#[cfg(test)]
mod tests {
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
        let mut command = command();
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

    #[test]
    fn help_has_one_line_a_setting() {
        let help = command().try_get_matches_from(["stanchion", "gateway", "--help"]);
        let help = help.expect_err("help ends the parse").to_string();
        let sections = SETTING_TABLE.iter().map(|setting| setting.section);
        let places: Vec<_> = sections
            .map(|title| help.find(&format!("\n{title}:")))
            .collect();
        assert!(places.is_sorted() && places[0].is_some(), "{help}");

        for setting in SETTING_TABLE {
            let flag = format!("{} ", flag(setting.name));
            let line = help.lines().find(|line| line.contains(&flag));
            let line = line.unwrap_or_else(|| panic!("{} is in:\n{help}", setting.name));
            assert!(line.contains(setting.help), "{line}");
            assert!(line.len() <= 130, "{line}");
            assert!(
                setting
                    .default
                    .is_none_or(|default| line.ends_with(&format!("[default: {default}]"))),
                "{line}"
            );
        }
    }
}
