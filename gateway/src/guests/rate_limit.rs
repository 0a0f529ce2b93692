//! How many guests, and how many of their places, come from one address and one network: guests
//! cost nothing, and one person could be as many as the line has places. Counted on this node;
//! decision 0025 says what that is worth.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use axum::http::HeaderMap;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;
use waitingroom::{
    absence::Presence,
    guest_address::{NETWORK_SHARE, network},
    http::{client_address, household},
    identity::Identity,
    ids::EventId,
    line::Place,
    problem::{Code, Problem},
};

use super::places::{GuestConnection, GuestPlaces};
use crate::{queue_service::PresentedTicket, state::Gateway};

/// A burst of new guests is allowed again after this many seconds.
const REFILL_SECONDS: u32 = 40;

/// What guests may do. Counted for each address (with IPv6, each /64 network); each network of
/// addresses (/24 with IPv4, /48 with IPv6) may have [`NETWORK_SHARE`] times as much.
#[derive(Debug, Clone, Copy)]
pub struct GuestLimits {
    /// New guests at once; a fortieth of it each second over time.
    pub guests: NonZeroU32,
    /// Places that guests have at the same time on this node.
    pub places: NonZeroU32,
    /// How long a guest identity may take new places once it was made.
    pub join_for: Duration,
}

impl Default for GuestLimits {
    /// 200 guests at once, 200 places: an office or a dormitory behind one address should not
    /// notice. Ten minutes to join.
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
    limits: GuestLimits,
    trusted_proxies: Vec<IpNet>,
    of_address: DefaultKeyedRateLimiter<IpAddr>,
    of_network: DefaultKeyedRateLimiter<IpAddr>,
    places: Arc<GuestPlaces>,
}

impl GuestRateLimiter {
    pub(crate) fn new(limits: GuestLimits, trusted_proxies: Vec<IpNet>) -> Self {
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
            trusted_proxies,
            of_address: RateLimiter::keyed(quota(1)),
            of_network: RateLimiter::keyed(quota(NETWORK_SHARE)),
            places: Arc::new(GuestPlaces::new(limits.places.get())),
            limits,
        }
    }

    /// Where a request comes from.
    pub(crate) fn request_address(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        client_address(peer.ip(), headers, &self.trusted_proxies)
    }

    /// May one more guest come from there?
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Problem> {
        let admitted = self.of_address.check_key(&household(address)).is_ok()
            && self.of_network.check_key(&network(address)).is_ok();
        let detail = "too many guests from this address";
        if admitted {
            Ok(())
        } else {
            Err(rate_limited("guests", detail, Duration::from_secs(1)))
        }
    }

    /// Forgets what has been quiet; to be called now and then, so that memory follows the traffic.
    pub(crate) fn evict_idle(&self) {
        self.of_address.retain_recent();
        self.of_network.retain_recent();
        self.places.evict_expired();
    }
}

fn rate_limited(reason: &'static str, detail: &str, retry_after: Duration) -> Problem {
    metrics::counter!("stanchion_guests_refused_total", "reason" => reason).increment(1);
    Problem::new(Code::RateLimited, detail).retry_after(retry_after)
}

impl Gateway {
    /// Takes a place, or finds the caller's own, as [`Gateway::take_place`]; a guest's is counted,
    /// and refused where there are too many or the identity was made too long ago. Places that
    /// guests have are theirs all the same.
    pub(crate) async fn join_within_limits(
        &self,
        event: EventId,
        caller: &Identity,
        address: IpAddr,
        presence: Presence,
        kept: PresentedTicket<'_>,
    ) -> Result<(bool, Place), Problem> {
        let Some(made) = caller.guest else {
            return self.join(event, &caller.user, presence, kept).await;
        };
        let (limiter, user) = (&self.0.guest_rate_limiter, &caller.user);
        let known = limiter.places.contains(event, user);
        let has_ticket = || {
            kept.ticket
                .is_some_and(|ticket| self.0.deps.tickets.verify(ticket, event, user).is_some())
        };
        let is_old = self.0.deps.clock.now().since(made) > limiter.limits.join_for;
        let refusal: Option<fn() -> Problem> = if !known && is_old && !has_ticket() {
            Some(guest_too_old)
        } else if limiter.places.acquire(event, user, address) {
            None
        } else {
            Some(too_many_places)
        };
        let Some(refusal) = refusal else {
            let taken = self.join(event, user, presence, kept).await;
            if taken.is_err() && !known {
                limiter.places.release(event, user);
            }
            return taken;
        };
        match self.resume(event, user, &presence).await {
            Ok(place) => Ok((false, place)),
            Err(problem) if problem.code == Code::NotInQueue => Err(refusal()),
            Err(problem) => Err(problem),
        }
    }

    /// For as long as a connection of a guest follows a line: nothing where it is no guest's.
    pub(crate) fn track_guest_connection(
        &self,
        event: EventId,
        caller: &Identity,
    ) -> Option<Box<GuestConnection>> {
        caller.guest.map(|_| {
            Box::new(GuestConnection::new(
                &self.0.guest_rate_limiter.places,
                event,
                &caller.user,
            ))
        })
    }

    /// A guest's place is looked at.
    pub(crate) fn extend_guest_place(&self, event: EventId, caller: &Identity) {
        if caller.guest.is_some() {
            self.0.guest_rate_limiter.places.extend(event, &caller.user);
        }
    }

    /// A guest has given a place up.
    pub(crate) fn release_guest_place(&self, event: EventId, caller: &Identity) {
        if caller.guest.is_some() {
            self.0
                .guest_rate_limiter
                .places
                .release(event, &caller.user);
        }
    }
}

fn too_many_places() -> Problem {
    rate_limited(
        "places",
        "too many guests from this address are in line",
        Duration::from_secs(10),
    )
}

fn guest_too_old() -> Problem {
    metrics::counter!("stanchion_guests_refused_total", "reason" => "age").increment(1);
    let detail = "this guest was made too long ago to take a new place: POST /api/v1/guest with this token renews it";
    Problem::new(Code::GuestTooOld, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_closes_for_one_address_and_stays_open_for_others() {
        let limiter = GuestRateLimiter::new(GuestLimits::default(), Vec::new());
        let admit = |address: &str| limiter.check(address.parse().unwrap()).is_ok();
        let admitted = (0..300).filter(|_| admit("203.0.113.9")).count();
        assert!((200..300).contains(&admitted), "{admitted}");
        assert!(admit("203.0.113.10"));
        let admitted = (0..300)
            .filter(|host| admit(&format!("2001:db8::{host:x}")))
            .count();
        assert!((200..300).contains(&admitted), "{admitted} of one network");
    }

    #[test]
    fn who_has_many_addresses_has_not_as_many_guests() {
        let limiter = GuestRateLimiter::new(GuestLimits::default(), Vec::new());
        let admit = |address: String| limiter.check(address.parse().unwrap()).is_ok();
        let of_48 = (0..2000)
            .filter(|net| admit(format!("2001:db8:7:{net:x}::1")))
            .count();
        assert!((800..1200).contains(&of_48), "{of_48} of one /48");
        let of_24 = (0..2000)
            .filter(|at| admit(format!("198.51.100.{}", at % 250)))
            .count();
        assert!((800..1200).contains(&of_24), "{of_24} of one /24");
        assert!(admit("198.51.101.1".into()) && admit("2001:db8:8::1".into()));
    }
}
