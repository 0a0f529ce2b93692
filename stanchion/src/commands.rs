//! What each command does.

mod data;
mod handover;
mod inspect;

use anyhow::{Context, Result};
use clap::{ArgMatches, FromArgMatches};
use tokio::runtime::{Builder, Runtime};

use crate::{
    cli::{Cli, Command, ConfigCommand},
    config::{self, Settings, injected_variables},
    process,
    roles::{embedded, servers},
};

/// Runs the command of the command line.
///
/// # Errors
/// The reason why the command failed, fit to be shown to a person.
pub fn run(arguments: &ArgMatches) -> Result<()> {
    let cli = Cli::from_arg_matches(arguments)?;
    if let Some(Command::Health(health)) = cli.command {
        return runtime(Some(1))?.block_on(inspect::health(&health)); // needs no settings
    }

    if let Some(Command::PushKey) = cli.command {
        return inspect::push_key();
    }

    let loaded = config::load(arguments, cli.config.as_deref())?;
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

    runtime(settings.threads)?.block_on(dispatch(cli.command, settings))
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
        Some(Command::Config(ConfigCommand::Check)) => inspect::config_check(&settings),
        Some(Command::PushKey | Command::Health(_)) => Ok(()),
    }
}
