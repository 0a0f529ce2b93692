//! The command line.

use std::{ffi::OsString, path::PathBuf};

use clap::{Arg, ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum, value_parser};
use waitingroom_domain::ids::{EventId, UserId};

use crate::config::{Program, SETTING_TABLE, Settings, flag, is_http_base};

/// Below the settings, which have one line each.
const AFTER_HELP: &str = "\
Without a command, every role runs in this process on the embedded default: an in-memory queue,
a SQLite file in the data directory, nothing else to set up. A role's own --help lists what it reads.

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
    let command = former_names.fold(command, |command, name| {
        let flag = flag(name).trim_start_matches('-').to_owned();
        let arg = Arg::new(name).long(flag).global(true).hide(true);
        command.arg(arg.value_parser(value_parser!(OsString)))
    });

    let all: Vec<Arg> = command.get_arguments().cloned().collect();
    command.mut_subcommands(|subcommand| hide_unread(subcommand, &all))
}

/// Leaves settings that a command does not read out of its help. They are accepted all the same:
/// scripts may share flags among commands.
fn hide_unread(command: clap::Command, all: &[Arg]) -> clap::Command {
    let program = PROGRAMS
        .into_iter()
        .find(|program| program.command() == Some(command.get_name()));
    let Some(program) = program else {
        return command;
    };

    let is_unread = |arg: &&Arg| {
        let mut settings = SETTING_TABLE.iter();
        settings.any(|setting| arg.get_id() == setting.name && !program.reads(setting.name))
    };
    all.iter()
        .filter(is_unread)
        .fold(command, |command, arg| command.arg(arg.clone().hide(true)))
}

/// Every program that has a command.
const PROGRAMS: [Program; 13] = [
    Program::Gateway,
    Program::Booking,
    Program::QueueWorker,
    Program::Migrate,
    Program::Seed,
    Program::Reset,
    Program::Handover,
    Program::Token,
    Program::Health,
    Program::DemoCrowd,
    Program::PushKey,
    Program::WebClient,
    Program::ConfigCheck,
];

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
    /// Fill the line of a running server with guests, to see it move; Ctrl-C ends it
    DemoCrowd(DemoCrowd),
    /// Work with the visitors' and operators' pages in this binary
    #[command(subcommand)]
    WebClient(WebClientCommand),
}

impl Command {
    /// What this command runs.
    pub fn program(&self) -> Program {
        match self {
            Self::Gateway => Program::Gateway,
            Self::Booking => Program::Booking,
            Self::QueueWorker => Program::QueueWorker,
            Self::Migrate => Program::Migrate,
            Self::Seed(_) => Program::Seed,
            Self::Reset(_) => Program::Reset,
            Self::Handover(_) => Program::Handover,
            Self::Token(_) => Program::Token,
            Self::Config(ConfigCommand::Check { role }) => {
                role.map_or(Program::ConfigCheck, Into::into)
            }
            Self::Health(_) => Program::Health,
            Self::DemoCrowd(_) => Program::DemoCrowd,
            Self::PushKey => Program::PushKey,
            Self::WebClient(_) => Program::WebClient,
        }
    }
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
    /// Role of the user, for an operator
    #[arg(long, value_enum)]
    pub role: Option<UserRole>,
    /// Seconds until it expires, a year at most
    #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub ttl_seconds: u64,
}

/// Roles of users that a token can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UserRole {
    /// An operator
    Admin,
}

impl UserRole {
    /// The claim.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
        }
    }
}

/// `config …`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read flags, environment and file, and print the effective settings; secrets are not shown
    Check {
        /// Role that is to start with them: what it lacks is named, too
        #[arg(value_enum)]
        role: Option<ServerRole>,
    },
}

/// What can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServerRole {
    /// Every role in one process
    Embedded,
    /// The visitors' connections
    Gateway,
    /// Reservations
    Booking,
    /// The release of users
    QueueWorker,
}

impl From<ServerRole> for Program {
    fn from(role: ServerRole) -> Self {
        match role {
            ServerRole::Embedded => Self::Embedded,
            ServerRole::Gateway => Self::Gateway,
            ServerRole::Booking => Self::Booking,
            ServerRole::QueueWorker => Self::QueueWorker,
        }
    }
}

/// `health`.
#[derive(Debug, Args)]
pub struct Health {
    /// Health URL of the role, for example http://127.0.0.1:8080/health [default: that of --listen]
    #[arg(long, value_parser = health_url)]
    pub url: Option<String>,
}

/// A URL that can be asked.
fn health_url(text: &str) -> Result<String, String> {
    match is_http_base(text) {
        true => Ok(text.to_owned()),
        false => Err("write http://HOST:PORT/health, for example http://127.0.0.1:8080/health; TLS (https://) is not supported".to_owned()),
    }
}

/// `demo-crowd`.
#[derive(Debug, Args)]
pub struct DemoCrowd {
    /// Guests in the crowd; the server's limits allow 200 of one address
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub users: u16,
    /// Where the server is
    #[arg(long, default_value = "http://127.0.0.1:8080", value_parser = server_url)]
    pub url: String,
    /// Event to join; the first that is on sale if it is left out
    #[arg(long)]
    pub event: Option<EventId>,
    /// End once every guest had one turn, rather than send each to the end of the line again
    #[arg(long)]
    pub once: bool,
}

/// A server that can be asked.
fn server_url(text: &str) -> Result<String, String> {
    match is_http_base(text) {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err("write http://HOST:PORT, for example http://127.0.0.1:8080; TLS (https://) is not supported".to_owned()),
    }
}

/// `web-client …`.
#[derive(Debug, Subcommand)]
pub enum WebClientCommand {
    /// Write the pages and their parts to a folder, for a proxy to serve without a gateway
    Export(Export),
}

/// `web-client export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Folder; empty, missing, or one of an earlier export
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Days for which the parts of an earlier build stay after another one has replaced it
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(0..=3_650))]
    pub keep_days: u64,
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

    fn help_of(arguments: &[&str]) -> String {
        let line = ["stanchion"].iter().chain(arguments).chain(&["--help"]);
        let help = command().try_get_matches_from(line);
        help.expect_err("help ends the parse").to_string()
    }

    #[test]
    fn help_begins_with_what_this_is() {
        for flag in ["-h", "--help"] {
            let help = command().try_get_matches_from(["stanchion", flag]);
            let help = help.expect_err("help ends the parse").to_string();
            assert!(help.starts_with("A realtime waiting room"), "{help}");
        }
    }

    #[test]
    fn help_has_one_line_a_setting() {
        let help = help_of(&[]);
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

    #[test]
    fn help_of_a_command_lists_what_it_reads() {
        for program in PROGRAMS {
            let name = program.command().expect("a command has a name");
            let lines: &[&[&str]] = match name {
                "handover" => &[&["handover", "begin"], &["handover", "wait"]],
                "config" => &[&["config", "check"]],
                name => &[&[name]],
            };
            for line in lines {
                let help = help_of(line);
                for setting in SETTING_TABLE {
                    let listed = help.contains(&format!("{} ", flag(setting.name)));
                    assert_eq!(
                        listed,
                        program.reads(setting.name),
                        "{} in:\n{help}",
                        setting.name
                    );
                }
            }
        }
    }
}
