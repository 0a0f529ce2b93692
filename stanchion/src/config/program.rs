//! Which settings each role and tool reads, and which it cannot do without.

use std::fmt;

/// What one start of the binary runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Every role in one process.
    Embedded,
    /// `gateway`.
    Gateway,
    /// `booking`.
    Booking,
    /// `queue-worker`.
    QueueWorker,
    /// `migrate`.
    Migrate,
    /// `seed`.
    Seed,
    /// `reset`.
    Reset,
    /// `handover`.
    Handover,
    /// `token`.
    Token,
    /// `health`.
    Health,
    /// `demo-crowd`.
    DemoCrowd,
    /// `push-key`.
    PushKey,
    /// `web-client`.
    WebClient,
    /// `config check` without a role: every setting, and no demands.
    ConfigCheck,
}

const LOGS: &[&str] = &["log_format", "log"];
const PROCESS: &[&str] = &[
    "listen",
    "admin_listen",
    "threads",
    "lame_duck_seconds",
    "drain_seconds",
    "max_connections",
    "max_connections_per_address",
    "trusted_proxies",
];
const REDIS: &[&str] = &["redis_url", "redis_prefix"];
const DATABASE: &[&str] = &["database_url", "database_connections"];
const NATS: &[&str] = &["nats_url", "nats_prefix", "nats_replicas"];
const LOGIN: &[&str] = &[
    "jwt_secret",
    "jwt_jwks",
    "jwt_issuer",
    "jwt_audience",
    "pass_secret",
    "guests",
];
const GUESTS_IN_QUEUES: &[&str] = &[
    "guests_per_address",
    "guest_places_per_address",
    "guest_join_seconds",
];
const GUESTS_AT_BOOKING: &[&str] = &[
    "guest_holds_per_address",
    "guest_bookings_per_address",
    "guest_cooldown_seconds",
];
const PUSH: &[&str] = &[
    "push_key",
    "push_contact",
    "push_services",
    "push_test_origin",
];
const RELEASE: &[&str] = &[
    "admission_interval_ms",
    "min_release_percent",
    "overload_latency_ms",
];

impl Program {
    /// Every one, for tests.
    #[cfg(test)]
    pub const ALL: [Self; 14] = [
        Self::Embedded,
        Self::Gateway,
        Self::Booking,
        Self::QueueWorker,
        Self::Migrate,
        Self::Seed,
        Self::Reset,
        Self::Handover,
        Self::Token,
        Self::Health,
        Self::DemoCrowd,
        Self::PushKey,
        Self::WebClient,
        Self::ConfigCheck,
    ];

    /// The command's name; that of the embedded default is none.
    pub const fn command(self) -> Option<&'static str> {
        match self {
            Self::Embedded => None,
            Self::Gateway => Some("gateway"),
            Self::Booking => Some("booking"),
            Self::QueueWorker => Some("queue-worker"),
            Self::Migrate => Some("migrate"),
            Self::Seed => Some("seed"),
            Self::Reset => Some("reset"),
            Self::Handover => Some("handover"),
            Self::Token => Some("token"),
            Self::Health => Some("health"),
            Self::DemoCrowd => Some("demo-crowd"),
            Self::PushKey => Some("push-key"),
            Self::WebClient => Some("web-client"),
            Self::ConfigCheck => Some("config"),
        }
    }

    /// Does it read this setting?
    pub fn reads(self, setting: &str) -> bool {
        let is_in = |groups: &[&[&str]]| groups.iter().any(|group| group.contains(&setting));
        match self {
            Self::Embedded => !is_in(&[REDIS, DATABASE, NATS]),
            Self::Gateway => {
                is_in(&[LOGS, PROCESS, REDIS, LOGIN, GUESTS_IN_QUEUES, PUSH])
                    || matches!(setting, "booking_url" | "heartbeat_ms")
            }
            Self::Booking => is_in(&[
                LOGS,
                PROCESS,
                REDIS,
                DATABASE,
                NATS,
                LOGIN,
                GUESTS_AT_BOOKING,
            ]),
            Self::QueueWorker => is_in(&[LOGS, PROCESS, REDIS, RELEASE, PUSH]),
            Self::Migrate | Self::Seed => is_in(&[LOGS, DATABASE, &["data_dir"]]),
            Self::Reset => is_in(&[LOGS, REDIS, DATABASE, &["data_dir"]]),
            Self::Handover => is_in(&[LOGS, REDIS, DATABASE]),
            Self::Token => is_in(&[LOGS, &["data_dir", "jwt_secret"]]),
            Self::Health => is_in(&[LOGS, &["listen", "admin_listen"]]),
            Self::DemoCrowd | Self::PushKey | Self::WebClient => is_in(&[LOGS]),
            Self::ConfigCheck => true,
        }
    }

    /// The settings without which it does not start. Users' tokens need one of two more, see
    /// [`Program::verifies_users`].
    pub const fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Gateway => &["redis_url", "booking_url", "pass_secret"],
            Self::Booking => &["redis_url", "database_url", "nats_url", "pass_secret"],
            Self::QueueWorker => &["redis_url"],
            Self::Handover => &["redis_url", "database_url"],
            _ => &[],
        }
    }

    /// Does it need a secret or a key set of users' tokens?
    pub const fn verifies_users(self) -> bool {
        matches!(self, Self::Gateway | Self::Booking)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.command().unwrap_or("the embedded default"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SETTING_TABLE;

    #[test]
    fn every_setting_has_a_reader_and_every_name_is_a_setting() {
        let groups = [
            LOGS,
            PROCESS,
            REDIS,
            DATABASE,
            NATS,
            LOGIN,
            GUESTS_IN_QUEUES,
            GUESTS_AT_BOOKING,
            RELEASE,
        ];
        for name in groups.concat() {
            assert!(
                SETTING_TABLE.iter().any(|setting| setting.name == name),
                "{name}"
            );
        }

        let roles = [
            Program::Embedded,
            Program::Gateway,
            Program::Booking,
            Program::QueueWorker,
        ];
        for setting in SETTING_TABLE {
            assert!(
                roles.iter().any(|role| role.reads(setting.name)),
                "{}",
                setting.name
            );
        }
        for program in Program::ALL {
            let needs = program.needs();
            assert!(needs.iter().all(|name| program.reads(name)), "{program}");
        }
    }
}
