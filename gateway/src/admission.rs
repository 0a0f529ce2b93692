//! How many guest identities one address may have: guests cost nothing, and each could hold a place.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use axum::http::HeaderMap;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;
use waitingroom::{
    http::{client_address, household},
    problem::{Code, Problem},
};

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
        let address = household(client_address(peer.ip(), headers, &self.trusted_proxies));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_closes_for_one_address_and_stays_open_for_others() {
        let door = GuestDoor::new(Vec::new());
        let (one, other) = ("203.0.113.9:1".parse().unwrap(), "203.0.113.10:1".parse().unwrap());
        let admitted = (0..300).filter(|_| door.admit(one, &HeaderMap::new()).is_ok()).count();
        assert!((200..300).contains(&admitted), "{admitted}");
        assert!(door.admit(other, &HeaderMap::new()).is_ok());
        let network = (0..300).map(|host| format!("[2001:db8::{host:x}]:1").parse().unwrap());
        let admitted = network.filter(|address| door.admit(*address, &HeaderMap::new()).is_ok()).count();
        assert!((200..300).contains(&admitted), "{admitted} of one network");
    }
}
