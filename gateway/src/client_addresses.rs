//! The address that a request comes from, behind proxies too.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;
use waitingroom_server::http::client_address;

/// Finds the addresses of clients.
#[derive(Debug)]
pub(crate) struct ClientAddresses {
    /// Proxies whose `X-Forwarded-For` is trusted.
    trusted_proxies: Vec<IpNet>,
}

impl ClientAddresses {
    pub(crate) fn new(trusted_proxies: Vec<IpNet>) -> Self {
        Self { trusted_proxies }
    }

    /// The address that a request comes from.
    pub(crate) fn request_address(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        client_address(peer.ip(), headers, &self.trusted_proxies)
    }
}
