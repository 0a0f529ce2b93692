//! Limits the bookings that guests of one address, and of one network, make and leave unpaid: one
//! person can be many guests. Counted in this instance, for guests whose address is known; see
//! decision 0025 for the limits of that.

use std::{collections::HashMap, net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use parking_lot::Mutex;
use waitingroom_domain::{
    clock::Timestamp,
    guest_address::{NETWORK_LIMIT_FACTOR, network},
    ids::BookingId,
};
use waitingroom_server::http::rate_limit_key;

use crate::error::BookingError;

/// The window in which bookings are counted.
const BOOKING_WINDOW: Duration = Duration::from_secs(3600);

/// Limits for guests, for each address (with IPv6, each /64 network); a network of addresses (/24
/// with IPv4, /48 with IPv6) may have [`NETWORK_LIMIT_FACTOR`] times as much.
#[derive(Debug, Clone, Copy)]
pub struct GuestLimits {
    /// Bookings that are not paid for at the same time, and those that were not and ended within
    /// the cool-down.
    pub holds: NonZeroU32,
    /// Bookings within an hour, paid for or not.
    pub bookings: NonZeroU32,
    /// How long an unpaid hold counts after its end.
    pub cool_down: Duration,
}

impl Default for GuestLimits {
    /// 50 unpaid holds, 100 bookings an hour, ten minutes: many for a household, few for a house of
    /// 1,000 seats.
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).expect("not zero");
        Self {
            holds: number(50),
            bookings: number(100),
            cool_down: Duration::from_secs(600),
        }
    }
}

/// See the module's documentation. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct GuestLimiter {
    limits: GuestLimits,
    made: Arc<Mutex<GuestBookings>>,
}

#[derive(Debug, Default)]
struct GuestBookings {
    of_address: HashMap<IpAddr, Vec<Entry>>,
    of_network: HashMap<IpAddr, Vec<Entry>>,
    addresses: HashMap<EntryKey, IpAddr>,
    next_permit: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum EntryKey {
    /// A reservation under way.
    Permit(u64),
    Booking(BookingId),
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: EntryKey,
    made: Timestamp,
    /// Until when it counts as unpaid; `None` once it is paid.
    unpaid_until: Option<Timestamp>,
}

/// A guest's reservation in flight. It counts until it is dropped, or longer if it has become a
/// booking.
#[derive(Debug)]
pub(crate) struct GuestPermit {
    guests: GuestLimiter,
    key: EntryKey,
    made: Timestamp,
}

impl GuestLimiter {
    pub(crate) fn new(limits: GuestLimits) -> Self {
        Self {
            limits,
            made: Arc::default(),
        }
    }

    /// A permit for one more reservation of a guest at this address.
    ///
    /// # Errors
    /// [`BookingError::GuestLimitExceeded`], with when it may be less.
    pub(crate) fn acquire(
        &self,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<GuestPermit, BookingError> {
        let mut made = self.made.lock();
        let GuestBookings {
            of_address,
            of_network,
            ..
        } = &mut *made;

        let here = of_address.entry(rate_limit_key(address)).or_default();
        self.check(here, 1, now)?;

        let around = of_network.entry(network(address)).or_default();
        self.check(around, NETWORK_LIMIT_FACTOR, now)?;

        let key = EntryKey::Permit(made.next_permit);
        made.next_permit += 1;
        made.add(
            address,
            Entry {
                key,
                made: now,
                unpaid_until: Some(now.plus(self.limits.cool_down)),
            },
        );

        Ok(GuestPermit {
            guests: self.clone(),
            key,
            made: now,
        })
    }

    fn check(
        &self,
        entries: &mut Vec<Entry>,
        share: u32,
        now: Timestamp,
    ) -> Result<(), BookingError> {
        entries.retain(|entry| entry.counts(now));
        let most = |limit: NonZeroU32| limit.get().saturating_mul(share) as usize;
        let unpaid = || {
            entries
                .iter()
                .filter_map(|entry| entry.unpaid_until)
                .filter(|until| *until > now)
        };

        let refused = |reason: &'static str, until: Option<Timestamp>| {
            metrics::counter!(crate::metric_definitions::GUESTS_REJECTED, "reason" => reason)
                .increment(1);
            Err(BookingError::GuestLimitExceeded(
                until.unwrap_or(now).since(now).max(Duration::from_secs(1)),
            ))
        };

        if unpaid().count() >= most(self.limits.holds) {
            return refused("holds", unpaid().min());
        }

        let recent = entries
            .iter()
            .map(|entry| entry.made.plus(BOOKING_WINDOW))
            .filter(|end| *end > now);
        if recent.clone().count() >= most(self.limits.bookings) {
            return refused("bookings", recent.min());
        }

        Ok(())
    }

    /// A booking was paid for.
    pub(crate) fn mark_paid(&self, booking: BookingId) {
        self.made
            .lock()
            .change(EntryKey::Booking(booking), |entry| {
                entry.unpaid_until = None
            });
    }

    /// A booking was given back unpaid.
    pub(crate) fn mark_released(&self, booking: BookingId, now: Timestamp) {
        let until = now.plus(self.limits.cool_down);
        self.made
            .lock()
            .change(EntryKey::Booking(booking), |entry| {
                entry.unpaid_until = entry.unpaid_until.map(|unpaid| unpaid.min(until));
            });
    }

    /// Removes entries that do not count any more, so that memory follows the traffic.
    pub(crate) fn evict_expired(&self, now: Timestamp) {
        let mut made = self.made.lock();
        let GuestBookings {
            of_address,
            of_network,
            addresses,
            ..
        } = &mut *made;
        for entries in [&mut *of_address, of_network] {
            entries.retain(|_, entries| {
                entries.retain(|entry| entry.counts(now));
                !entries.is_empty()
            });
        }

        addresses.retain(|key, address| {
            of_address
                .get(&rate_limit_key(*address))
                .is_some_and(|entries| entries.iter().any(|entry| entry.key == *key))
        });
    }
}

impl Entry {
    fn counts(&self, now: Timestamp) -> bool {
        self.made.plus(BOOKING_WINDOW) > now || self.unpaid_until.is_some_and(|until| until > now)
    }
}

impl GuestBookings {
    fn add(&mut self, address: IpAddr, entry: Entry) {
        self.of_address
            .entry(rate_limit_key(address))
            .or_default()
            .push(entry);
        self.of_network
            .entry(network(address))
            .or_default()
            .push(entry);
        self.addresses.insert(entry.key, address);
    }

    fn change(&mut self, key: EntryKey, change: impl Fn(&mut Entry)) {
        let Some(address) = self.addresses.get(&key) else {
            return;
        };

        let here = self
            .of_address
            .get_mut(&rate_limit_key(*address))
            .into_iter()
            .flatten();
        let around = self
            .of_network
            .get_mut(&network(*address))
            .into_iter()
            .flatten();
        here.chain(around)
            .filter(|entry| entry.key == key)
            .for_each(change);
    }

    fn remove(&mut self, key: EntryKey) -> Option<IpAddr> {
        let address = self.addresses.remove(&key)?;
        for entries in [
            self.of_address.get_mut(&rate_limit_key(address)),
            self.of_network.get_mut(&network(address)),
        ] {
            entries
                .into_iter()
                .for_each(|entries| entries.retain(|entry| entry.key != key));
        }

        Some(address)
    }
}

impl GuestPermit {
    /// The reservation has become a booking; one that is counted already is not counted again.
    pub(crate) fn mark_booked(self, booking: BookingId, expires_at: Timestamp) {
        let mut made = self.guests.made.lock();
        let Some(address) = made.remove(self.key) else {
            return;
        };

        let key = EntryKey::Booking(booking);
        if !made.addresses.contains_key(&key) {
            let unpaid_until = Some(expires_at.plus(self.guests.limits.cool_down));
            made.add(
                address,
                Entry {
                    key,
                    made: self.made,
                    unpaid_until,
                },
            );
        }
    }
}

impl Drop for GuestPermit {
    fn drop(&mut self) {
        self.guests.made.lock().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn limits(holds: u32, bookings: u32) -> GuestLimiter {
        let number = |number| NonZeroU32::new(number).unwrap();
        GuestLimiter::new(GuestLimits {
            holds: number(holds),
            bookings: number(bookings),
            cool_down: 10 * MINUTE,
        })
    }

    fn book(
        guests: &GuestLimiter,
        address: &str,
        now: Timestamp,
    ) -> Result<BookingId, BookingError> {
        let booking = BookingId::from(Uuid::new_v4());
        guests
            .acquire(address.parse().unwrap(), now)?
            .mark_booked(booking, now.plus(5 * MINUTE));
        Ok(booking)
    }

    #[test]
    fn counts_unpaid_holds_until_cool_down() {
        let (guests, start) = (limits(2, 100), Timestamp::from_millis(1_000_000));
        let (first, second) = (
            book(&guests, "203.0.113.9", start).unwrap(),
            book(&guests, "203.0.113.9", start).unwrap(),
        );
        let refused = book(&guests, "203.0.113.9", start).unwrap_err();

        assert!(
            matches!(refused, BookingError::GuestLimitExceeded(after) if after == 15 * MINUTE),
            "{refused:?}"
        );
        assert!(
            book(&guests, "203.0.113.10", start).is_ok(),
            "another address"
        );
        guests.mark_paid(first);
        assert!(
            book(&guests, "203.0.113.9", start).is_ok(),
            "what is paid for is no hold"
        );
        guests.mark_released(second, start);
        assert!(
            book(&guests, "203.0.113.9", start.plus(9 * MINUTE)).is_err(),
            "the cool-down of what was given back"
        );
        assert!(book(&guests, "203.0.113.9", start.plus(10 * MINUTE)).is_ok());
        assert!(
            book(&guests, "203.0.113.9", start.plus(14 * MINUTE)).is_err(),
            "nobody paid, and it has ended"
        );
        assert!(book(&guests, "203.0.113.9", start.plus(15 * MINUTE)).is_ok());
    }

    #[test]
    fn counts_bookings_within_window() {
        let (guests, start) = (limits(100, 3), Timestamp::from_millis(1_000_000));
        for _ in 0..3 {
            guests.mark_paid(book(&guests, "203.0.113.9", start).unwrap());
        }

        assert!(book(&guests, "203.0.113.9", start.plus(59 * MINUTE)).is_err());
        assert!(book(&guests, "203.0.113.9", start.plus(60 * MINUTE)).is_ok());
        guests.evict_expired(start.plus(121 * MINUTE));

        let made = guests.made.lock();
        assert!(
            made.of_address.is_empty() && made.of_network.is_empty() && made.addresses.is_empty()
        );
    }

    #[test]
    fn dropped_permits_do_not_count() {
        let (guests, now) = (limits(1, 100), Timestamp::from_millis(1_000_000));
        drop(guests.acquire("203.0.113.9".parse().unwrap(), now).unwrap());

        let permit = guests.acquire("203.0.113.9".parse().unwrap(), now).unwrap();
        assert!(
            guests.acquire("203.0.113.9".parse().unwrap(), now).is_err(),
            "one under way counts"
        );
        drop(permit);

        let booked = (0..10)
            .filter(|host| book(&guests, &format!("203.0.113.{host}"), now).is_ok())
            .count();
        assert_eq!(booked, 4, "of one /24");
    }
}
