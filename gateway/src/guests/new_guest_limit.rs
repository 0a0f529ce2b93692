//! How many new guests may come from one address and one network: guests cost nothing, and one
//! person could take every place of a queue. Counted on this node; decision 0025 gives the limits
//! of that.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use waitingroom_domain::guest_address::{NETWORK_LIMIT_FACTOR, network};
use waitingroom_messaging::process_registry::GuestMajority;
use waitingroom_server::{
    http::rate_limit_key,
    problem::{Code, Problem},
};

use super::{guest_majority::GuestMajorityMonitor, places::GuestPlaces};
use crate::metric_definitions::{GUESTS_CREATED, GUESTS_REJECTED};

/// Seconds after which a full burst of new guests is allowed again.
const REFILL_SECONDS: u32 = 40;

/// Limits of guests. Counted for each address (with IPv6, each /64 network); each network of
/// addresses (/24 with IPv4, /48 with IPv6) may have [`NETWORK_LIMIT_FACTOR`] times as much.
#[derive(Debug, Clone, Copy)]
pub struct GuestLimits {
    /// Max burst of new guests; a fortieth of it each second over time.
    pub guests: NonZeroU32,
    /// Max places that guests have at the same time on this node.
    pub places: NonZeroU32,
    /// How long after it was made a guest identity may take new places.
    pub join_for: Duration,
}

impl Default for GuestLimits {
    /// 200 guests at once, 200 places: enough for an office, a dormitory, or the hundred subscribers
    /// that share an address of a mobile network. A campus or a stadium behind one address needs more
    /// (docs/configuration.md). Ten minutes to join.
    fn default() -> Self {
        let many = NonZeroU32::new(200).expect("not zero");
        Self {
            guests: many,
            places: many,
            join_for: Duration::from_secs(600),
        }
    }
}

/// See the module's documentation.
pub(crate) struct GuestRateLimiter {
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    by_network: DefaultKeyedRateLimiter<IpAddr>,
    places: Arc<GuestPlaces>,
    majority: GuestMajorityMonitor,
}

impl GuestRateLimiter {
    pub(crate) fn new(limits: GuestLimits) -> Self {
        let quota = |share: u32| {
            let burst = limits
                .guests
                .saturating_mul(NonZeroU32::new(share).unwrap_or(NonZeroU32::MIN));
            Quota::per_second(
                NonZeroU32::new(burst.get() / REFILL_SECONDS).unwrap_or(NonZeroU32::MIN),
            )
            .allow_burst(burst)
        };

        Self {
            by_address: RateLimiter::keyed(quota(1)),
            by_network: RateLimiter::keyed(quota(NETWORK_LIMIT_FACTOR)),
            places: Arc::new(GuestPlaces::new(limits.places.get())),
            majority: GuestMajorityMonitor::new(),
        }
    }

    /// The places that guests have on this node.
    pub(crate) fn places(&self) -> Arc<GuestPlaces> {
        Arc::clone(&self.places)
    }

    /// Counts a new guest from this address.
    ///
    /// # Errors
    /// If too many came from there.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Problem> {
        self.majority.count(address);
        let is_allowed = self.by_address.check_key(&rate_limit_key(address)).is_ok()
            && self.by_network.check_key(&network(address)).is_ok();
        if is_allowed {
            metrics::counter!(GUESTS_CREATED).increment(1);
            return Ok(());
        }

        let detail = "too many guests from this address";
        Err(rate_limited("guests", detail, Duration::from_secs(1)))
    }

    /// The address that makes most of the new guests, if there is one.
    pub(crate) fn majority(&self) -> Option<GuestMajority> {
        self.majority.current()
    }

    /// Forgets idle addresses; to be called periodically, so that memory follows the traffic.
    pub(crate) fn evict_idle(&self) {
        self.by_address.retain_recent();
        self.by_network.retain_recent();
        self.places.evict_expired();
        self.majority.record();
    }
}

pub(super) fn rate_limited(reason: &'static str, detail: &str, retry_after: Duration) -> Problem {
    metrics::counter!(GUESTS_REJECTED, "reason" => reason).increment(1);
    Problem::new(Code::RateLimited, detail).retry_after(retry_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_guests_of_one_address_only() {
        let limiter = GuestRateLimiter::new(GuestLimits::default());
        let is_allowed = |address: &str| limiter.check(address.parse().unwrap()).is_ok();
        let allowed = (0..300).filter(|_| is_allowed("203.0.113.9")).count();

        assert!((200..300).contains(&allowed), "{allowed}");
        assert!(is_allowed("203.0.113.10"));

        let allowed = (0..300)
            .filter(|host| is_allowed(&format!("2001:db8::{host:x}")))
            .count();
        assert!((200..300).contains(&allowed), "{allowed} of one network");
    }

    #[test]
    fn limits_guests_of_one_network() {
        let limiter = GuestRateLimiter::new(GuestLimits::default());
        let is_allowed = |address: String| limiter.check(address.parse().unwrap()).is_ok();
        let of_48 = (0..2000)
            .filter(|net| is_allowed(format!("2001:db8:7:{net:x}::1")))
            .count();

        assert!((800..1200).contains(&of_48), "{of_48} of one /48");
        let of_24 = (0..2000)
            .filter(|at| is_allowed(format!("198.51.100.{}", at % 250)))
            .count();

        assert!((800..1200).contains(&of_24), "{of_24} of one /24");
        assert!(is_allowed("198.51.101.1".into()) && is_allowed("2001:db8:8::1".into()));
    }
}
