//! Commands that only read and print.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use waitingroom_domain::{clock::Clock, push::VapidKey};
use waitingroom_server::auth::{GUEST_PREFIX, mint_user_token};

use crate::{
    cli::{Health, Token},
    config::{DataDirectory, Settings, random_push_key},
    output::print_line,
    roles::authenticator,
};

/// Maximum wait for a health response.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// Prints a user's token.
pub fn token(settings: Settings, token: &Token) -> Result<()> {
    let settings = match settings.jwt_secret {
        Some(_) => settings,
        None => DataDirectory::open(&settings)?.secrets(settings)?,
    };

    if token.user.as_str().starts_with(GUEST_PREFIX) {
        bail!(
            "--user must not begin with '{GUEST_PREFIX}': such names are for guests, and refused in users' tokens"
        );
    }

    let secret = settings.required(&settings.jwt_secret, "jwt_secret")?;
    let life = Duration::from_secs(token.ttl_seconds);
    let token = mint_user_token(
        secret,
        &token.user,
        token.role.as_deref(),
        Clock::System.now(),
        life,
    );

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
pub fn config_check(settings: &Settings) -> Result<()> {
    if settings.jwt_jwks.is_some() {
        authenticator(settings, false)?;
    }

    let lines = settings
        .effective()
        .into_iter()
        .map(|(name, value)| format!("{name} = {value}"));
    print_line(
        &lines
            .chain(["the configuration is valid".to_owned()])
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

/// Asks a role for its health.
pub async fn health(health: &Health) -> Result<()> {
    if !health.url.starts_with("http://") {
        bail!("--url must begin with http://; TLS (https://) is not supported");
    }

    let http = reqwest::Client::builder().timeout(HEALTH_TIMEOUT).build()?;
    let answer = http
        .get(&health.url)
        .send()
        .await
        .with_context(|| format!("{} does not answer", health.url))?;

    if !answer.status().is_success() {
        bail!("{} answers {}", health.url, answer.status());
    }

    print_line("ok")
}
