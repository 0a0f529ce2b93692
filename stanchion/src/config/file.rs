//! The TOML file, and how it is laid under flags and environment.

use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Args, Command};

use super::Settings;

/// What every variable of ours begins with.
const PREFIX: &str = "STANCHION_";

macro_rules! under {
    ($above:ident, $below:ident, $($field:ident),* $(,)?) => {
        Settings { config: $above.config, $($field: $above.$field.or($below.$field)),* }
    };
}

impl Settings {
    /// These settings, filled up from the file they name.
    ///
    /// # Errors
    /// A file that cannot be read, a key or `STANCHION_*` variable that is not known, a value that is not allowed: by name.
    pub fn complete(self) -> Result<Self> {
        known_variables(std::env::vars().map(|(name, _)| name))?;
        let file = match &self.config {
            Some(path) => read(path)?,
            None => Self::default(),
        };
        let complete = self.over(file);
        complete.check()?;
        Ok(complete)
    }

    pub(super) fn over(self, below: Self) -> Self {
        under!(
            self,
            below,
            listen,
            data_dir,
            redis_url,
            redis_prefix,
            database_url,
            database_connections,
            nats_url,
            nats_prefix,
            jwt_secret,
            jwt_jwks,
            jwt_issuer,
            jwt_audience,
            pass_secret,
            guests,
            guests_per_address,
            guest_places_per_address,
            guest_holds_per_address,
            guest_bookings_per_address,
            guest_cooldown_seconds,
            guest_join_seconds,
            dev_tokens,
            allowed_hosts,
            booking_url,
            threads,
            heartbeat_ms,
            drain_seconds,
            tick_ms,
            pace_floor,
            pace_slow_ms,
            max_connections,
            max_connections_per_address,
            trusted_proxies,
            log_format,
            log,
        )
    }
}

fn read(path: &Path) -> Result<Settings> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the file {}", path.display()))?;
    parse(&text).with_context(|| format!("in the file {}", path.display()))
}

pub(super) fn parse(text: &str) -> Result<Settings> {
    Ok(toml::from_str(text)?)
}

/// A misspelt variable would be silently without effect.
pub(super) fn known_variables(names: impl Iterator<Item = String>) -> Result<()> {
    let command = Settings::augment_args(Command::new("stanchion"));
    let known: Vec<String> =
        command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_str()?.to_owned())).collect();
    for name in names.filter(|name| name.starts_with(PREFIX)) {
        let foreign = ["STANCHION_TEST_", "STANCHION_BIN"].iter().any(|start| name.starts_with(start));
        if !foreign && !known.contains(&name) {
            bail!("the environment variable {name} is not a setting; `stanchion --help` lists them");
        }
    }
    Ok(())
}
