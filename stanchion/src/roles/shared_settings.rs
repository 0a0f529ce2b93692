//! The settings that several processes of an installation must have in common. Each publishes its
//! own, and compares (`process_registry::settings_agreement`).

use std::collections::BTreeMap;

use waitingroom_domain::secret::Secret;
use waitingroom_messaging::process_registry::Role;

use crate::config::Settings;

/// What is published of a setting that is not set.
const UNSET: &str = "not set";

/// The shared settings of a process with these roles, by name. Of a secret and of a key set, the
/// fingerprint.
pub fn shared_settings(settings: &Settings, roles: &[Role]) -> BTreeMap<String, String> {
    let mut shared = BTreeMap::new();
    let mut add = |name: &str, value: Option<String>| {
        let value = value.unwrap_or_else(|| UNSET.to_owned());
        shared.insert(name.to_owned(), value);
    };

    let fingerprint = |secret: &Option<Secret>, name| {
        let secret = secret.as_ref();
        secret.map(|secret| secret.fingerprint(name))
    };
    // Who is admitted by a gateway must be admitted by booking.
    if roles.contains(&Role::Gateway) || roles.contains(&Role::Booking) {
        let is_embedded = roles.contains(&Role::QueueWorker);
        add(
            "guests",
            Some(settings.guests.unwrap_or(is_embedded).to_string()),
        );
        add(
            "pass_secret",
            fingerprint(&settings.pass_secret, "pass_secret"),
        );
        add(
            "jwt_secret",
            fingerprint(&settings.jwt_secret, "jwt_secret"),
        );
        add("jwt_jwks", key_set(settings));
        add("jwt_issuer", settings.jwt_issuer.clone());
        add("jwt_audience", settings.jwt_audience.clone());
    }

    // Instances of booking publish to one stream.
    if roles.contains(&Role::Booking) {
        add("nats_prefix", Some(settings.nats_prefix.clone()));
    }

    // The throttle is one for all workers.
    if roles.contains(&Role::QueueWorker) {
        add(
            "min_release_percent",
            Some(settings.min_release_percent.to_string()),
        );
        add(
            "overload_latency_ms",
            Some(settings.overload_latency_ms.to_string()),
        );
    }

    shared
}

/// The fingerprint of the key set's text.
fn key_set(settings: &Settings) -> Option<String> {
    let text = std::fs::read_to_string(settings.jwt_jwks.as_ref()?).ok()?;
    Some(Secret::new(text).fingerprint("jwt_jwks"))
}
