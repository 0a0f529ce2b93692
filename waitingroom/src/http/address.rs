//! Where clients come from, and how many connections each place has.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use axum::http::HeaderMap;
use ipnet::IpNet;
use parking_lot::Mutex;

/// Is this the address of one of the proxies in front of us?
pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// The last address of `X-Forwarded-For` that is not a trusted proxy's, if the peer is one; else the peer's own. Whatever
/// stands further left was written by the client, and so was what stands left of an entry that cannot be read.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let forwarded: Vec<Option<IpAddr>> =
        values.flat_map(|value| value.split(',')).map(|text| text.trim().parse().ok()).collect();
    let is_proxy = |entry: &&Option<IpAddr>| entry.is_some_and(|address| is_trusted(address, trusted));
    forwarded.iter().rev().find(|entry| !is_proxy(entry)).copied().flatten().unwrap_or(peer)
}

/// Counts what each address has open. Remembers only addresses that have something.
#[derive(Debug)]
pub(super) struct Addresses {
    most: Option<usize>,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One of an address's connections; ends when dropped.
#[derive(Debug)]
pub(super) struct AddressPlace {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    /// At most this many for each; nothing is counted where there is no limit.
    pub(super) fn new(most: Option<usize>) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default() })
    }

    /// One more for this address; refused where it has as many as it may. `Ok(None)` where nobody counts.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Option<AddressPlace>, TooManyHere> {
        let Some(most) = self.most else { return Ok(None) };
        let address = household(address);
        let mut open = self.open.lock();
        let count = open.entry(address).or_default();
        if *count >= most {
            return Err(TooManyHere);
        }
        *count += 1;
        Ok(Some(AddressPlace { addresses: Arc::clone(self), address }))
    }
}

/// The address has as many connections as it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyHere;

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Who has one IPv6 address has the other 2⁶⁴ of their network, too.
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
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
        let unreadable = forwarded("198.51.100.7, 203.0.113.9:4711, 10.0.0.2");
        assert_eq!(client_address(proxy, &unreadable, &trusted), proxy, "a client wrote what stands left of it");
        assert!(is_trusted("::ffff:10.1.2.3".parse().unwrap(), &trusted), "as a listener on both families sees it");
    }

    #[test]
    fn an_address_has_as_many_as_it_may_and_is_forgotten_with_the_last() {
        let addresses = Addresses::new(Some(2));
        let enter = |address: &str| addresses.enter(address.parse().unwrap());
        let (one, two) = (enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap());
        assert_eq!(enter("2001:db8::3").err(), Some(TooManyHere), "one network");
        assert!(enter("2001:db8:0:1::1").is_ok() && enter("203.0.113.9").is_ok());
        drop(one);
        let three = enter("2001:db8::3");
        assert!(three.is_ok());
        drop((two, three));
        assert!(addresses.open.lock().is_empty());
        assert!(matches!(Addresses::new(None).enter("203.0.113.9".parse().unwrap()), Ok(None)));
    }
}
