//! What a listener serves, and how much of it.

use std::time::Duration;

use ipnet::IpNet;

/// What one listener accepts.
#[derive(Debug, Clone)]
pub struct ServeLimits {
    /// Which paths it answers.
    pub serves: Serves,
    /// Most connections at once; beyond it one that says nothing gives way. Where there is none,
    /// the new one is answered 503 and closed, save that operators are still served.
    pub connections: usize,
    /// Connections beyond the limit that are served at the same time, to be refused in order, or
    /// for operators; beyond them connections are closed without a word.
    pub spare: usize,
    /// File descriptors held back for those, in case that something else than connections uses up
    /// all others.
    pub reserve: usize,
    /// Most connections at once of one address (of one /64 network, with IPv6); beyond it they are
    /// answered 429. Behind a trusted proxy: most sockets, streams and requests of the forwarded
    /// address.
    pub connections_per_address: Option<usize>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Time for a connection's first byte; 2 s at most where nine of ten places are taken. Pools
    /// and browsers open connections ahead of their need.
    pub first_byte_timeout: Duration,
    /// Time for the headers of a connection's first request, once it has begun to arrive.
    pub header_timeout: Duration,
    /// How long a connection may stand idle between two requests. Longer than clients keep one in
    /// their pools (proxies 30 to 60 s, libraries up to 90 s): who closes first must be the client,
    /// or a request that may not be repeated is lost on a connection that is just being closed.
    pub idle_timeout: Duration,
    /// How long what was sent may stay unacknowledged, or a client may leave its window shut,
    /// before the connection is given up (`TCP_USER_TIMEOUT`): the deadline of every write, also of
    /// streams that nobody reads.
    pub write_timeout: Duration,
}

/// Which paths a listener answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// All.
    Everything,
    /// All but `/metrics`: there is a listener for operators.
    Visitors,
    /// `/health`, `/ready`, `/metrics` and what lies below `/api/v1/admin/`.
    Operators,
}

impl Serves {
    pub(super) fn serves(self, path: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Visitors => path != "/metrics",
            Self::Operators => is_ops_path(path),
        }
    }
}

impl Default for ServeLimits {
    /// 19,000 connections: what a limit of 20,000 file descriptors leaves room for. 10 s for the
    /// first byte and for headers, 120 s for silence. 30 s for clients that do not take what they
    /// are sent: longer than a phone needs to change cells.
    fn default() -> Self {
        Self {
            serves: Serves::Everything,
            connections: 19_000,
            spare: 64,
            reserve: 16,
            connections_per_address: None,
            trusted_proxies: Vec::new(),
            first_byte_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// Paths that are served even if no slot is free: operators must not be locked out of
/// the node.
pub(super) fn is_ops_path(path: &str) -> bool {
    matches!(path, "/health" | "/ready" | "/metrics") || path.starts_with("/api/v1/admin/")
}
