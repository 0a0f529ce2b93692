//! The places that guests have in line, by where they come from. A place counts while a connection
//! follows it, and for as long after as a poll keeps it: what nobody looks at is not released, and
//! holds nobody up.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;
use waitingroom::{
    absence::POLL_WINDOW,
    guest_address::{NETWORK_SHARE, network},
    http::household,
    ids::{EventId, UserId},
};

/// Beyond a poll's own time, so that the next one finds its place counts.
const EXPIRY_SLACK: Duration = Duration::from_secs(5);

type PlaceKey = (EventId, UserId);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct GuestPlaces {
    max: u32,
    counts: Mutex<GuestCounts>,
}

#[derive(Debug, Default)]
struct GuestCounts {
    places: HashMap<PlaceKey, CountedPlace>,
    by_address: HashMap<IpAddr, u32>,
    by_network: HashMap<IpAddr, u32>,
}

#[derive(Debug)]
struct CountedPlace {
    address: IpAddr,
    connections: u32,
    until: Instant,
}

impl GuestPlaces {
    /// At most this many for each address.
    pub(super) fn new(max: u32) -> Self {
        Self {
            max,
            counts: Mutex::default(),
        }
    }

    /// Is this place counted already?
    pub(super) fn contains(&self, event: EventId, user: &UserId) -> bool {
        self.counts
            .lock()
            .places
            .contains_key(&(event, user.clone()))
    }

    /// Counts a place; false where there are too many already. One that is counted stays so.
    pub(super) fn acquire(&self, event: EventId, user: &UserId, address: IpAddr) -> bool {
        let mut counts = self.counts.lock();
        counts.acquire((event, user.clone()), address, self.max) || {
            counts.evict_expired(Instant::now());
            counts.acquire((event, user.clone()), address, self.max)
        }
    }

    /// Somebody has looked at a place.
    pub(super) fn extend(&self, event: EventId, user: &UserId) {
        if let Some(place) = self.counts.lock().places.get_mut(&(event, user.clone())) {
            place.until = expiry();
        }
    }

    /// The place is gone.
    pub(super) fn release(&self, event: EventId, user: &UserId) {
        self.counts.lock().remove(&(event, user.clone()));
    }

    pub(super) fn evict_expired(&self) {
        self.counts.lock().evict_expired(Instant::now());
    }
}

fn expiry() -> Instant {
    Instant::now() + POLL_WINDOW + EXPIRY_SLACK
}

impl GuestCounts {
    fn acquire(&mut self, name: PlaceKey, address: IpAddr, max: u32) -> bool {
        match self.places.entry(name) {
            Entry::Occupied(mut known) => known.get_mut().until = expiry(),
            Entry::Vacant(new) => {
                let by_address = self.by_address.entry(household(address)).or_default();
                let by_network = self.by_network.entry(network(address)).or_default();
                if *by_address >= max || *by_network >= max.saturating_mul(NETWORK_SHARE) {
                    return false;
                }
                *by_address += 1;
                *by_network += 1;
                new.insert(CountedPlace {
                    address,
                    connections: 0,
                    until: expiry(),
                });
            }
        }
        true
    }

    fn remove(&mut self, name: &PlaceKey) {
        if let Some(place) = self.places.remove(name) {
            decrement(&mut self.by_address, household(place.address));
            decrement(&mut self.by_network, network(place.address));
        }
    }

    fn evict_expired(&mut self, now: Instant) {
        let gone = |place: &CountedPlace| place.connections == 0 && place.until <= now;
        let names: Vec<PlaceKey> = self
            .places
            .iter()
            .filter(|(_, place)| gone(place))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.remove(&name);
        }
        self.by_address.retain(|_, count| *count > 0);
        self.by_network.retain(|_, count| *count > 0);
    }
}

fn decrement(counts: &mut HashMap<IpAddr, u32>, address: IpAddr) {
    if let Entry::Occupied(mut count) = counts.entry(address) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

/// A connection that follows a guest's place; ends when dropped.
#[derive(Debug)]
pub(crate) struct GuestConnection {
    places: Arc<GuestPlaces>,
    name: PlaceKey,
}

impl GuestConnection {
    pub(super) fn new(places: &Arc<GuestPlaces>, event: EventId, user: &UserId) -> Self {
        let name = (event, user.clone());
        if let Some(place) = places.counts.lock().places.get_mut(&name) {
            place.connections += 1;
        }
        Self {
            places: Arc::clone(places),
            name,
        }
    }
}

impl Drop for GuestConnection {
    fn drop(&mut self) {
        if let Some(place) = self.places.counts.lock().places.get_mut(&self.name) {
            place.connections = place.connections.saturating_sub(1);
            place.until = expiry();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn places_count_for_their_address_while_somebody_looks_at_them() {
        let places = Arc::new(GuestPlaces::new(2));
        let event = EventId::from(uuid::Uuid::from_u128(1));
        let user = |number: u32| format!("guest-{number}").parse::<UserId>().unwrap();
        let enter = |number: u32, address: &str| {
            places.acquire(event, &user(number), address.parse().unwrap())
        };
        assert!(enter(1, "203.0.113.9") && enter(2, "203.0.113.9") && !enter(3, "203.0.113.9"));
        assert!(enter(1, "203.0.113.9"), "counted once");
        assert!(enter(4, "203.0.113.10"), "another address");
        let connection = GuestConnection::new(&places, event, &user(1));
        tokio::time::advance(POLL_WINDOW).await;
        places.extend(event, &user(2));
        tokio::time::advance(POLL_WINDOW).await;
        assert!(
            !enter(3, "203.0.113.9"),
            "one is followed, one was looked at"
        );
        tokio::time::advance(EXPIRY_SLACK).await;
        assert!(
            enter(3, "203.0.113.9"),
            "nobody looks at the other any more"
        );
        drop(connection);
        places.release(event, &user(3));
        tokio::time::advance(POLL_WINDOW + EXPIRY_SLACK).await;
        places.evict_expired();
        let counts = places.counts.lock();
        assert!(
            counts.places.is_empty()
                && counts.by_address.is_empty()
                && counts.by_network.is_empty()
        );
    }

    #[test]
    fn a_network_has_its_share() {
        let places = GuestPlaces::new(10);
        let event = EventId::from(uuid::Uuid::from_u128(1));
        let entered = (0..100).filter(|number: &u32| {
            let user = format!("guest-{number}").parse().unwrap();
            places.acquire(
                event,
                &user,
                format!("2001:db8:1:{number:x}::1").parse().unwrap(),
            )
        });
        assert_eq!(entered.count(), 40);
    }
}
