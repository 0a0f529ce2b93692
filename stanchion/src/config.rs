//! Configuration: flags, then `STANCHION_*` variables, then a TOML file, then defaults.

mod data_dir;
mod file;
mod url;

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use waitingroom_domain::{
    ids::NodeId,
    secret::{MIN_SECRET_BYTES, Secret},
    throttle::ThrottleConfig,
};
use waitingroom_server::{
    auth::{Authenticator, IdentityConfig},
    http::ServeLimits,
    telemetry::LogFormat,
};

use self::url::ServerUrl;
pub use self::{data_dir::DataDirectory, file::injected_variables};

/// Maximum of `threads`: more than any machine has use for.
const MAX_THREADS: usize = 1_024;

/// Every setting, as given: nothing here is a default yet.
#[derive(Debug, Default, Clone, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A TOML file with any of these settings, named as the flags with _ for -
    #[arg(long, env = "STANCHION_CONFIG", global = true, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Address and port to serve on [default: 127.0.0.1:8080]
    #[arg(long, env = "STANCHION_LISTEN", global = true, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Address and port of a second listener for operators and probes alone: /health, /ready,
    /// /metrics and the operators' API, with places of its own, never behind a public proxy. Then
    /// /metrics is not served on the first [default: none]
    #[arg(
        long,
        env = "STANCHION_ADMIN_LISTEN",
        global = true,
        value_name = "ADDRESS"
    )]
    pub admin_listen: Option<SocketAddr>,
    /// Where the embedded default keeps its database and secrets [default: .stanchion]
    #[arg(long, env = "STANCHION_DATA_DIR", global = true, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Redis, for example redis://127.0.0.1:6379, or servers of a cluster:
    /// redis+cluster://10.0.0.1:6379,10.0.0.2:6379
    #[arg(
        long,
        env = "STANCHION_REDIS_URL",
        global = true,
        value_name = "URL",
        hide_env_values = true
    )]
    pub redis_url: Option<ServerUrl>,
    /// First part of every key and channel in Redis [default: stanchion]
    #[arg(
        long,
        env = "STANCHION_REDIS_PREFIX",
        global = true,
        value_name = "TEXT"
    )]
    pub redis_prefix: Option<String>,
    /// PostgreSQL, for example postgres://user:password@127.0.0.1/stanchion
    #[arg(
        long,
        env = "STANCHION_DATABASE_URL",
        global = true,
        value_name = "URL",
        hide_env_values = true
    )]
    pub database_url: Option<ServerUrl>,
    /// Most connections to the database from this process [default: 8]
    #[arg(
        long,
        env = "STANCHION_DATABASE_CONNECTIONS",
        global = true,
        value_name = "N"
    )]
    pub database_connections: Option<u32>,
    /// NATS with JetStream, for example nats://127.0.0.1:4222; servers of a cluster are separated
    /// by commas
    #[arg(
        long,
        env = "STANCHION_NATS_URL",
        global = true,
        value_name = "URL",
        hide_env_values = true
    )]
    pub nats_url: Option<ServerUrl>,
    /// First part of every subject; its upper case names the stream [default: stanchion]
    #[arg(
        long,
        env = "STANCHION_NATS_PREFIX",
        global = true,
        value_name = "TEXT"
    )]
    pub nats_prefix: Option<String>,
    /// Copies of the stream in a NATS cluster, 1 to 5 [default: 1 for a new stream; one that is
    /// there keeps its number]
    #[arg(long, env = "STANCHION_NATS_REPLICAS", global = true, value_name = "N")]
    pub nats_replicas: Option<usize>,
    /// The secret of users' HS256 tokens, at least 16 bytes; better given by the environment than
    /// by a flag
    #[arg(
        long,
        env = "STANCHION_JWT_SECRET",
        global = true,
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub jwt_secret: Option<Secret>,
    /// A file with the JSON Web Key Set of users' RS256, ES256 or EdDSA tokens
    #[arg(long, env = "STANCHION_JWT_JWKS", global = true, value_name = "FILE")]
    pub jwt_jwks: Option<PathBuf>,
    /// The issuer (iss) that users' tokens must name
    #[arg(long, env = "STANCHION_JWT_ISSUER", global = true, value_name = "TEXT")]
    pub jwt_issuer: Option<String>,
    /// The audience (aud) that users' tokens must name
    #[arg(
        long,
        env = "STANCHION_JWT_AUDIENCE",
        global = true,
        value_name = "TEXT"
    )]
    pub jwt_audience: Option<String>,
    /// The secret that tickets, passes and guest identities are signed with, at least 16 bytes; the
    /// same on every node
    #[arg(
        long,
        env = "STANCHION_PASS_SECRET",
        global = true,
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub pass_secret: Option<Secret>,
    /// Admit guests: visitors without a login [default: true on the embedded default, else false]
    #[arg(long, env = "STANCHION_GUESTS", global = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub guests: Option<bool>,
    /// Guests that are made at once for one address (one /64 network, with IPv6), and a fortieth of
    /// it each second over time; four times as many for a /24 or /48 network [default: 200]
    #[arg(
        long,
        env = "STANCHION_GUESTS_PER_ADDRESS",
        global = true,
        value_name = "N"
    )]
    pub guests_per_address: Option<NonZeroU32>,
    /// Places in line of guests of one address at the same time, on each gateway; four times as
    /// many for a network [default: 200]
    #[arg(
        long,
        env = "STANCHION_GUEST_PLACES_PER_ADDRESS",
        global = true,
        value_name = "N"
    )]
    pub guest_places_per_address: Option<NonZeroU32>,
    /// Bookings of guests of one address that are not paid for, or were not and ended within the
    /// cool-down, at each instance of booking; four times as many for a network [default: 50]
    #[arg(
        long,
        env = "STANCHION_GUEST_HOLDS_PER_ADDRESS",
        global = true,
        value_name = "N"
    )]
    pub guest_holds_per_address: Option<NonZeroU32>,
    /// Bookings of guests of one address within an hour, at each instance of booking; four times as
    /// many for a network [default: 100]
    #[arg(
        long,
        env = "STANCHION_GUEST_BOOKINGS_PER_ADDRESS",
        global = true,
        value_name = "N"
    )]
    pub guest_bookings_per_address: Option<NonZeroU32>,
    /// Seconds for which a guest's unpaid hold counts after its end [default: 600]
    #[arg(
        long,
        env = "STANCHION_GUEST_COOLDOWN_SECONDS",
        global = true,
        value_name = "SECONDS"
    )]
    pub guest_cooldown_seconds: Option<u32>,
    /// Seconds for which a guest may take new places after it was made; then it is renewed, which
    /// counts as a new one [default: 600]
    #[arg(
        long,
        env = "STANCHION_GUEST_JOIN_SECONDS",
        global = true,
        value_name = "SECONDS"
    )]
    pub guest_join_seconds: Option<NonZeroU32>,
    /// Hand out tokens of any user and role at POST /api/v1/dev/token, for a first look: on the
    /// embedded default without a login of its own, and only to this machine under the names
    /// localhost, 127.0.0.1 and ::1
    #[arg(long, env = "STANCHION_DEV_TOKENS", global = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub dev_tokens: Option<bool>,
    /// Names under which the embedded default may be asked besides localhost and IP addresses,
    /// separated by commas, for example tickets.example.com; a page of another name that was made
    /// to lead here is refused
    #[arg(
        long,
        env = "STANCHION_ALLOWED_HOSTS",
        global = true,
        value_name = "NAMES",
        value_delimiter = ','
    )]
    pub allowed_hosts: Option<Vec<String>>,
    /// Where a gateway finds booking, for example http://booking:8080 [default on the embedded
    /// default: in the same process]
    #[arg(long, env = "STANCHION_BOOKING_URL", global = true, value_name = "URL")]
    pub booking_url: Option<String>,
    /// Threads that serve, at least 1; several processes on one machine are fastest where they
    /// share its cores out among them [default: one for each core]
    #[arg(long, env = "STANCHION_THREADS", global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// Milliseconds between two heartbeats to a client [default: 15000]
    #[arg(long, env = "STANCHION_HEARTBEAT_MS", global = true, value_name = "MS")]
    pub heartbeat_ms: Option<u64>,
    /// Seconds for which a process that is told to stop goes on serving, with /ready off, before it
    /// drains: as long as proxies and load balancers take to notice [default: 0 on the embedded
    /// default, else 5]
    #[arg(
        long,
        env = "STANCHION_LAME_DUCK_SECONDS",
        global = true,
        value_name = "SECONDS"
    )]
    pub lame_duck_seconds: Option<u64>,
    /// Seconds over which a stopping gateway sends its clients away [default: 5]
    #[arg(
        long,
        env = "STANCHION_DRAIN_SECONDS",
        global = true,
        value_name = "SECONDS"
    )]
    pub drain_seconds: Option<u64>,
    /// Milliseconds between two steps that see to a line as a whole; passes go out in between where
    /// it moves fast [default: 100]
    #[arg(long, env = "STANCHION_TICK_MS", global = true, value_name = "MS")]
    pub tick_ms: Option<u64>,
    /// Smallest share of a line's rate, in percent, that it is slowed to while booking is strained
    /// [default: 10]
    #[arg(
        long,
        env = "STANCHION_PACE_FLOOR",
        global = true,
        value_name = "PERCENT"
    )]
    pub pace_floor: Option<u64>,
    /// Milliseconds from which reservations or the database count as slow, so that lines are slowed
    /// down [default: 250]
    #[arg(long, env = "STANCHION_PACE_SLOW_MS", global = true, value_name = "MS")]
    pub pace_slow_ms: Option<u64>,
    /// Most connections at once, and never more than the file descriptors leave room for: those
    /// open at the start and 256 more, or half of the rest if that is less, are for other things.
    /// Beyond it a connection that says nothing gives way; if there is none, 503 with Retry-After,
    /// save for /health, /ready, /metrics and operators [default: 19000]
    #[arg(
        long,
        env = "STANCHION_MAX_CONNECTIONS",
        global = true,
        value_name = "N"
    )]
    pub max_connections: Option<usize>,
    /// Most connections at once of one address (of one /64 network, with IPv6), of the forwarded
    /// one behind a trusted proxy; beyond it, 429 with Retry-After. Offices and mobile networks
    /// share addresses [default: no limit]
    #[arg(
        long,
        env = "STANCHION_MAX_CONNECTIONS_PER_ADDRESS",
        global = true,
        value_name = "N"
    )]
    pub max_connections_per_address: Option<usize>,
    /// Proxies whose X-Forwarded-For is believed, as networks separated by commas, for example
    /// 10.0.0.0/8
    #[arg(
        long,
        env = "STANCHION_TRUSTED_PROXIES",
        global = true,
        value_name = "NETWORKS",
        value_delimiter = ','
    )]
    pub trusted_proxies: Option<Vec<ipnet::IpNet>>,
    /// How logs are written [default: human]
    #[arg(
        long,
        env = "STANCHION_LOG_FORMAT",
        global = true,
        value_name = "FORMAT"
    )]
    pub log_format: Option<Format>,
    /// Which logs are written, as in info,gateway=debug [default: info]
    #[arg(long, env = "STANCHION_LOG", global = true, value_name = "FILTER")]
    pub log: Option<String>,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people
    Human,
    /// One JSON object a line
    Json,
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Human => Self::Human,
            Format::Json => Self::Json,
        }
    }
}

impl Settings {
    /// Where to serve.
    pub fn listen(&self) -> SocketAddr {
        self.listen
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)))
    }

    /// Every setting and the value in force, for display.
    pub fn effective(&self) -> Vec<(&'static str, String)> {
        fn or_unset<T: ToString>(value: &Option<T>) -> String {
            value
                .as_ref()
                .map_or_else(|| "not set".to_owned(), ToString::to_string)
        }

        let hidden = |secret: &Option<Secret>| or_unset(&secret.as_ref().map(|_| "set, not shown"));
        let folder = self
            .data_dir
            .clone()
            .unwrap_or_else(|| PathBuf::from(".stanchion"));

        vec![
            ("listen", self.listen().to_string()),
            ("admin_listen", or_unset(&self.admin_listen)),
            ("data_dir", folder.display().to_string()),
            ("redis_url", or_unset(&self.redis_url)),
            ("redis_prefix", self.redis_prefix().to_owned()),
            ("database_url", or_unset(&self.database_url)),
            (
                "database_connections",
                self.database_connections().to_string(),
            ),
            ("nats_url", or_unset(&self.nats_url)),
            ("nats_prefix", self.nats_prefix().to_owned()),
            ("nats_replicas", or_unset(&self.nats_replicas)),
            ("jwt_secret", hidden(&self.jwt_secret)),
            (
                "jwt_jwks",
                or_unset(
                    &self
                        .jwt_jwks
                        .as_ref()
                        .map(|path| path.display().to_string()),
                ),
            ),
            ("jwt_issuer", or_unset(&self.jwt_issuer)),
            ("jwt_audience", or_unset(&self.jwt_audience)),
            ("pass_secret", hidden(&self.pass_secret)),
            (
                "guests",
                self.guests.map_or_else(
                    || "on the embedded default only".to_owned(),
                    |on| on.to_string(),
                ),
            ),
            (
                "guests_per_address",
                self.guests_in_line().guests.to_string(),
            ),
            (
                "guest_places_per_address",
                self.guests_in_line().places.to_string(),
            ),
            (
                "guest_holds_per_address",
                self.guests_bookings().holds.to_string(),
            ),
            (
                "guest_bookings_per_address",
                self.guests_bookings().bookings.to_string(),
            ),
            (
                "guest_cooldown_seconds",
                self.guests_bookings().cool_down.as_secs().to_string(),
            ),
            (
                "guest_join_seconds",
                self.guests_in_line().join_for.as_secs().to_string(),
            ),
            ("dev_tokens", self.dev_tokens().to_string()),
            (
                "allowed_hosts",
                format!("{:?}", self.allowed_hosts.clone().unwrap_or_default()),
            ),
            ("booking_url", or_unset(&self.booking_url)),
            (
                "threads",
                self.threads.map_or_else(
                    || "one for each core".to_owned(),
                    |threads| threads.to_string(),
                ),
            ),
            ("heartbeat_ms", self.heartbeat().as_millis().to_string()),
            (
                "lame_duck_seconds",
                self.lame_duck_seconds.map_or_else(
                    || "5, and 0 on the embedded default".to_owned(),
                    |seconds| seconds.to_string(),
                ),
            ),
            ("drain_seconds", self.drain_window().as_secs().to_string()),
            ("tick_ms", self.tick().as_millis().to_string()),
            (
                "pace_floor",
                format!("{:.0}", self.throttle().floor * 100.0),
            ),
            ("pace_slow_ms", self.throttle().slow.as_millis().to_string()),
            ("max_connections", self.max_connections().to_string()),
            (
                "max_connections_per_address",
                self.max_connections_per_address
                    .map_or_else(|| "no limit".to_owned(), |most| most.to_string()),
            ),
            (
                "trusted_proxies",
                format!("{:?}", self.trusted_proxies.clone().unwrap_or_default()),
            ),
            (
                "log_format",
                format!("{:?}", self.log_format.unwrap_or(Format::Human)).to_lowercase(),
            ),
            ("log", self.log().to_owned()),
        ]
    }

    /// Most connections to the database. Few: reservations are committed in batches.
    pub fn database_connections(&self) -> u32 {
        self.database_connections.unwrap_or(8)
    }

    /// Most connections at once.
    pub fn max_connections(&self) -> usize {
        self.max_connections
            .unwrap_or_else(|| ServeLimits::default().connections)
    }

    /// Which logs are written.
    pub fn log(&self) -> &str {
        self.log.as_deref().unwrap_or("info")
    }

    /// First part of every key and channel in Redis.
    pub fn redis_prefix(&self) -> &str {
        self.redis_prefix.as_deref().unwrap_or("stanchion")
    }

    /// First part of every subject.
    pub fn nats_prefix(&self) -> &str {
        self.nats_prefix.as_deref().unwrap_or("stanchion")
    }

    /// What guests may do in line.
    pub fn guests_in_line(&self) -> gateway::GuestLimits {
        let defaults = gateway::GuestLimits::default();
        gateway::GuestLimits {
            guests: self.guests_per_address.unwrap_or(defaults.guests),
            places: self.guest_places_per_address.unwrap_or(defaults.places),
            join_for: self.guest_join_seconds.map_or(defaults.join_for, |time| {
                Duration::from_secs(time.get().into())
            }),
        }
    }

    /// What guests may book.
    pub fn guests_bookings(&self) -> booking::GuestLimits {
        let defaults = booking::GuestLimits::default();
        booking::GuestLimits {
            holds: self.guest_holds_per_address.unwrap_or(defaults.holds),
            bookings: self.guest_bookings_per_address.unwrap_or(defaults.bookings),
            cool_down: self
                .guest_cooldown_seconds
                .map_or(defaults.cool_down, |time| Duration::from_secs(time.into())),
        }
    }

    /// Are tokens handed out to whoever is at this machine?
    pub fn dev_tokens(&self) -> bool {
        self.dev_tokens.unwrap_or(false)
    }

    /// Time between two heartbeats.
    pub fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms.unwrap_or(15_000))
    }

    /// How long to go on serving once told to stop; `default` if nothing is set.
    pub fn lame_duck(&self, default: Duration) -> Duration {
        self.lame_duck_seconds.map_or(default, Duration::from_secs)
    }

    /// The window over which clients are sent away.
    pub fn drain_window(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.unwrap_or(5))
    }

    /// Time between two admission steps.
    pub fn tick(&self) -> Duration {
        Duration::from_millis(self.tick_ms.unwrap_or(100))
    }

    /// When and how far booking's troubles slow lines down.
    pub fn throttle(&self) -> ThrottleConfig {
        let defaults = ThrottleConfig::default();
        ThrottleConfig {
            floor: self
                .pace_floor
                .map_or(defaults.floor, |percent| percent as f64 / 100.0),
            slow: self
                .pace_slow_ms
                .map_or(defaults.slow, Duration::from_millis),
            ..defaults
        }
    }

    /// A setting that a role cannot do without.
    ///
    /// # Errors
    /// Names the flag and the variable where it is missing.
    pub fn required<'a, T>(&self, value: &'a Option<T>, name: &str) -> Result<&'a T> {
        let flag = name.replace('_', "-");
        let variable = name.to_uppercase();
        value.as_ref().with_context(|| {
            format!("--{flag} (STANCHION_{variable}) is required here and has no default")
        })
    }

    /// Settings that no role could work with are refused at the start.
    ///
    /// # Errors
    /// Names the setting.
    pub fn check(&self) -> Result<()> {
        check_secret_len(self.jwt_secret.as_ref(), "jwt_secret")?;
        check_secret_len(self.pass_secret.as_ref(), "pass_secret")?;

        if self.jwt_secret.is_some() && self.jwt_secret == self.pass_secret {
            bail!(
                "jwt_secret and pass_secret must differ: whoever signs users in must not be able to sign passes"
            );
        }

        check_positive(self.threads, "threads")?;

        if self.threads.is_some_and(|threads| threads > MAX_THREADS) {
            bail!("threads must be from 1 to {MAX_THREADS}");
        }

        check_positive(self.heartbeat_ms, "heartbeat_ms")?;
        check_positive(self.tick_ms, "tick_ms")?;
        check_positive(self.pace_floor, "pace_floor")?;
        check_positive(self.pace_slow_ms, "pace_slow_ms")?;

        if self.pace_floor.is_some_and(|percent| percent > 100) {
            bail!("pace_floor must be from 1 to 100");
        }

        check_positive(self.max_connections, "max_connections")?;
        check_positive(
            self.max_connections_per_address,
            "max_connections_per_address",
        )?;
        check_positive(self.database_connections, "database_connections")?;

        if self
            .nats_replicas
            .is_some_and(|copies| !(1..=5).contains(&copies))
        {
            bail!("nats_replicas must be from 1 to 5");
        }

        if self
            .admin_listen
            .is_some_and(|admin| admin.port() != 0 && admin == self.listen())
        {
            bail!("admin_listen must differ from listen");
        }

        self.check_schemes()?;
        check_prefix(self.redis_prefix(), "redis_prefix")?;
        check_prefix(self.nats_prefix(), "nats_prefix")
    }

    /// What is not spoken would be found out only by what does not work later.
    fn check_schemes(&self) -> Result<()> {
        if let Some(url) = &self.redis_url {
            let spoken = ["redis://", "redis+cluster://", "redis+unix://", "unix://"];
            if !spoken.iter().any(|scheme| url.starts_with(scheme)) {
                bail!(
                    "redis_url must begin with redis:// or redis+cluster://; TLS (rediss://) is not spoken here"
                );
            }
        }

        if let Some(url) = &self.booking_url {
            let host = url
                .strip_prefix("http://")
                .map(|rest| rest.split('/').next().unwrap_or_default());
            if host.is_none_or(str::is_empty) {
                bail!("booking_url must be http://HOST[:PORT]; TLS (https://) is not spoken here");
            }
        }

        Ok(())
    }

    /// Who is believed to be who. Says in the log which keys of a set are left out, so it is made
    /// once.
    ///
    /// # Errors
    /// A key set that cannot be read, or no way at all to know a user.
    pub fn authenticator(&self, guests: bool) -> Result<Authenticator> {
        let jwks = self.jwt_jwks.as_ref().map(|file| {
            std::fs::read_to_string(file)
                .with_context(|| format!("jwt_jwks: cannot read {}", file.display()))
        });

        if self.jwt_secret.is_none() && jwks.is_none() {
            bail!(
                "--jwt-secret (STANCHION_JWT_SECRET) or --jwt-jwks (STANCHION_JWT_JWKS) is required here and has no default"
            );
        }

        let identity = IdentityConfig {
            jwt_secret: self.jwt_secret.clone(),
            jwks: jwks.transpose()?,
            issuer: self.jwt_issuer.clone(),
            audience: self.jwt_audience.clone(),
            guest_secret: if guests {
                self.pass_secret.clone()
            } else {
                None
            },
            ..IdentityConfig::default()
        };

        if identity.jwks.is_some() {
            for (setting, claim) in [
                (&identity.issuer, "jwt_issuer"),
                (&identity.audience, "jwt_audience"),
            ] {
                if setting.is_none() {
                    tracing::warn!(
                        "{claim} is not set: a token that the same login signed for another service is accepted"
                    );
                }
            }
        }

        Authenticator::new(&identity).context("jwt_jwks")
    }

    /// A name for this process that no other start has, beginning with what it is.
    pub fn node(kind: &str) -> Result<NodeId> {
        let name = format!("{kind}-{}", uuid::Uuid::new_v4().simple());
        name.parse().context("a node's name")
    }
}

fn check_secret_len(secret: Option<&Secret>, name: &str) -> Result<()> {
    match secret {
        Some(secret) if secret.expose().len() < MIN_SECRET_BYTES => {
            bail!("{name} must be at least {MIN_SECRET_BYTES} bytes long")
        }
        _ => Ok(()),
    }
}

fn check_positive<T: PartialEq + Default>(value: Option<T>, name: &str) -> Result<()> {
    match value {
        Some(value) if value == T::default() => bail!("{name} must be greater than 0"),
        _ => Ok(()),
    }
}

fn check_prefix(value: &str, name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if value.is_empty() || value.len() > 64 || !value.chars().all(allowed) {
        bail!("{name} must be 1 to 64 letters, digits, '-' or '_'");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
