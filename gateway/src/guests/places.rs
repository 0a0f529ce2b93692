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

/// Beyond a poll's own time, so that the next one finds its place counted.
const SLACK: Duration = Duration::from_secs(5);

type PlaceKey = (EventId, UserId);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct GuestPlaces {
    max: u32,
    counted: Mutex<GuestCounts>,
}

#[derive(Debug, Default)]
struct GuestCounts {
    places: HashMap<PlaceKey, CountedPlace>,
    of_address: HashMap<IpAddr, u32>,
    of_network: HashMap<IpAddr, u32>,
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
            counted: Mutex::default(),
        }
    }

    /// Is this place counted already?
    pub(super) fn knows(&self, event: EventId, user: &UserId) -> bool {
        self.counted
            .lock()
            .places
            .contains_key(&(event, user.clone()))
    }

    /// Counts a place; false where there are too many already. One that is counted stays so.
    pub(super) fn enter(&self, event: EventId, user: &UserId, address: IpAddr) -> bool {
        let mut counted = self.counted.lock();
        counted.enter((event, user.clone()), address, self.max) || {
            counted.forget_gone(Instant::now());
            counted.enter((event, user.clone()), address, self.max)
        }
    }

    /// Somebody has looked at a place.
    pub(super) fn renew(&self, event: EventId, user: &UserId) {
        if let Some(counting) = self.counted.lock().places.get_mut(&(event, user.clone())) {
            counting.until = lingering();
        }
    }

    /// The place is gone.
    pub(super) fn leave(&self, event: EventId, user: &UserId) {
        self.counted.lock().remove(&(event, user.clone()));
    }

    pub(super) fn forget_gone(&self) {
        self.counted.lock().forget_gone(Instant::now());
    }
}

fn lingering() -> Instant {
    Instant::now() + POLL_WINDOW + SLACK
}

impl GuestCounts {
    fn enter(&mut self, name: PlaceKey, address: IpAddr, max: u32) -> bool {
        match self.places.entry(name) {
            Entry::Occupied(mut known) => known.get_mut().until = lingering(),
            Entry::Vacant(new) => {
                let of_address = self.of_address.entry(household(address)).or_default();
                let of_network = self.of_network.entry(network(address)).or_default();
                if *of_address >= max || *of_network >= max.saturating_mul(NETWORK_SHARE) {
                    return false;
                }
                *of_address += 1;
                *of_network += 1;
                new.insert(CountedPlace {
                    address,
                    connections: 0,
                    until: lingering(),
                });
            }
        }
        true
    }

    fn remove(&mut self, name: &PlaceKey) {
        if let Some(counting) = self.places.remove(name) {
            less(&mut self.of_address, household(counting.address));
            less(&mut self.of_network, network(counting.address));
        }
    }

    fn forget_gone(&mut self, now: Instant) {
        let gone = |counting: &CountedPlace| counting.connections == 0 && counting.until <= now;
        let names: Vec<PlaceKey> = self
            .places
            .iter()
            .filter(|(_, counting)| gone(counting))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.remove(&name);
        }
        self.of_address.retain(|_, count| *count > 0);
        self.of_network.retain(|_, count| *count > 0);
    }
}

fn less(counts: &mut HashMap<IpAddr, u32>, address: IpAddr) {
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
        if let Some(counting) = places.counted.lock().places.get_mut(&name) {
            counting.connections += 1;
        }
        Self {
            places: Arc::clone(places),
            name,
        }
    }
}

impl Drop for GuestConnection {
    fn drop(&mut self) {
        if let Some(counting) = self.places.counted.lock().places.get_mut(&self.name) {
            counting.connections = counting.connections.saturating_sub(1);
            counting.until = lingering();
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
            places.enter(event, &user(number), address.parse().unwrap())
        };
        assert!(enter(1, "203.0.113.9") && enter(2, "203.0.113.9") && !enter(3, "203.0.113.9"));
        assert!(enter(1, "203.0.113.9"), "counted once");
        assert!(enter(4, "203.0.113.10"), "another address");
        let stay = GuestConnection::new(&places, event, &user(1));
        tokio::time::advance(POLL_WINDOW).await;
        places.renew(event, &user(2));
        tokio::time::advance(POLL_WINDOW).await;
        assert!(
            !enter(3, "203.0.113.9"),
            "one is followed, one was looked at"
        );
        tokio::time::advance(SLACK).await;
        assert!(
            enter(3, "203.0.113.9"),
            "nobody looks at the other any more"
        );
        drop(stay);
        places.leave(event, &user(3));
        tokio::time::advance(POLL_WINDOW + SLACK).await;
        places.forget_gone();
        let counted = places.counted.lock();
        assert!(
            counted.places.is_empty()
                && counted.of_address.is_empty()
                && counted.of_network.is_empty()
        );
    }

    #[test]
    fn a_network_has_its_share() {
        let places = GuestPlaces::new(10);
        let event = EventId::from(uuid::Uuid::from_u128(1));
        let entered = (0..100).filter(|number: &u32| {
            let user = format!("guest-{number}").parse().unwrap();
            places.enter(
                event,
                &user,
                format!("2001:db8:1:{number:x}::1").parse().unwrap(),
            )
        });
        assert_eq!(entered.count(), 40);
    }
}
