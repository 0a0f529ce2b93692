//! What users' and guests' tokens are verified with.

use anyhow::{Context, Result, bail};
use waitingroom_server::auth::{Authenticator, IdentityConfig};

use crate::config::Settings;

/// Reads the keys of these settings. The log names the keys of a set that are left out, so each
/// process calls this once.
///
/// # Errors
/// A key set that cannot be read, or no way at all to verify a user.
pub fn authenticator(settings: &Settings, guests: bool) -> Result<Authenticator> {
    let jwks = settings.jwt_jwks.as_ref().map(|file| {
        std::fs::read_to_string(file)
            .with_context(|| format!("jwt_jwks: cannot read {}", file.display()))
    });
    if settings.jwt_secret.is_none() && jwks.is_none() {
        bail!(
            "--jwt-secret (STANCHION_JWT_SECRET) or --jwt-jwks (STANCHION_JWT_JWKS) is required here and has no default"
        );
    }

    let identity = IdentityConfig {
        jwt_secret: settings.jwt_secret.clone(),
        jwks: jwks.transpose()?,
        issuer: settings.jwt_issuer.clone(),
        audience: settings.jwt_audience.clone(),
        guest_secret: settings.pass_secret.clone().filter(|_| guests),
        ..IdentityConfig::default()
    };

    if identity.jwks.is_some() {
        for (claim, name) in [
            (&identity.issuer, "jwt_issuer"),
            (&identity.audience, "jwt_audience"),
        ] {
            if claim.is_none() {
                tracing::warn!(
                    "{name} is not set: a token that the same login signed for another service is accepted"
                );
            }
        }
    }

    Authenticator::new(&identity).context("jwt_jwks")
}
