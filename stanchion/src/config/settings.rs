//! The table of settings, and what other crates take from them.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::{ArgAction, Args, Command, FromArgMatches};
use ipnet::IpNet;
use waitingroom_domain::{
    ids::NodeId,
    overload_throttle::ThrottleConfig,
    push::{PushConfig, PushServices, VapidKey},
    secret::Secret,
};

use super::{
    log_format::Format,
    table::{flag, parse_address, settings, variable},
    url::ServerUrl,
};

/// As large as the number's type allows.
const MAX: u64 = u64::MAX;

settings! {
    "Process" {
        /// Address and port to serve on
        listen: SocketAddr, "ADDRESS", default "127.0.0.1:8080", flag(value_parser = parse_address);
        /// Second listener, for operators and probes alone
        admin_listen: Option<SocketAddr>, "ADDRESS", flag(value_parser = parse_address);
        /// Folder for the database and the secrets of the embedded default
        data_dir: PathBuf, "FOLDER", default ".stanchion";
        /// Threads that serve
        threads: Option<usize>, "N", unset "one per core", range 1..=1_024;
        /// Seconds for which a stopping process still serves, with /ready off
        lame_duck_seconds: Option<u64>, "SECONDS", unset "5, embedded 0", range 0..=3_600;
        /// Seconds over which a stopping gateway disconnects its clients
        drain_seconds: u64, "SECONDS", default "5", range 0..=3_600;
        /// Form of log messages: human, or json with one object a line
        log_format: Format, "FORMAT", default "human", flag(hide_possible_values = true);
        /// Filter of log messages, for example info,gateway=debug
        log: String, "FILTER", default "info";
    }
    "Redis" {
        /// Redis, redis://HOST:PORT, or a cluster, redis+cluster://HOST:PORT,HOST:PORT
        redis_url: Option<ServerUrl>, "URL";
        /// First part of every key and channel in Redis
        redis_prefix: String, "TEXT", default "stanchion";
    }
    "PostgreSQL" {
        /// PostgreSQL, postgres://USER:PASSWORD@HOST/DATABASE
        database_url: Option<ServerUrl>, "URL";
        /// Maximum connections of this process to the database
        database_connections: u32, "N", default "8", range 1..=1_000;
    }
    "NATS" {
        /// NATS with JetStream, nats://HOST:PORT; servers of a cluster separated by commas
        nats_url: Option<ServerUrl>, "URL";
        /// First part of every subject; its upper case names the stream
        nats_prefix: String, "TEXT", default "stanchion";
        /// Copies of the stream in a NATS cluster
        nats_replicas: Option<usize>, "N", unset "1 for a new stream", range 1..=5;
    }
    "Users and secrets" {
        /// Secret of users' HS256 tokens, at least 16 bytes
        jwt_secret: Option<Secret>, "SECRET";
        /// File with the JSON Web Key Set of users' RS256, ES256 or EdDSA tokens
        jwt_jwks: Option<PathBuf>, "FILE";
        /// Issuer (iss) that users' tokens must name
        jwt_issuer: Option<String>, "TEXT";
        /// Audience (aud) that users' tokens must name
        jwt_audience: Option<String>, "TEXT";
        /// Secret that signs tickets, passes and guests, at least 16 bytes
        pass_secret: Option<Secret>, "SECRET";
        /// Development tokens at POST /api/v1/dev/token, on the embedded default
        dev_tokens: bool, "BOOL", default "false",
            flag(action = ArgAction::Set, hide_possible_values = true, num_args = 0..=1, default_missing_value = "true");
    }
    "Guests" {
        /// Admit visitors without a login
        guests: Option<bool>, "BOOL", unset "false, embedded true",
            flag(hide_possible_values = true, num_args = 0..=1, default_missing_value = "true");
        /// Guests created at once for one address, and a fortieth of it per second
        guests_per_address: NonZeroU32, "N", default "200";
        /// Concurrent places in queues of guests of one address, on each gateway
        guest_places_per_address: NonZeroU32, "N", default "200";
        /// Unpaid bookings of guests of one address, on each booking instance
        guest_holds_per_address: NonZeroU32, "N", default "50";
        /// Bookings per hour of guests of one address, on each booking instance
        guest_bookings_per_address: NonZeroU32, "N", default "100";
        /// Seconds for which an unpaid hold counts after its end
        guest_cooldown_seconds: u32, "SECONDS", default "600";
        /// Seconds for which a guest may join queues before it is renewed
        guest_join_seconds: NonZeroU32, "SECONDS", default "600";
    }
    "Between gateway and booking" {
        /// Booking, for a gateway, http://HOST:PORT
        booking_url: Option<String>, "URL", unset "embedded: in the same process";
        /// Further host names of the embedded default, separated by commas
        allowed_hosts: Vec<String>, "NAMES", flag(value_delimiter = ',');
    }
    "Web Push" {
        /// Private VAPID key, from stanchion push-key
        push_key: Option<Secret>, "SECRET", unset "embedded: generated";
        /// Contact for push services, mailto:… or https://…; turns pushes on
        push_contact: Option<String>, "URI";
        /// Push services that are asked, separated by commas
        push_services: Vec<String>, "NAMES", unset "the large browsers'", flag(value_delimiter = ',');
        /// Push service of tests without TLS, http://IP:PORT
        push_test_origin: Option<String>, "URL";
    }
    "Queue and throttle" {
        /// Milliseconds between two heartbeats to a client
        heartbeat_ms: u64, "MS", default "15000", range 1..=60_000;
        /// Admission tick interval in milliseconds
        admission_interval_ms: u64, "MS", default "100", range 1..=60_000, formerly "tick_ms";
        /// Minimum release rate under overload, in percent of the configured rate
        min_release_percent: u64, "PERCENT", default "10", range 1..=100, formerly "pace_floor";
        /// Latency in milliseconds above which booking counts as overloaded
        overload_latency_ms: u64, "MS", default "250", range 1..=3_600_000, formerly "pace_slow_ms";
    }
    "Connections" {
        /// Maximum concurrent connections, limited by open files
        max_connections: usize, "N", default "19000", range 1..=MAX;
        /// Maximum concurrent connections of one address
        max_connections_per_address: Option<usize>, "N", unset "no limit", range 1..=MAX;
        /// Networks of proxies whose X-Forwarded-For counts, separated by commas
        trusted_proxies: Vec<IpNet>, "NETWORKS", flag(value_delimiter = ',');
    }
}

impl Default for Settings {
    /// What applies if no source gives anything.
    fn default() -> Self {
        let matches = Self::augment_args(Command::new("stanchion")).get_matches_from([""]);
        Self::from_arg_matches(&matches).expect("every setting has a valid default, or none")
    }
}

impl Settings {
    /// Every setting and its effective value, for display.
    pub fn effective(&self) -> Vec<(&'static str, String)> {
        let shown = |(setting, value): (&'static super::Setting, &dyn super::SettingValue)| {
            let unset = || setting.default.unwrap_or("not set").to_owned();
            (setting.name, value.shown().unwrap_or_else(unset))
        };
        SETTING_TABLE.iter().zip(self.values()).map(shown).collect()
    }

    /// Limits of a guest in queues.
    pub fn queue_limits(&self) -> gateway::GuestLimits {
        gateway::GuestLimits {
            guests: self.guests_per_address,
            places: self.guest_places_per_address,
            join_for: Duration::from_secs(self.guest_join_seconds.get().into()),
        }
    }

    /// Limits of a guest at booking.
    pub fn booking_limits(&self) -> booking::GuestLimits {
        booking::GuestLimits {
            holds: self.guest_holds_per_address,
            bookings: self.guest_bookings_per_address,
            cool_down: Duration::from_secs(self.guest_cooldown_seconds.into()),
        }
    }

    /// How users are notified of their turn by a push; nothing if they are not.
    ///
    /// # Errors
    /// A contact without a key.
    pub fn push(&self) -> Result<Option<PushConfig>> {
        let Some(contact) = &self.push_contact else {
            return Ok(None);
        };

        let key = self.required(&self.push_key, "push_key")?;
        Ok(Some(PushConfig {
            key: VapidKey::parse(key).context("push_key")?,
            contact: contact.clone(),
            services: PushServices::new(&self.push_services, self.push_test_origin.as_deref())
                .context("push_services")?,
        }))
    }

    /// When and how far an overload of booking slows queues down.
    pub fn throttle(&self) -> ThrottleConfig {
        ThrottleConfig {
            floor: self.min_release_percent as f64 / 100.0,
            slow: Duration::from_millis(self.overload_latency_ms),
            ..ThrottleConfig::default()
        }
    }

    /// Time between two heartbeats.
    pub fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    /// Time between two admission ticks.
    pub fn admission_interval(&self) -> Duration {
        Duration::from_millis(self.admission_interval_ms)
    }

    /// How long a stopping process still serves; `default` if nothing is set.
    pub fn lame_duck(&self, default: Duration) -> Duration {
        self.lame_duck_seconds.map_or(default, Duration::from_secs)
    }

    /// The window over which clients are disconnected.
    pub fn drain_window(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    /// A setting that a role cannot do without.
    ///
    /// # Errors
    /// Names the flag and the variable if it is missing.
    pub fn required<'a, T>(&self, value: &'a Option<T>, name: &str) -> Result<&'a T> {
        let (flag, variable) = (flag(name), variable(name));
        value
            .as_ref()
            .with_context(|| format!("{flag} ({variable}) is required here and has no default"))
    }

    /// A name for this process that no other start has, beginning with its kind.
    ///
    /// # Errors
    /// A kind that no name may begin with.
    pub fn node(kind: &str) -> Result<NodeId> {
        let name = format!("{kind}-{}", uuid::Uuid::new_v4().simple());
        name.parse().context("a node's name")
    }
}
