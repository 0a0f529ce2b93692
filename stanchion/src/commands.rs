//! What each command does.

mod data;
mod look;

use std::io::{self, Write};

use anyhow::Result;

use crate::{
    cli::{Cli, Command, ConfigCommand},
    process,
    roles::{embedded, servers},
};

/// Carries out the command line.
///
/// # Errors
/// Whatever kept the command from its end, fit to be shown to a person.
pub async fn run(cli: Cli) -> Result<()> {
    if let Some(Command::Health(health)) = cli.command {
        return look::health(&health).await; // needs no setting
    }
    let settings = cli.settings.complete()?;
    process::start_logs(&settings)?;
    match cli.command {
        None => embedded::run(settings).await,
        Some(Command::Gateway) => servers::gateway(settings).await,
        Some(Command::Booking) => servers::booking(settings).await,
        Some(Command::QueueWorker) => servers::queue_worker(settings).await,
        Some(Command::Migrate) => data::migrate(&settings).await,
        Some(Command::Seed(seed)) => data::seed(&settings, &seed).await,
        Some(Command::Reset(reset)) => data::reset(&settings, &reset).await,
        Some(Command::Token(token)) => look::token(settings, &token),
        Some(Command::Config(ConfigCommand::Check)) => look::config_check(&settings),
        Some(Command::Health(_)) => Ok(()),
    }
}

/// Prints a result. A reader that has gone away, as `head` does, is no error.
pub fn say(text: &str) -> Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        said => Ok(said?),
    }
}
