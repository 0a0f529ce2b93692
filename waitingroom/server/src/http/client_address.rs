//! Where clients come from, and how many connections each place has.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::http::HeaderMap;
use ipnet::IpNet;
use parking_lot::Mutex;

/// Longest part of an unreadable entry that is logged, in characters.
const MAX_LOGGED_CHARS: usize = 64;

/// Is this the address of one of the proxies in front of us?
pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// The last address of `X-Forwarded-For` that is not a trusted proxy's, if the peer is one; else
/// the peer's own. Whatever stands further left was written by the client, and so was what stands
/// left of an entry that cannot be read.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    if !is_trusted(peer, trusted) {
        return peer;
    }

    let values = headers.get_all("x-forwarded-for").iter().rev();
    let entries = values.flat_map(|value| value.to_str().unwrap_or("(not text)").rsplit(','));

    for entry in entries.map(str::trim).filter(|entry| !entry.is_empty()) {
        match parse_forwarded(entry) {
            Some(address) if is_trusted(address, trusted) => {}
            Some(address) => return address,
            None => {
                warn_once(entry, peer);
                return peer;
            }
        }
    }

    peer
}

/// An address in one of the forms in which proxies write it: alone, with a port, and with IPv6 in
/// brackets.
fn parse_forwarded(entry: &str) -> Option<IpAddr> {
    let with_port = || entry.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || {
        entry
            .strip_prefix('[')?
            .strip_suffix(']')?
            .parse()
            .ok()
            .map(IpAddr::V6)
    };
    entry.parse().ok().or_else(with_port).or_else(in_brackets)
}

fn warn_once(entry: &str, peer: IpAddr) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Ordering::Relaxed) {
        let entry: String = entry.escape_debug().take(MAX_LOGGED_CHARS).collect();
        tracing::warn!(
            entry,
            %peer,
            "X-Forwarded-For of a trusted proxy holds an entry that is no address; such requests count for the proxy itself \
             (said once)"
        );
    }
}

/// Counts what each address has open. Remembers only addresses that have something.
#[derive(Debug)]
pub(super) struct AddressLimiter {
    max: Option<usize>,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One of an address's connections; ends when dropped.
#[derive(Debug)]
pub(super) struct AddressPermit {
    limiter: Arc<AddressLimiter>,
    address: IpAddr,
}

impl AddressLimiter {
    /// At most this many for each; nothing is counted where there is no limit.
    pub(super) fn new(max: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            max,
            open: Mutex::default(),
        })
    }

    /// One more for this address; refused where it has as many as it may. `Ok(None)` where nobody
    /// counts.
    pub(super) fn acquire(
        self: &Arc<Self>,
        address: IpAddr,
    ) -> Result<Option<AddressPermit>, AddressLimitReached> {
        let Some(max) = self.max else {
            return Ok(None);
        };
        let address = rate_limit_key(address);
        let mut open = self.open.lock();
        let count = open.entry(address).or_default();

        if *count >= max {
            return Err(AddressLimitReached);
        }

        *count += 1;
        Ok(Some(AddressPermit {
            limiter: Arc::clone(self),
            address,
        }))
    }
}

/// The address has as many connections as it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AddressLimitReached;

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut open = self.limiter.open.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Who has one IPv6 address has the other 2⁶⁴ of their network, too.
pub fn rate_limit_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers_of(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn an_address_is_believed_from_a_trusted_proxy_only() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let (proxy, stranger): (IpAddr, IpAddr) =
            ("10.1.2.3".parse().unwrap(), "203.0.113.9".parse().unwrap());
        let headers = headers_of("1.1.1.1, 198.51.100.7, 10.0.0.2");

        assert_eq!(
            client_address(proxy, &headers, &trusted).to_string(),
            "198.51.100.7"
        );
        assert_eq!(client_address(stranger, &headers, &trusted), stranger);
        assert_eq!(client_address(proxy, &HeaderMap::new(), &trusted), proxy);

        let unreadable = headers_of("198.51.100.7, unknown, 10.0.0.2");
        assert_eq!(
            client_address(proxy, &unreadable, &trusted),
            proxy,
            "a client wrote what stands left of it"
        );
        assert!(
            is_trusted("::ffff:10.1.2.3".parse().unwrap(), &trusted),
            "as a listener on both families sees it"
        );
    }

    #[test]
    fn an_address_is_read_in_every_form_that_proxies_write() {
        for (entry, address) in [
            ("203.0.113.9", Some("203.0.113.9")),
            ("203.0.113.9:50123", Some("203.0.113.9")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("203.0.113.9:", None),
            ("203.0.113.9:port", None),
            ("[203.0.113.9]", None),
            ("[2001:db8::1", None),
            ("unknown", None),
        ] {
            assert_eq!(
                parse_forwarded(entry),
                address.map(|address| address.parse().unwrap()),
                "{entry}"
            );
        }

        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let proxy = "10.1.2.3".parse().unwrap();
        let client = |value| client_address(proxy, &headers_of(value), &trusted).to_string();

        assert_eq!(
            client("1.1.1.1, 198.51.100.7:4711, 10.0.0.2:80"),
            "198.51.100.7"
        );
        assert_eq!(client("1.1.1.1,[2001:db8::7]:4711,"), "2001:db8::7");
    }

    #[test]
    fn the_last_line_of_the_header_is_the_nearest() {
        let mut headers = headers_of("1.1.1.1");
        headers.append("x-forwarded-for", "198.51.100.7".parse().unwrap());
        let (proxy, trusted) = ("10.1.2.3".parse().unwrap(), ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(
            client_address(proxy, &headers, &trusted).to_string(),
            "198.51.100.7"
        );
    }

    #[test]
    fn an_address_has_as_many_as_it_may_and_is_forgotten_with_the_last() {
        let limiter = AddressLimiter::new(Some(2));
        let acquire = |address: &str| limiter.acquire(address.parse().unwrap());
        let (one, two) = (
            acquire("2001:db8::1").unwrap(),
            acquire("2001:db8::2").unwrap(),
        );

        assert_eq!(
            acquire("2001:db8::3").err(),
            Some(AddressLimitReached),
            "one network"
        );
        assert!(acquire("2001:db8:0:1::1").is_ok() && acquire("203.0.113.9").is_ok());
        drop(one);

        let three = acquire("2001:db8::3");
        assert!(three.is_ok());
        drop((two, three));
        assert!(limiter.open.lock().is_empty());
        assert!(matches!(
            AddressLimiter::new(None).acquire("203.0.113.9".parse().unwrap()),
            Ok(None)
        ));
    }
}
