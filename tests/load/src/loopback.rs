//! Where load may go: to this machine and nowhere else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// A server on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// The value of the header `Host`.
    pub authority: String,
}

impl Endpoint {
    /// The endpoint of a URL such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// Any host that is not loopback (127.0.0.0/8, ::1, localhost), any scheme but `http`, any
    /// path.
    pub fn parse(url: &str) -> Result<Self> {
        let uri: hyper::Uri = url.parse().with_context(|| format!("{url} is not a URL"))?;
        if uri.scheme_str() != Some("http") {
            bail!("{url} must begin with http://");
        }

        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            bail!("{url} must have no path: the interface is found below /api/v1");
        }

        let authority = uri
            .authority()
            .with_context(|| format!("{url} names no host"))?;
        let ip = loopback(authority.host()).with_context(|| {
            format!(
                "{} is not a loopback address; load goes nowhere else",
                authority.host()
            )
        })?;

        let address = SocketAddr::new(ip, authority.port_u16().unwrap_or(80));
        Ok(Self {
            address,
            authority: address.to_string(),
        })
    }
}

/// The address of a host that is this machine. `localhost` is not looked up: it means 127.0.0.1.
fn loopback(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }

    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse().ok()? {
        IpAddr::V4(ip) if ip.is_loopback() => Some(ip.into()),
        IpAddr::V6(ip) if ip == Ipv6Addr::LOCALHOST => Some(ip.into()),
        _ => None,
    }
}

/// The source address of a user's connections: 127.0.0.2 to 127.0.0.251, so that no address runs
/// out of ports (about 28,000 each). `None` if the server listens on IPv6, which has one
/// loopback address.
pub fn source(to: SocketAddr, user: usize) -> Option<SocketAddr> {
    let last = u8::try_from(2 + user % 250).unwrap_or(2);
    to.is_ipv4()
        .then(|| (Ipv4Addr::new(127, 0, 0, last), 0).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_hosts_are_accepted() {
        for (url, address) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.255.3.4:1/", "127.255.3.4:1"),
            ("http://localhost", "127.0.0.1:80"),
            ("http://LOCALHOST:81", "127.0.0.1:81"),
            ("http://[::1]:9000", "[::1]:9000"),
        ] {
            assert_eq!(
                Endpoint::parse(url).unwrap().address.to_string(),
                address,
                "{url}"
            );
        }
    }

    #[test]
    fn every_other_host_is_refused() {
        for url in [
            "http://example.com",
            "http://10.0.0.1:8080",
            "http://0.0.0.0:8080",
            "http://128.0.0.1",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com",
            "http://[::]:80",
            "http://[::ffff:8.8.8.8]",
            "https://127.0.0.1",
            "http://127.0.0.1/elsewhere",
            "127.0.0.1:8080",
        ] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn users_come_from_many_loopback_addresses() {
        let to = "127.0.0.1:80".parse().unwrap();
        let sources: std::collections::HashSet<_> =
            (0..10_000).filter_map(|user| source(to, user)).collect();
        assert_eq!(sources.len(), 250);
        assert!(sources.iter().all(|source| source.ip().is_loopback()));
        assert_eq!(source("[::1]:80".parse().unwrap(), 3), None);
    }
}
