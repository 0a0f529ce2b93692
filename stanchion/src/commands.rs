//! What each command does.

mod data;
mod demo_crowd;
mod handover;
mod inspect;
mod web_client;

use anyhow::{Context, Result};
use clap::{ArgMatches, FromArgMatches};
use tokio::runtime::{Builder, Runtime};

use crate::{
    cli::{Cli, Command, ConfigCommand, WebClientCommand},
    config::{self, Program, Settings, injected_variables},
    process,
    roles::{embedded, servers},
};

/// Runs the command of the command line.
///
/// # Errors
/// The reason why the command failed, fit to be shown to a person.
pub fn run(arguments: &ArgMatches) -> Result<()> {
    let cli = Cli::from_arg_matches(arguments)?;
    let program = cli
        .command
        .as_ref()
        .map_or(Program::Embedded, Command::program);
    let loaded = config::load(arguments, cli.config.as_deref(), program)?;
    let settings = loaded.settings;
    process::start_logs(&settings)?;

    for warning in loaded.warnings {
        tracing::warn!("{warning}");
    }

    let injected = injected_variables();
    if !injected.is_empty() {
        let variables = injected.join(" ");
        tracing::warn!(
            variables,
            "variables of a service named like settings are ignored (`enableServiceLinks: false` ends them)"
        );
    }

    let threads = match program {
        Program::Health | Program::DemoCrowd | Program::PushKey | Program::WebClient => Some(1),
        _ => settings.threads,
    };
    runtime(threads)?.block_on(dispatch(cli.command, settings))
}

/// As many threads as configured, else one for each core that this process may use.
fn runtime(threads: Option<usize>) -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().context("threads")
}

async fn dispatch(command: Option<Command>, settings: Settings) -> Result<()> {
    match command {
        None => embedded::run(settings).await,
        Some(Command::Gateway) => servers::gateway(settings).await,
        Some(Command::Booking) => servers::booking(settings).await,
        Some(Command::QueueWorker) => servers::queue_worker(settings).await,
        Some(Command::Migrate) => data::migrate(&settings).await,
        Some(Command::Seed(seed)) => data::seed(&settings, &seed).await,
        Some(Command::Reset(reset)) => data::reset(&settings, &reset).await,
        Some(Command::Handover(handover)) => handover::run(&settings, &handover).await,
        Some(Command::Token(token)) => inspect::token(settings, &token),
        Some(Command::Config(ConfigCommand::Check { role })) => {
            inspect::config_check(&settings, role)
        }
        Some(Command::Health(health)) => inspect::health(&settings, health).await,
        Some(Command::DemoCrowd(crowd)) => demo_crowd::run(crowd).await,
        Some(Command::PushKey) => inspect::push_key(),
        Some(Command::WebClient(WebClientCommand::Export(export))) => web_client::export(&export),
    }
}
