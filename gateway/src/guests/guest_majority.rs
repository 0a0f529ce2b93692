//! Notices that one address makes most of the new guests. A proxy that forwards no addresses makes all
//! visitors look like one, and so does a campus: both meet the limits of one address, and only an
//! operator can tell which of them it is.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::time::Instant;
use waitingroom_domain::guest_address::network;
use waitingroom_messaging::process_registry::GuestMajority;
use waitingroom_server::http::rate_limit_key;

use crate::metric_definitions::GUESTS_MAJORITY_RATIO;

/// Guests are counted for this long, refused ones too; at most one warning comes in it.
const WINDOW: Duration = Duration::from_secs(60);
/// Fewer guests in a window have a majority by chance: a family, a test, the first ones of a sale.
const MIN_GUESTS: u32 = 100;

/// See the module's documentation.
pub(crate) struct GuestMajorityMonitor(Mutex<Windows>);

struct Windows {
    began: Instant,
    current: MajorityVote,
    warned: bool,
    /// Of the window before, so that the report does not end with each window.
    previous: Option<GuestMajority>,
}

impl GuestMajorityMonitor {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Windows::beginning(Instant::now(), None)))
    }

    /// Counts a guest, created or refused.
    pub(crate) fn count(&self, address: IpAddr) {
        let warning = self.0.lock().count(address, Instant::now());
        if let Some(GuestMajority { network, percent }) = warning {
            tracing::warn!(
                network,
                percent,
                "most new guests come from one address: if that is a proxy, name it in --trusted-proxies and let it set \
                 X-Forwarded-For; if many people share the address, raise --guests-per-address and the other limits of guests"
            );
        }
    }

    /// The address of this minute's guests or of the last one's, if there is a majority.
    pub(crate) fn current(&self) -> Option<GuestMajority> {
        let mut windows = self.0.lock();
        windows.roll(Instant::now());
        windows.majority()
    }

    /// Writes the metric; to be called periodically, so that it ends with the guests.
    pub(crate) fn record(&self) {
        let percent = self.current().map_or(0, |majority| majority.percent);
        metrics::gauge!(GUESTS_MAJORITY_RATIO).set(f64::from(percent) / 100.0);
    }
}

impl Windows {
    fn beginning(now: Instant, previous: Option<GuestMajority>) -> Self {
        Self {
            began: now,
            current: MajorityVote::default(),
            warned: false,
            previous,
        }
    }

    /// Answers what is to be warned of.
    fn count(&mut self, address: IpAddr, now: Instant) -> Option<GuestMajority> {
        self.roll(now);
        self.current.add(rate_limit_key(address));
        if self.warned {
            return None;
        }

        let majority = self.current.majority()?;
        self.warned = true;
        Some(majority)
    }

    fn roll(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.began);
        if age >= WINDOW {
            let is_recent = age < WINDOW * 2;
            let previous = self.current.majority().filter(|_| is_recent);
            *self = Self::beginning(now, previous);
        }
    }

    fn majority(&self) -> Option<GuestMajority> {
        self.current.majority().or_else(|| self.previous.clone())
    }
}

/// The majority vote of Boyer and Moore: it finds the one address that can have a majority and
/// remembers no other, whatever number of addresses there is. `of_candidate` leaves out guests from
/// before the address became the candidate, so a majority that is reported is one.
#[derive(Debug, Default)]
struct MajorityVote {
    candidate: Option<IpAddr>,
    votes: u32,
    of_candidate: u32,
    all: u32,
}

impl MajorityVote {
    fn add(&mut self, address: IpAddr) {
        self.all += 1;

        if self.candidate == Some(address) {
            self.votes += 1;
            self.of_candidate += 1;
        } else if self.votes == 0 {
            self.candidate = Some(address);
            self.votes = 1;
            self.of_candidate = 1;
        } else {
            self.votes -= 1;
        }
    }

    fn majority(&self) -> Option<GuestMajority> {
        let address = self.candidate?;
        let is_majority = self.all >= MIN_GUESTS && self.of_candidate > self.all / 2;
        let prefix = if address.is_ipv4() { 24 } else { 48 };
        let network = IpNet::new(network(address), prefix).ok()?;

        is_majority.then(|| GuestMajority {
            network: network.to_string(),
            percent: (u64::from(self.of_candidate) * 100 / u64::from(self.all)) as u8,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0xCB00_7100 + number).into() // 203.0.113.0
    }

    #[test]
    fn warns_once_a_window_of_majority() {
        let start = Instant::now();
        let mut windows = Windows::beginning(start, None);
        let mut warnings = Vec::new();
        for guest in 0..400_u32 {
            // Two of three come from one address, the others from one each.
            let from = if guest.is_multiple_of(3) {
                1000 + guest
            } else {
                9
            };
            warnings.extend(windows.count(address(from), start));
        }

        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].network, "203.0.113.0/24");
        let percent = windows.majority().unwrap().percent;
        assert!((60..=67).contains(&percent), "{percent}");

        let next = start + WINDOW;
        windows.roll(next);
        assert!(windows.majority().is_some(), "of the minute before");
        for _ in 0..MIN_GUESTS - 1 {
            assert_eq!(windows.count(address(9), next), None);
        }
        assert!(windows.count(address(9), next).is_some());
        windows.roll(next + WINDOW * 2);
        assert_eq!(windows.majority(), None, "all guests are gone");
    }

    #[test]
    fn finds_no_majority_in_crowd() {
        let start = Instant::now();
        let mut windows = Windows::beginning(start, None);
        let of_half = |guest: u32| {
            if guest.is_multiple_of(2) {
                1000 + guest
            } else {
                9
            }
        };
        for guest in 0..1000_u32 {
            assert_eq!(windows.count(address(of_half(guest)), start), None);
        }
        assert_eq!(windows.majority(), None);
    }

    #[test]
    fn counts_network_of_ipv6_as_one() {
        let start = Instant::now();
        let mut windows = Windows::beginning(start, None);
        let warned = (0..MIN_GUESTS).find_map(|host| {
            let address = format!("2001:db8:7:1::{host:x}").parse().unwrap();
            windows.count(address, start)
        });
        let expected = GuestMajority {
            network: "2001:db8:7::/48".to_owned(),
            percent: 100,
        };
        assert_eq!(warned, Some(expected));
    }
}
