//! How many guest identities one address may have: guests cost nothing, and each could hold a place.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use axum::http::HeaderMap;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;
use waitingroom::problem::{Code, Problem};

/// Guests per second from one address, over time.
const RATE: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
/// Guests at once from one address: an office or a dormitory behind one address should not notice.
const BURST: NonZeroU32 = NonZeroU32::new(200).expect("not zero");

/// See the module's documentation.
pub(crate) struct GuestDoor {
    trusted_proxies: Vec<IpNet>,
    limiter: DefaultKeyedRateLimiter<IpAddr>,
}

impl GuestDoor {
    pub(crate) fn new(trusted_proxies: Vec<IpNet>) -> Self {
        Self { trusted_proxies, limiter: RateLimiter::keyed(Quota::per_second(RATE).allow_burst(BURST)) }
    }

    /// May one more guest come from where this request comes from?
    pub(crate) fn admit(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<(), Problem> {
        let address = client_address(peer.ip(), headers, &self.trusted_proxies);
        self.limiter.check_key(&address).map_err(|_| {
            let detail = "too many guests from this address";
            Problem::new(Code::RateLimited, detail).retry_after(Duration::from_secs(1))
        })
    }

    /// Forgets addresses that have been quiet; to be called now and then, so that memory follows the traffic.
    pub(crate) fn forget_quiet(&self) {
        self.limiter.retain_recent();
    }
}

/// The last address of `X-Forwarded-For` that is not a trusted proxy's, if the peer is one; else the peer's own. Whatever
/// stands further left was written by the client.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let forwarded: Vec<IpAddr> =
        values.flat_map(|value| value.split(',')).filter_map(|text| text.trim().parse().ok()).collect();
    forwarded.into_iter().rev().find(|address| !is_trusted(address)).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn an_address_is_believed_from_a_trusted_proxy_only() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let (proxy, stranger): (IpAddr, IpAddr) = ("10.1.2.3".parse().unwrap(), "203.0.113.9".parse().unwrap());
        let headers = forwarded("1.1.1.1, 198.51.100.7, 10.0.0.2");
        assert_eq!(client_address(proxy, &headers, &trusted).to_string(), "198.51.100.7");
        assert_eq!(client_address(stranger, &headers, &trusted), stranger);
        assert_eq!(client_address(proxy, &HeaderMap::new(), &trusted), proxy);
    }

    #[test]
    fn the_door_closes_for_one_address_and_stays_open_for_others() {
        let door = GuestDoor::new(Vec::new());
        let (one, other) = ("203.0.113.9:1".parse().unwrap(), "203.0.113.10:1".parse().unwrap());
        let admitted = (0..300).filter(|_| door.admit(one, &HeaderMap::new()).is_ok()).count();
        assert!((200..300).contains(&admitted), "{admitted}");
        assert!(door.admit(other, &HeaderMap::new()).is_ok());
    }
}
