//! Notices that what comes from proxies does not fit `--trusted-proxies`, and says so once.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use axum::http::HeaderMap;
use ipnet::IpNet;
use parking_lot::Mutex;

use super::address::is_trusted;

/// So many requests of trusted peers without `X-Forwarded-For`, and none with it, are no accident.
const WITHOUT: u32 = 100;
/// So many requests from one private address, and none from another: as many guests as one address
/// may have at once.
const FROM_ONE: u32 = 200;

/// What an operator should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    /// A peer that is not trusted says whom it forwards.
    NotTrusted(IpAddr),
    /// A peer that is trusted does not say whom it forwards.
    SaysNobody(IpAddr),
    /// Nobody is trusted, and everybody comes from one private address.
    OneAddress(IpAddr),
}

impl Advice {
    pub(super) fn say(self) {
        match self {
            Self::NotTrusted(peer) => tracing::warn!(
                %peer,
                "a peer that --trusted-proxies does not name sends X-Forwarded-For, which is not believed: if it is a proxy of \
                 yours, name it, or all its clients count as one address (said once)"
            ),
            Self::SaysNobody(peer) => tracing::warn!(
                %peer,
                "a peer that --trusted-proxies names sends no X-Forwarded-For: let the proxy set it, or all its clients count \
                 as one address (said once)"
            ),
            Self::OneAddress(peer) => tracing::warn!(
                %peer,
                "all requests come from one private address and --trusted-proxies is not set: if that is a proxy, name it and \
                 let it set X-Forwarded-For, or all its clients count as one address (said once)"
            ),
        }
    }
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Watch {
    said_not_trusted: AtomicBool,
    without: AtomicU32,
    says_somebody: AtomicBool,
    /// Whether one address is looked for no longer.
    is_not_one: AtomicBool,
    only: Mutex<Option<(IpAddr, u32)>>,
}

impl Watch {
    /// Looks at one request of a visitor.
    pub(super) fn notice(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
        trusted: &[IpNet],
    ) -> Option<Advice> {
        let forwards = headers.contains_key("x-forwarded-for");
        if is_trusted(peer, trusted) {
            return self
                .of_trusted(forwards)
                .then_some(Advice::SaysNobody(peer));
        }
        if forwards {
            self.is_not_one.store(true, Ordering::Relaxed);
            return (!self.said_not_trusted.swap(true, Ordering::Relaxed))
                .then_some(Advice::NotTrusted(peer));
        }
        (trusted.is_empty() && self.comes_from_one(peer)).then_some(Advice::OneAddress(peer))
    }

    fn of_trusted(&self, forwards: bool) -> bool {
        if self.says_somebody.load(Ordering::Relaxed) {
            return false;
        }
        if forwards {
            self.says_somebody.store(true, Ordering::Relaxed);
            return false;
        }
        self.without.load(Ordering::Relaxed) < WITHOUT
            && self.without.fetch_add(1, Ordering::Relaxed) + 1 == WITHOUT
    }

    fn comes_from_one(&self, peer: IpAddr) -> bool {
        if self.is_not_one.load(Ordering::Relaxed) {
            return false;
        }
        let mut only = self.only.lock();
        let (address, seen) = only.get_or_insert((peer, 0));
        *seen += 1;
        let enough = *seen == FROM_ONE;
        if *address != peer || !is_private(peer) || enough {
            self.is_not_one.store(true, Ordering::Relaxed);
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
        watch: &Watch,
        peer: &str,
        forwards: bool,
        trusted: &[IpNet],
        times: u32,
    ) -> Vec<Advice> {
        let mut headers = HeaderMap::new();
        if forwards {
            headers.insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
        }
        let peer = peer.parse().unwrap();
        (0..times)
            .filter_map(|_| watch.notice(peer, &headers, trusted))
            .collect()
    }

    #[test]
    fn a_proxy_that_nobody_named_is_said_once() {
        let (watch, proxy) = (Watch::default(), PROXY.parse().unwrap());
        assert_eq!(
            seen(&watch, PROXY, true, &[], 300),
            [Advice::NotTrusted(proxy)]
        );
        assert_eq!(
            seen(&watch, PROXY, false, &[], 300),
            [],
            "one cause, one line"
        );
        let watch = Watch::default();
        assert_eq!(
            seen(&watch, PROXY, true, &["10.9.0.0/16".parse().unwrap()], 2),
            [Advice::NotTrusted(proxy)]
        );
    }

    #[test]
    fn a_named_proxy_that_forwards_nobody_is_said_once() {
        let (watch, trusted) = (Watch::default(), ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(seen(&watch, PROXY, false, &trusted, WITHOUT - 1), []);
        assert_eq!(
            seen(&watch, PROXY, false, &trusted, 300),
            [Advice::SaysNobody(PROXY.parse().unwrap())]
        );
        // A gateway that calls booking by itself, beside a proxy that does its work.
        let watch = Watch::default();
        assert_eq!(seen(&watch, PROXY, true, &trusted, 1), []);
        assert_eq!(seen(&watch, "10.0.0.3", false, &trusted, 300), []);
    }

    #[test]
    fn a_crowd_from_one_private_address_is_said_once() {
        let watch = Watch::default();
        assert_eq!(
            seen(&watch, "127.0.0.1", false, &[], 1_000),
            [Advice::OneAddress("127.0.0.1".parse().unwrap())]
        );
        let watch = Watch::default();
        assert_eq!(seen(&watch, "127.0.0.1", false, &[], 1), []);
        assert_eq!(seen(&watch, PROXY, false, &[], 300), [], "two addresses");
        assert_eq!(
            seen(&Watch::default(), "203.0.113.9", false, &[], 300),
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
                seen(&Watch::default(), private, false, &[], 300).len(),
                1,
                "{private}"
            );
        }
    }
}
