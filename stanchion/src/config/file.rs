//! The TOML file, and how it is laid under flags and environment.

use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Args, Command};

use super::Settings;

/// What every variable of ours begins with.
const PREFIX: &str = "STANCHION_";

macro_rules! merge_fields {
    ($above:ident, $below:ident, $($field:ident),* $(,)?) => {
        Settings { config: $above.config, $($field: $above.$field.or($below.$field)),* }
    };
}

impl Settings {
    /// These settings, filled up from the file they name.
    ///
    /// # Errors
    /// A file that cannot be read, a key or `STANCHION_*` variable that is not known, a value that
    /// is not allowed: by name.
    pub fn load(self) -> Result<Self> {
        check_variables(variables())?;
        let file = match &self.config {
            Some(path) => read(path)?,
            None => Self::default(),
        };
        let merged = self.merge(file);
        merged.check()?;
        Ok(merged)
    }

    pub(super) fn merge(self, below: Self) -> Self {
        merge_fields!(
            self,
            below,
            listen,
            admin_listen,
            data_dir,
            redis_url,
            redis_prefix,
            database_url,
            database_connections,
            nats_url,
            nats_prefix,
            nats_replicas,
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
            lame_duck_seconds,
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
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the file {}", path.display()))?;
    parse(&text).with_context(|| format!("in the file {}", path.display()))
}

pub(super) fn parse(text: &str) -> Result<Settings> {
    Ok(toml::from_str(text)?)
}

/// This process's environment. What is no text has no name or value of ours.
fn variables() -> impl Iterator<Item = (String, String)> {
    let text = |part: std::ffi::OsString| part.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Variables of this process's environment that look like settings and were put there by a
/// container runtime.
pub fn injected_variables() -> Vec<String> {
    let injected = variables()
        .filter(|(name, value)| name.starts_with(PREFIX) && is_service_link(name, value));
    injected.map(|(name, _)| name).collect()
}

/// A misspelt variable would be silently without effect.
pub(super) fn check_variables(variables: impl Iterator<Item = (String, String)>) -> Result<()> {
    let command = Settings::augment_args(Command::new("stanchion"));
    let known: Vec<String> = command
        .get_arguments()
        .filter_map(|arg| Some(arg.get_env()?.to_str()?.to_owned()))
        .collect();

    for (name, value) in variables.filter(|(name, _)| name.starts_with(PREFIX)) {
        let foreign = ["STANCHION_TEST_", "STANCHION_BIN"]
            .iter()
            .any(|start| name.starts_with(start));
        if !foreign && !known.contains(&name) && !is_service_link(&name, &value) {
            bail!(
                "the environment variable {name} is not a setting; `stanchion --help` lists them"
            );
        }
    }

    Ok(())
}

/// Does this variable tell of a service named `stanchion` or `stanchion-…`, as Kubernetes and
/// Docker's links tell every container of one? Told by the form of name and value, so that a
/// misspelt setting is none.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_url = |text: &str| {
        ["tcp://", "udp://", "sctp://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
    };

    let is_address = |text: &str| text.parse::<std::net::IpAddr>().is_ok();

    // Behind the name of the service, the first of these that is there.
    if let Some((_, rest)) = name.split_once("_SERVICE_") {
        return (rest == "HOST" && is_address(value))
            || ((rest == "PORT" || rest.starts_with("PORT_")) && is_number(value));
    }

    if let Some((_, rest)) = name.split_once("_PORT_") {
        let mut parts = rest.splitn(3, '_');
        let (port, protocol, what) = (parts.next(), parts.next(), parts.next());
        let is_port =
            port.is_some_and(is_number) && matches!(protocol, Some("TCP" | "UDP" | "SCTP"));
        return is_port
            && match what {
                None => is_url(value),
                Some("ADDR") => is_address(value),
                Some("PORT" | "PORT_START" | "PORT_END") => is_number(value),
                Some("START" | "END") => is_url(value),
                Some("PROTO") => matches!(value, "tcp" | "udp" | "sctp"),
                Some(_) => false,
            };
    }

    (name.ends_with("_PORT") && is_url(value))
        || name.contains("_ENV_")
        || (name.ends_with("_NAME") && value.starts_with('/') && value.matches('/').count() == 2)
}
