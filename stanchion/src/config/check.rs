//! Rules that a value must keep beyond its type, and what a role or tool cannot start without.

use std::{fmt, net::SocketAddr};

use waitingroom_domain::{
    push::{PushServices, VapidKey, is_contact},
    secret::{MIN_SECRET_BYTES, Secret},
};
use waitingroom_engine::redis_connection::RedisServers;
use waitingroom_messaging::bus::nats::check_url as check_nats_url;
use waitingroom_server::telemetry;

use super::{
    Program, Settings,
    settings::SETTING_TABLE,
    table::{flag, variable},
};

/// A setting with a value that no role could work with, or without one that is needed.
#[derive(Debug)]
pub struct Refused {
    /// Its name.
    pub setting: &'static str,
    reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.setting, self.reason)
    }
}

impl std::error::Error for Refused {}

/// What was refused so far.
#[derive(Debug, Default)]
struct Faults(Vec<Refused>);

impl Faults {
    fn refuse(&mut self, setting: &'static str, reason: impl Into<String>) {
        let reason = reason.into();
        self.0.push(Refused { setting, reason });
    }

    fn refuse_unless(&mut self, fits: bool, setting: &'static str, reason: &str) {
        if !fits {
            self.refuse(setting, reason);
        }
    }
}

/// Every value that breaks a rule.
pub fn check(settings: &Settings) -> Vec<Refused> {
    let mut faults = Faults::default();
    check_ranges(settings, &mut faults);
    check_secrets(settings, &mut faults);
    check_servers(settings, &mut faults);
    check_push(settings, &mut faults);

    let admin = settings.admin_listen.filter(|admin| admin.port() != 0);
    faults.refuse_unless(
        admin != Some(settings.listen),
        "admin_listen",
        "must differ from listen",
    );
    check_prefix(&settings.redis_prefix, "redis_prefix", &mut faults);
    check_prefix(&settings.nats_prefix, "nats_prefix", &mut faults);

    if let Err(error) = telemetry::check_filter(&settings.log) {
        faults.refuse(
            "log",
            format!("is no filter ({error}); for example info,gateway=debug"),
        );
    }
    for name in &settings.allowed_hosts {
        let reason = format!("{name:?} is no host's name; names stand without scheme and port");
        faults.refuse_unless(is_host_name(name), "allowed_hosts", &reason);
    }
    faults.0
}

/// What `program` lacks, and what it must not be given.
pub fn check_program(settings: &Settings, program: Program) -> Vec<Refused> {
    let mut faults = Faults::default();

    for &name in program.needs() {
        let is_set = SETTING_TABLE
            .iter()
            .zip(settings.values())
            .any(|(setting, value)| setting.name == name && value.shown().is_some());
        let reason = format!(
            "is missing: {program} needs {} ({})",
            flag(name),
            variable(name)
        );
        faults.refuse_unless(is_set, name, &reason);
    }

    if program.verifies_users() && settings.jwt_secret.is_none() && settings.jwt_jwks.is_none() {
        let (secret, set) = ("jwt_secret", "jwt_jwks");
        faults.refuse(
            secret,
            format!(
                "is missing: {program} needs {} ({}) or {} ({})",
                flag(secret),
                variable(secret),
                flag(set),
                variable(set)
            ),
        );
    }

    if program == Program::Embedded {
        for (given, name) in [
            (settings.redis_url.is_some(), "redis_url"),
            (settings.database_url.is_some(), "database_url"),
            (settings.nats_url.is_some(), "nats_url"),
        ] {
            faults.refuse_unless(
                !given,
                name,
                "is set, but no role is named: the embedded default keeps its queues in its own memory. \
                 Name gateway, booking or queue-worker, or leave the setting out",
            );
        }
        if settings.dev_tokens && (settings.jwt_secret.is_some() || settings.jwt_jwks.is_some()) {
            faults.refuse(
                "dev_tokens",
                "cannot be given with jwt_secret or jwt_jwks: users' tokens are signed elsewhere",
            );
        }
    }

    faults.0
}

/// Numbers keep the ranges of the table.
fn check_ranges(settings: &Settings, faults: &mut Faults) {
    for (setting, value) in SETTING_TABLE.iter().zip(settings.values()) {
        let number = value.layered().ok().flatten();
        let number = number.and_then(|value| value.to_u128());
        let (Some(number), [range]) = (number, setting.range) else {
            continue;
        };

        if number < u128::from(*range.start()) || number > u128::from(*range.end()) {
            let reason = match (range.start(), range.end()) {
                (least, &u64::MAX) => format!("must be at least {least}"),
                (least, most) => format!("must be from {least} to {most}"),
            };
            faults.refuse(setting.name, reason);
        }
    }
}

/// The rules of secrets alone: those of a data directory are read after the other settings.
pub(super) fn check_secret_rules(settings: &Settings) -> Vec<Refused> {
    let mut faults = Faults::default();
    check_secrets(settings, &mut faults);
    faults.0
}

/// How users are notified of their turn.
fn check_push(settings: &Settings, faults: &mut Faults) {
    if let Some(Err(invalid)) = settings.push_key.as_ref().map(VapidKey::parse) {
        faults.refuse("push_key", invalid.to_string());
    }

    let contact = settings.push_contact.as_deref();
    faults.refuse_unless(
        contact.is_none_or(is_contact),
        "push_contact",
        "must be mailto:NAME@HOST or https://PAGE",
    );

    if let Err(invalid) = PushServices::new(&settings.push_services, None) {
        faults.refuse("push_services", format!("has {invalid}"));
    }

    let is_origin = |url: &str| {
        url.strip_prefix("http://")
            .is_some_and(|address| address.parse::<SocketAddr>().is_ok())
    };
    let test_origin = settings.push_test_origin.as_deref();
    faults.refuse_unless(
        test_origin.is_none_or(is_origin),
        "push_test_origin",
        "must be http://IP:PORT",
    );
}

fn check_secrets(settings: &Settings, faults: &mut Faults) {
    let is_short = |secret: &Option<Secret>| {
        let secret = secret.as_ref();
        secret.is_some_and(|secret| secret.expose().len() < MIN_SECRET_BYTES)
    };
    for (secret, name) in [
        (&settings.jwt_secret, "jwt_secret"),
        (&settings.pass_secret, "pass_secret"),
    ] {
        let reason = format!("must be at least {MIN_SECRET_BYTES} bytes long");
        faults.refuse_unless(!is_short(secret), name, &reason);
    }

    faults.refuse_unless(
        settings.jwt_secret.is_none() || settings.jwt_secret != settings.pass_secret,
        "pass_secret",
        "must differ from jwt_secret: a login that signs users' tokens must not be able to sign passes",
    );
}

/// URLs of other servers. What is wrong with one would show only by requests that fail later. No
/// message repeats a URL: it may hold a password.
fn check_servers(settings: &Settings, faults: &mut Faults) {
    let schemes = ["redis://", "redis+cluster://", "redis+unix://", "unix://"];
    if let Some(url) = &settings.redis_url {
        let is_known = schemes.iter().any(|scheme| url.starts_with(scheme));
        faults.refuse_unless(
            is_known && RedisServers::parse(url).is_ok(),
            "redis_url",
            "must be redis://HOST:PORT or redis+cluster://HOST:PORT,HOST:PORT; TLS (rediss://) is not supported",
        );
    }

    if let Some(url) = &settings.database_url {
        let is_known = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        faults.refuse_unless(
            is_known && booking::store::postgres::check_url(url).is_ok(),
            "database_url",
            "must be postgres://USER:PASSWORD@HOST/DATABASE",
        );
    }

    if let Some(url) = &settings.nats_url {
        faults.refuse_unless(
            check_nats_url(url).is_ok(),
            "nats_url",
            "must be nats://HOST:PORT, or several of them separated by commas",
        );
    }

    if let Some(url) = &settings.booking_url {
        faults.refuse_unless(
            is_http_base(url),
            "booking_url",
            "must be http://HOST[:PORT]; TLS (https://) is not supported",
        );
    }
}

/// Is this `http://`, a host, perhaps a port and the path of a proxy?
pub fn is_http_base(url: &str) -> bool {
    let parsed = reqwest::Url::parse(url).ok();
    parsed.is_some_and(|url| {
        url.scheme() == "http"
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

/// Can a host have this name? Spaces around it do not matter.
pub fn is_host_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let name = name.trim();
    !name.is_empty() && name.chars().all(is_allowed)
}

fn check_prefix(value: &str, name: &'static str, faults: &mut Faults) {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    faults.refuse_unless(
        (1..=64).contains(&value.len()) && value.chars().all(is_allowed),
        name,
        "must be 1 to 64 letters, digits, '-' or '_'",
    );
}
