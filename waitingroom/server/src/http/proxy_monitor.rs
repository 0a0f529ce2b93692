//! Notices that what comes from proxies does not fit `--trusted-proxies`, and says so once.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use axum::http::HeaderMap;
use ipnet::IpNet;
use parking_lot::Mutex;

use super::client_address::is_trusted;

/// So many requests of trusted peers without `X-Forwarded-For`, and none with it, are no accident.
const MISSING_HEADER_THRESHOLD: u32 = 100;
/// So many requests from one private address, and none from another: as many guests as one address
/// may have at once.
const SINGLE_ADDRESS_THRESHOLD: u32 = 200;

/// What an operator should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProxyWarning {
    /// A peer that is not trusted says whom it forwards.
    NotTrusted(IpAddr),
    /// A peer that is trusted does not say whom it forwards.
    MissingForwardedFor(IpAddr),
    /// Nobody is trusted, and everybody comes from one private address.
    SingleAddress(IpAddr),
}

impl ProxyWarning {
    pub(super) fn log(self) {
        match self {
            Self::NotTrusted(peer) => tracing::warn!(
                %peer,
                "a peer that --trusted-proxies does not name sends X-Forwarded-For, which is not believed: if it is a proxy of \
                 yours, name it, or all its clients count as one address (said once)"
            ),
            Self::MissingForwardedFor(peer) => tracing::warn!(
                %peer,
                "a peer that --trusted-proxies names sends no X-Forwarded-For: let the proxy set it, or all its clients count \
                 as one address (said once)"
            ),
            Self::SingleAddress(peer) => tracing::warn!(
                %peer,
                "all requests come from one private address and --trusted-proxies is not set: if that is a proxy, name it and \
                 let it set X-Forwarded-For, or all its clients count as one address (said once)"
            ),
        }
    }
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct ProxyMonitor {
    warned_not_trusted: AtomicBool,
    missing_count: AtomicU32,
    seen_header: AtomicBool,
    /// Whether one address is looked for no longer.
    single_address_ruled_out: AtomicBool,
    first_address: Mutex<Option<(IpAddr, u32)>>,
}

impl ProxyMonitor {
    /// Looks at one request of a visitor.
    pub(super) fn check_request(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
        trusted: &[IpNet],
    ) -> Option<ProxyWarning> {
        let forwards = headers.contains_key("x-forwarded-for");
        if is_trusted(peer, trusted) {
            return self
                .misses_header(forwards)
                .then_some(ProxyWarning::MissingForwardedFor(peer));
        }

        if forwards {
            self.single_address_ruled_out.store(true, Ordering::Relaxed);
            return (!self.warned_not_trusted.swap(true, Ordering::Relaxed))
                .then_some(ProxyWarning::NotTrusted(peer));
        }

        (trusted.is_empty() && self.is_single_address(peer))
            .then_some(ProxyWarning::SingleAddress(peer))
    }

    fn misses_header(&self, forwards: bool) -> bool {
        if self.seen_header.load(Ordering::Relaxed) {
            return false;
        }

        if forwards {
            self.seen_header.store(true, Ordering::Relaxed);
            return false;
        }

        self.missing_count.load(Ordering::Relaxed) < MISSING_HEADER_THRESHOLD
            && self.missing_count.fetch_add(1, Ordering::Relaxed) + 1 == MISSING_HEADER_THRESHOLD
    }

    fn is_single_address(&self, peer: IpAddr) -> bool {
        if self.single_address_ruled_out.load(Ordering::Relaxed) {
            return false;
        }

        let mut first_address = self.first_address.lock();
        let (address, seen) = first_address.get_or_insert((peer, 0));

        *seen += 1;
        let enough = *seen == SINGLE_ADDRESS_THRESHOLD;

        if *address != peer || !is_private(peer) || enough {
            self.single_address_ruled_out.store(true, Ordering::Relaxed);
        }

        *address == peer && is_private(peer) && enough
    }
}

/// Is this an address that no visitor from the internet has?
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && second & 0xC0 == 64; // RFC 6598
            address.is_loopback() || address.is_private() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.2";

    fn seen(
        watch: &ProxyMonitor,
        peer: &str,
        forwards: bool,
        trusted: &[IpNet],
        times: u32,
    ) -> Vec<ProxyWarning> {
        let mut headers = HeaderMap::new();
        if forwards {
            headers.insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
        }

        let peer = peer.parse().unwrap();
        (0..times)
            .filter_map(|_| watch.check_request(peer, &headers, trusted))
            .collect()
    }

    #[test]
    fn a_proxy_that_nobody_named_is_said_once() {
        let (watch, proxy) = (ProxyMonitor::default(), PROXY.parse().unwrap());
        assert_eq!(
            seen(&watch, PROXY, true, &[], 300),
            [ProxyWarning::NotTrusted(proxy)]
        );
        assert_eq!(
            seen(&watch, PROXY, false, &[], 300),
            [],
            "one cause, one line"
        );

        let watch = ProxyMonitor::default();
        assert_eq!(
            seen(&watch, PROXY, true, &["10.9.0.0/16".parse().unwrap()], 2),
            [ProxyWarning::NotTrusted(proxy)]
        );
    }

    #[test]
    fn a_named_proxy_that_forwards_nobody_is_said_once() {
        let (watch, trusted) = (ProxyMonitor::default(), ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(
            seen(&watch, PROXY, false, &trusted, MISSING_HEADER_THRESHOLD - 1),
            []
        );
        assert_eq!(
            seen(&watch, PROXY, false, &trusted, 300),
            [ProxyWarning::MissingForwardedFor(PROXY.parse().unwrap())]
        );

        // A gateway that calls booking by itself, beside a proxy that does its work.
        let watch = ProxyMonitor::default();
        assert_eq!(seen(&watch, PROXY, true, &trusted, 1), []);
        assert_eq!(seen(&watch, "10.0.0.3", false, &trusted, 300), []);
    }

    #[test]
    fn a_crowd_from_one_private_address_is_said_once() {
        let watch = ProxyMonitor::default();
        assert_eq!(
            seen(&watch, "127.0.0.1", false, &[], 1_000),
            [ProxyWarning::SingleAddress("127.0.0.1".parse().unwrap())]
        );

        let watch = ProxyMonitor::default();
        assert_eq!(seen(&watch, "127.0.0.1", false, &[], 1), []);
        assert_eq!(seen(&watch, PROXY, false, &[], 300), [], "two addresses");
        assert_eq!(
            seen(&ProxyMonitor::default(), "203.0.113.9", false, &[], 300),
            [],
            "a visitor with much to ask"
        );

        for private in [
            "::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "100.64.0.1",
            "169.254.0.1",
        ] {
            assert_eq!(
                seen(&ProxyMonitor::default(), private, false, &[], 300).len(),
                1,
                "{private}"
            );
        }
    }
}
