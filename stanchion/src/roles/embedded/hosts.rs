//! Under which names the embedded default may be asked. It trusts whoever is at this machine more
//! than others, and a browser is: a page whose name was made to lead to this machine (DNS
//! rebinding) would be of one origin with it.

use std::{collections::HashSet, net::Ipv6Addr, sync::Arc};

use anyhow::{Result, bail};
use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};

use crate::config::is_host_name;

/// See the module's documentation. `localhost` and IP addresses are always among them: nobody can
/// make those lead elsewhere.
#[derive(Debug)]
pub(super) struct AllowedHosts(HashSet<String>);

impl AllowedHosts {
    /// With these names.
    ///
    /// # Errors
    /// One that is no host's name.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a String>) -> Result<Self> {
        let mut hosts = HashSet::new();
        for name in names.map(|name| name.trim()) {
            if !is_host_name(name) {
                bail!(
                    "allowed_hosts: {name:?} is not a host's name; names stand without scheme and port"
                );
            }
            hosts.insert(name.to_ascii_lowercase());
        }

        Ok(Self(hosts))
    }

    /// The routes, for requests under these names only.
    pub(super) fn guard(self, routes: Router) -> Router {
        let hosts = Arc::new(self);
        routes.layer(from_fn(move |request: Request, next: Next| {
            let hosts = Arc::clone(&hosts);
            async move {
                if hosts.admit(&request) {
                    next.run(request).await
                } else {
                    refusal()
                }
            }
        }))
    }

    /// A request that names no host is no browser's. Probes come under whatever name their platform
    /// gives the process, and what they read is no secret.
    fn admit(&self, request: &Request) -> bool {
        if matches!(request.uri().path(), "/health" | "/ready") {
            return true;
        }

        let named = request
            .headers()
            .get_all(header::HOST)
            .iter()
            .map(|host| host.to_str().ok());
        let authority = request
            .uri()
            .authority()
            .map(|authority| Some(authority.as_str()));

        named
            .chain(authority)
            .all(|host| host.is_some_and(|host| self.knows(host)))
    }

    fn knows(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let six = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));

        name == "localhost"
            || self.0.contains(&name)
            || name.parse::<std::net::Ipv4Addr>().is_ok()
            || six.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
    }
}

fn refusal() -> Response {
    let text = "This server is not asked under this name. If it should be, start it with --allowed-hosts and the name.\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_name_that_others_can_make_lead_here_is_not_answered() {
        let hosts = AllowedHosts::new(["Tickets.example".to_owned()].iter()).unwrap();
        for host in [
            "localhost:8080",
            "LOCALHOST",
            "127.0.0.1:8080",
            "192.168.1.20",
            "[::1]:8080",
            "tickets.EXAMPLE",
            "tickets.example:443",
            "tickets.example.",
        ] {
            assert!(hosts.knows(host), "{host}");
        }

        for host in [
            "attacker.example",
            "localhost.attacker.example",
            "127.0.0.1.attacker.example",
            "",
            ":8080",
            "[::1",
            "a b",
        ] {
            assert!(!hosts.knows(host), "{host}");
        }

        let request = |host: &[&str], uri: &str| {
            let request = Request::builder().uri(uri);
            host.iter()
                .fold(request, |request, host| request.header("host", *host))
                .body(Body::empty())
                .unwrap()
        };
        assert!(hosts.admit(&request(&[], "/")), "no browser");
        assert!(
            hosts.admit(&request(&["stanchion.internal"], "/ready")),
            "a probe"
        );
        assert!(hosts.admit(&request(&["localhost"], "http://127.0.0.1:8080/")));
        assert!(!hosts.admit(&request(&["localhost", "attacker.example"], "/")));
        assert!(!hosts.admit(&request(&["localhost"], "http://attacker.example/")));

        for name in ["https://tickets.example", "tickets.example:443", "", "*"] {
            assert!(
                AllowedHosts::new([name.to_owned()].iter()).is_err(),
                "{name}"
            );
        }
    }
}
