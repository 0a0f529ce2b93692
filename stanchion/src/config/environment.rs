//! `STANCHION_*` variables: which of them are settings, and which a container runtime adds.

use std::ffi::OsString;

use super::{
    settings::SETTING_TABLE,
    table::{not_a_setting, variable},
};

/// The start of every variable of this project.
const PREFIX: &str = "STANCHION_";

/// The start of variables that are for the tests.
const TEST_PREFIX: &str = "STANCHION_TEST_";

/// Variables of the project that are no settings: of the tests, and of compose/.env.
const OTHER_VARIABLES: [&str; 4] = [
    "STANCHION_BIN",
    "STANCHION_URL",
    "STANCHION_PUBLISH",
    "STANCHION_SUBNET",
];

/// Variables of this process's environment that look like settings and were put there by a
/// container runtime.
pub fn injected_variables() -> Vec<String> {
    let variables: Vec<_> = std::env::vars_os().collect();
    texts(&variables)
        .filter(|(name, value)| name.starts_with(PREFIX) && is_service_link(name, value))
        .map(|(name, _)| name)
        .collect()
}

/// A misspelled variable would be silently without effect: each is named.
pub(super) fn check_variables(variables: &[(OsString, OsString)]) -> Vec<String> {
    let is_setting = |name: &str| {
        SETTING_TABLE.iter().any(|setting| {
            name == variable(setting.name)
                || setting
                    .former_name
                    .is_some_and(|former| name == variable(former))
        })
    };

    let is_known = |name: &str, value: &str| {
        name == variable("config")
            || name.starts_with(TEST_PREFIX)
            || OTHER_VARIABLES.contains(&name)
            || is_setting(name)
            || is_service_link(name, value)
    };

    texts(variables)
        .filter(|(name, value)| name.starts_with(PREFIX) && !is_known(name, value))
        .map(|(name, _)| {
            let unknown = not_a_setting(&name, variable);
            format!("the environment variable {unknown}")
        })
        .collect()
}

/// What is no text has no name or value of this project.
fn texts(variables: &[(OsString, OsString)]) -> impl Iterator<Item = (String, String)> {
    let text = |part: &OsString| part.to_string_lossy().into_owned();
    variables
        .iter()
        .map(move |(name, value)| (text(name), text(value)))
}

/// Does this variable name a service `stanchion` or `stanchion-…`, as Kubernetes and Docker's links
/// do in every container? The form of name and value decides, so a misspelled setting is none.
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
        let (port, protocol, part) = (parts.next(), parts.next(), parts.next());
        let is_port =
            port.is_some_and(is_number) && matches!(protocol, Some("TCP" | "UDP" | "SCTP"));
        return is_port
            && match part {
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
