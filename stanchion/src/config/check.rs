//! Rules that a value must keep beyond its type, refused at the start.

use std::{fmt, net::SocketAddr};

use waitingroom_domain::{
    push::{PushServices, VapidKey, is_contact},
    secret::{MIN_SECRET_BYTES, Secret},
};

use super::{Settings, settings::SETTING_TABLE};

/// A setting with a value that no role could work with.
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

fn refuse(setting: &'static str, reason: impl Into<String>) -> Result<(), Refused> {
    Err(Refused {
        setting,
        reason: reason.into(),
    })
}

/// Checks every rule.
///
/// # Errors
/// Names the setting.
pub fn check(settings: &Settings) -> Result<(), Refused> {
    check_ranges(settings)?;
    check_secret_len(settings.jwt_secret.as_ref(), "jwt_secret")?;
    check_secret_len(settings.pass_secret.as_ref(), "pass_secret")?;
    if settings.jwt_secret.is_some() && settings.jwt_secret == settings.pass_secret {
        return refuse(
            "pass_secret",
            "must differ from jwt_secret: a login that signs users' tokens must not be able to sign passes",
        );
    }

    let admin = settings.admin_listen.filter(|admin| admin.port() != 0);
    if admin == Some(settings.listen) {
        return refuse("admin_listen", "must differ from listen");
    }

    check_push(settings)?;
    check_redis_scheme(settings)?;
    check_booking_scheme(settings)?;
    check_prefix(&settings.redis_prefix, "redis_prefix")?;
    check_prefix(&settings.nats_prefix, "nats_prefix")
}

/// Numbers keep the ranges of the table.
fn check_ranges(settings: &Settings) -> Result<(), Refused> {
    for (setting, value) in SETTING_TABLE.iter().zip(settings.values()) {
        let number = value.layered().ok().flatten();
        let number = number.and_then(|value| value.to_u128());
        let (Some(number), [range]) = (number, setting.range) else {
            continue;
        };
        if number < u128::from(*range.start()) || number > u128::from(*range.end()) {
            return match (range.start(), range.end()) {
                (least, &u64::MAX) => refuse(setting.name, format!("must be at least {least}")),
                (least, most) => refuse(setting.name, format!("must be from {least} to {most}")),
            };
        }
    }

    Ok(())
}

fn check_secret_len(secret: Option<&Secret>, name: &'static str) -> Result<(), Refused> {
    match secret {
        Some(secret) if secret.expose().len() < MIN_SECRET_BYTES => refuse(
            name,
            format!("must be at least {MIN_SECRET_BYTES} bytes long"),
        ),
        _ => Ok(()),
    }
}

fn check_push(settings: &Settings) -> Result<(), Refused> {
    if let Some(Err(invalid)) = settings.push_key.as_ref().map(VapidKey::parse) {
        return refuse("push_key", invalid.to_string());
    }
    if settings
        .push_contact
        .as_deref()
        .is_some_and(|contact| !is_contact(contact))
    {
        return refuse("push_contact", "must be mailto:NAME@HOST or https://PAGE");
    }
    if let Err(invalid) = PushServices::new(&settings.push_services, None) {
        return refuse("push_services", format!("has {invalid}"));
    }
    let is_origin = |url: &str| {
        url.strip_prefix("http://")
            .is_some_and(|address| address.parse::<SocketAddr>().is_ok())
    };
    if settings
        .push_test_origin
        .as_deref()
        .is_some_and(|url| !is_origin(url))
    {
        return refuse("push_test_origin", "must be http://IP:PORT");
    }
    Ok(())
}

/// An unsupported scheme would show only by requests that fail later.
fn check_redis_scheme(settings: &Settings) -> Result<(), Refused> {
    let schemes = ["redis://", "redis+cluster://", "redis+unix://", "unix://"];
    match &settings.redis_url {
        Some(url) if !schemes.iter().any(|scheme| url.starts_with(scheme)) => refuse(
            "redis_url",
            "must begin with redis:// or redis+cluster://; TLS (rediss://) is not supported",
        ),
        _ => Ok(()),
    }
}

fn check_booking_scheme(settings: &Settings) -> Result<(), Refused> {
    let Some(url) = &settings.booking_url else {
        return Ok(());
    };
    let rest = url.strip_prefix("http://").unwrap_or_default();
    if rest.split('/').next().is_none_or(str::is_empty) {
        return refuse(
            "booking_url",
            "must be http://HOST[:PORT]; TLS (https://) is not supported",
        );
    }
    Ok(())
}

fn check_prefix(value: &str, name: &'static str) -> Result<(), Refused> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if value.is_empty() || value.len() > 64 || !value.chars().all(allowed) {
        return refuse(name, "must be 1 to 64 letters, digits, '-' or '_'");
    }
    Ok(())
}
