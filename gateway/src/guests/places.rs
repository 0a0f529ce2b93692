//! The places that guests have in queues, counted by the address that they come from. A place
//! counts while a connection follows it, and afterwards for as long as a poll keeps it: an absent
//! guest is not released and delays no other user. One that is notified by a push is released though
//! absent, so its place counts on.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;
use waitingroom_domain::{
    guest_address::{NETWORK_LIMIT_FACTOR, network},
    ids::{EventId, UserId},
    presence::POLL_PRESENCE_TTL,
};
use waitingroom_server::http::rate_limit_key;

/// Added to the time for which a poll keeps a place, so that the next poll finds it counted.
const EXPIRY_SLACK: Duration = Duration::from_secs(5);

/// How long a place counts after its guest subscribed to a push, unless the pass arrives here
/// before. Another gateway may deliver it, and this one is not informed.
const SUBSCRIBED_FOR: Duration = Duration::from_secs(2 * 3_600);

type PlaceKey = (EventId, UserId);

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct GuestPlaces {
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
    subscribed_until: Option<Instant>,
}

impl GuestPlaces {
    /// Allows this many places for each address.
    pub(crate) fn new(max: u32) -> Self {
        Self {
            max,
            counts: Mutex::default(),
        }
    }

    /// Is this place counted?
    pub(super) fn contains(&self, event: EventId, user: &UserId) -> bool {
        self.counts
            .lock()
            .places
            .contains_key(&(event, user.clone()))
    }

    /// Counts a place, unless it is counted already; false if there are too many.
    pub(super) fn acquire(&self, event: EventId, user: &UserId, address: IpAddr) -> bool {
        let mut counts = self.counts.lock();
        counts.acquire((event, user.clone()), address, self.max) || {
            counts.evict_expired(Instant::now());
            counts.acquire((event, user.clone()), address, self.max)
        }
    }

    /// A poll keeps the place for longer.
    pub(super) fn extend(&self, event: EventId, user: &UserId) {
        if let Some(place) = self.counts.lock().places.get_mut(&(event, user.clone())) {
            place.until = expiry();
        }
    }

    /// A push keeps the place, which is counted.
    pub(super) fn subscribe(&self, event: EventId, user: &UserId) {
        if let Some(place) = self.counts.lock().places.get_mut(&(event, user.clone())) {
            place.subscribed_until = Some(Instant::now() + SUBSCRIBED_FOR);
        }
    }

    /// No push keeps the place any more.
    pub(super) fn unsubscribe(&self, event: EventId, user: &UserId) {
        if let Some(place) = self.counts.lock().places.get_mut(&(event, user.clone())) {
            place.subscribed_until = None;
        }
    }

    /// Stops counting a place.
    pub(super) fn release(&self, event: EventId, user: &UserId) {
        self.counts.lock().remove(&(event, user.clone()));
    }

    pub(super) fn evict_expired(&self) {
        self.counts.lock().evict_expired(Instant::now());
    }
}

fn expiry() -> Instant {
    Instant::now() + POLL_PRESENCE_TTL + EXPIRY_SLACK
}

impl GuestCounts {
    fn acquire(&mut self, key: PlaceKey, address: IpAddr, max: u32) -> bool {
        match self.places.entry(key) {
            Entry::Occupied(mut known) => known.get_mut().until = expiry(),
            Entry::Vacant(new) => {
                let by_address = self.by_address.entry(rate_limit_key(address)).or_default();
                let by_network = self.by_network.entry(network(address)).or_default();
                if *by_address >= max || *by_network >= max.saturating_mul(NETWORK_LIMIT_FACTOR) {
                    return false;
                }
                *by_address += 1;
                *by_network += 1;
                new.insert(CountedPlace {
                    address,
                    connections: 0,
                    until: expiry(),
                    subscribed_until: None,
                });
            }
        }

        true
    }

    fn remove(&mut self, key: &PlaceKey) {
        if let Some(place) = self.places.remove(key) {
            decrement(&mut self.by_address, rate_limit_key(place.address));
            decrement(&mut self.by_network, network(place.address));
        }
    }

    fn evict_expired(&mut self, now: Instant) {
        let is_expired = |place: &CountedPlace| {
            let is_subscribed = place.subscribed_until.is_some_and(|until| until > now);
            place.connections == 0 && place.until <= now && !is_subscribed
        };
        let expired: Vec<PlaceKey> = self
            .places
            .iter()
            .filter(|(_, place)| is_expired(place))
            .map(|(key, _)| key.clone())
            .collect();
        for key in expired {
            self.remove(&key);
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

/// Counts a connection that follows a guest's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct GuestConnection {
    places: Arc<GuestPlaces>,
    key: PlaceKey,
}

impl GuestConnection {
    pub(super) fn new(places: &Arc<GuestPlaces>, event: EventId, user: &UserId) -> Self {
        let key = (event, user.clone());
        if let Some(place) = places.counts.lock().places.get_mut(&key) {
            place.connections += 1;
        }
        Self {
            places: Arc::clone(places),
            key,
        }
    }
}

impl Drop for GuestConnection {
    fn drop(&mut self) {
        if let Some(place) = self.places.counts.lock().places.get_mut(&self.key) {
            place.connections = place.connections.saturating_sub(1);
            place.until = expiry();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn counts_places_while_followed_or_polled() {
        let places = Arc::new(GuestPlaces::new(2));
        let event = EventId::from(uuid::Uuid::from_u128(1));
        let user = |number: u32| format!("guest-{number}").parse::<UserId>().unwrap();
        let acquire = |number: u32, address: &str| {
            places.acquire(event, &user(number), address.parse().unwrap())
        };

        assert!(
            acquire(1, "203.0.113.9") && acquire(2, "203.0.113.9") && !acquire(3, "203.0.113.9")
        );
        assert!(acquire(1, "203.0.113.9"), "counted once");
        assert!(acquire(4, "203.0.113.10"), "another address");

        let connection = GuestConnection::new(&places, event, &user(1));
        tokio::time::advance(POLL_PRESENCE_TTL).await;
        places.extend(event, &user(2));
        tokio::time::advance(POLL_PRESENCE_TTL).await;
        assert!(
            !acquire(3, "203.0.113.9"),
            "one is followed, one was looked at"
        );
        tokio::time::advance(EXPIRY_SLACK).await;
        assert!(acquire(3, "203.0.113.9"), "the other place has expired");
        drop(connection);
        places.release(event, &user(3));
        tokio::time::advance(POLL_PRESENCE_TTL + EXPIRY_SLACK).await;
        places.evict_expired();

        let counts = places.counts.lock();
        assert!(
            counts.places.is_empty()
                && counts.by_address.is_empty()
                && counts.by_network.is_empty()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn counts_places_that_a_push_keeps() {
        let places = GuestPlaces::new(1);
        let event = EventId::from(uuid::Uuid::from_u128(1));
        let user = |number: u32| format!("guest-{number}").parse::<UserId>().unwrap();
        let address = "203.0.113.9".parse().unwrap();

        assert!(places.acquire(event, &user(1), address));
        places.subscribe(event, &user(1));
        tokio::time::advance(SUBSCRIBED_FOR - Duration::from_secs(1)).await;
        assert!(!places.acquire(event, &user(2), address), "it counts on");

        places.unsubscribe(event, &user(1));
        assert!(places.acquire(event, &user(2), address));

        places.subscribe(event, &user(2));
        tokio::time::advance(SUBSCRIBED_FOR).await;
        assert!(places.acquire(event, &user(3), address), "not for ever");
    }

    #[test]
    fn limits_places_of_a_network() {
        let places = GuestPlaces::new(10);
        let event = EventId::from(uuid::Uuid::from_u128(1));
        let acquired = (0..100).filter(|number: &u32| {
            let user = format!("guest-{number}").parse().unwrap();
            places.acquire(
                event,
                &user,
                format!("2001:db8:1:{number:x}::1").parse().unwrap(),
            )
        });

        assert_eq!(acquired.count(), 40);
    }
}
