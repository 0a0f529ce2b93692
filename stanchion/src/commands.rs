//! What each command does.

mod data;
mod handover;
mod inspect;

use std::io::{self, Write};

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};

use crate::{
    cli::{Cli, Command, ConfigCommand},
    config::{Settings, injected_variables},
    process,
    roles::{embedded, servers},
};

/// Carries out the command line.
///
/// # Errors
/// Whatever kept the command from its end, fit to be shown to a person.
pub fn run(cli: Cli) -> Result<()> {
    if let Some(Command::Health(health)) = cli.command {
        return runtime(Some(1))?.block_on(inspect::health(&health)); // needs no settings
    }

    let settings = cli.settings.load()?;
    process::start_logs(&settings)?;

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

/// As many threads as are wished, or as there are cores that this process may use.
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
        Some(Command::Health(_)) => Ok(()),
    }
}

/// Prints a result. A reader that has gone away, as `head` does, is no error.
pub fn print_line(text: &str) -> Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
