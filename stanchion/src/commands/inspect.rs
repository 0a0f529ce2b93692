//! Commands that only read and print.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use waitingroom_domain::{clock::Clock, push::VapidKey};
use waitingroom_server::auth::{GUEST_PREFIX, mint_user_token};

use crate::{
    cli::{Health, ServerRole, Token},
    config::{DataDirectory, InvalidSettings, Program, Settings, random_push_key},
    output::print_line,
    roles::authenticator,
};

/// Maximum wait for a health response.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// Prints a user's token.
pub fn token(settings: Settings, token: &Token) -> Result<()> {
    if token.user.as_str().starts_with(GUEST_PREFIX) {
        bail!(
            "--user must not begin with '{GUEST_PREFIX}': such names are for guests, and refused in users' tokens"
        );
    }

    let settings = match settings.jwt_secret {
        Some(_) => settings,
        None => DataDirectory::existing_secrets(settings)?,
    };
    let secret = settings.required(&settings.jwt_secret, "jwt_secret")?;
    let life = Duration::from_secs(token.ttl_seconds);
    let role = token.role.map(|role| role.as_str());
    let token = mint_user_token(secret, &token.user, role, Clock::System.now(), life);

    print_line(&token.context("the token could not be signed")?)
}

/// Prints a new key pair for Web Push.
pub fn push_key() -> Result<()> {
    let secret = random_push_key();
    let key = VapidKey::parse(&secret).context("push_key")?;
    print_line(&format!(
        "# public key: {}\npush_key = \"{}\"",
        key.public(),
        secret.expose()
    ))
}

/// Prints the effective settings.
pub fn config_check(settings: &Settings, role: Option<ServerRole>) -> Result<()> {
    let uses_keys = role.is_none_or(|role| Program::from(role).reads("jwt_jwks"));
    if settings.jwt_jwks.is_some()
        && uses_keys
        && let Err(error) = authenticator(settings, false)
    {
        InvalidSettings::unless_none([format!("{error:#}")])?;
    }

    let lines = settings
        .effective()
        .into_iter()
        .map(|(name, value)| format!("{name} = {value}"));
    let valid = match role {
        None => "the configuration is valid".to_owned(),
        Some(role) => format!("the configuration is valid for {}", Program::from(role)),
    };
    print_line(&lines.chain([valid]).collect::<Vec<_>>().join("\n"))
}

/// The response of a process that is alive.
#[derive(Deserialize)]
struct Alive {
    service: String,
}

/// Asks a role for its health.
pub async fn health(settings: &Settings, health: Health) -> Result<()> {
    let url = match health.url {
        Some(url) => url,
        None => health_url(settings.listen)?,
    };
    let http = reqwest::Client::builder()
        .timeout(HEALTH_TIMEOUT)
        .no_proxy()
        .build()?;
    let answer = http
        .get(&url)
        .send()
        .await
        .with_context(|| format!("{url} does not answer"))?;

    if !answer.status().is_success() {
        bail!("{url} answers {}", answer.status());
    }
    match answer.json::<Alive>().await {
        Ok(alive) if alive.service == "stanchion" => print_line("ok"),
        _ => bail!("{url} answers, but is not the health of a Stanchion: ask /health of a role"),
    }
}

/// The URL of a role on this machine that listens there.
fn health_url(listen: SocketAddr) -> Result<String> {
    let mut address = listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    if address.port() == 0 {
        bail!(
            "the port of --listen is chosen at the start; name it with --url http://HOST:PORT/health"
        );
    }
    Ok(format!("http://{address}/health"))
}
