//! Gives a booking's buyer a code, and the bearer of a code the booking.
//!
//! Codes cannot be guessed; misses are limited by address all the same, so that trying costs more
//! than it can give, and is seen in the metrics.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    guest_address::{NETWORK_LIMIT_FACTOR, network},
    ids::{BookingId, UserId},
    rate::TokenBucket,
};
use waitingroom_server::http::rate_limit_key;

use crate::{
    database_clock::DatabaseClock,
    error::BookingError,
    metric_definitions::RECOVERY_ATTEMPTS,
    model::{
        booking::Booking,
        recovery_code::{RecoveryCode, RecoveryKey},
    },
    read_limit::ReadLimiter,
    reservations::queries::BookingQueries,
    store::SharedStore,
};

/// Codes that are none, from one address at once: people mistype.
const MISSES: u32 = 30;
/// How soon one more miss is allowed.
const MISS_INTERVAL: Duration = Duration::from_secs(2);

/// See the module's documentation.
pub(crate) struct RecoveryService {
    store: SharedStore,
    bookings: Arc<BookingQueries>,
    key: RecoveryKey,
    misses: MissLimiter,
    reads: ReadLimiter,
    clock: Clock,
    database_clock: Arc<DatabaseClock>,
}

impl RecoveryService {
    pub(crate) fn new(
        store: SharedStore,
        bookings: Arc<BookingQueries>,
        key: RecoveryKey,
        clock: Clock,
        database_clock: Arc<DatabaseClock>,
        misses: MissLimiter,
    ) -> Self {
        Self {
            store,
            bookings,
            key,
            misses,
            reads: ReadLimiter::default(),
            clock,
            database_clock,
        }
    }

    /// The code of one of the user's bookings, which is the same each time.
    pub(crate) async fn code(
        &self,
        user: &UserId,
        booking: BookingId,
    ) -> Result<RecoveryCode, BookingError> {
        let booking = self.bookings.booking(user, booking).await?.booking_id;
        let code = self.key.code(booking);
        let now = self.database_clock.now();
        self.store
            .keep_recovery_code(&self.key.digest(code), booking, now)
            .await?;
        Ok(code)
    }

    /// The booking of this code, for a client at this address.
    pub(crate) async fn booking(
        &self,
        address: Option<IpAddr>,
        code: RecoveryCode,
    ) -> Result<Booking, BookingError> {
        let now = self.clock.now();
        if let Some(address) = address
            && !self.misses.allows(address, now)
        {
            count("limited");
            return Err(BookingError::TooManyCodes(MISS_INTERVAL));
        }

        let _permit = self.reads.acquire_shared()?;
        let found = self.store.recovered_booking(&self.key.digest(code)).await?;
        let Some(booking) = found else {
            count("unknown");
            if let Some(address) = address {
                self.misses.count(address, now);
            }
            return Err(BookingError::CodeUnknown);
        };

        count("found");
        Ok(booking.at(self.database_clock.now()))
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(RECOVERY_ATTEMPTS, "outcome" => outcome).increment(1);
}

/// Misses by address (with IPv6, by /64) and by network, as token buckets. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct MissLimiter(Arc<Mutex<HashMap<BucketKey, TokenBucket>>>);

/// An address or a network, and how many times [`MISSES`] its bucket holds.
type BucketKey = (IpAddr, u32);

impl MissLimiter {
    /// May this address try a code?
    fn allows(&self, address: IpAddr, now: Timestamp) -> bool {
        let buckets = self.0.lock();
        keys(address).iter().all(|key| {
            buckets
                .get(key)
                .is_none_or(|bucket| refilled(*bucket, *key, now).tokens >= 1.0)
        })
    }

    /// This address has tried a code that is none.
    fn count(&self, address: IpAddr, now: Timestamp) {
        let mut buckets = self.0.lock();
        for key in keys(address) {
            let bucket = buckets
                .entry(key)
                .or_insert_with(|| TokenBucket::full(MISSES * key.1, now));
            *bucket = refilled(*bucket, key, now).take(1);
        }
    }

    /// Forgets buckets that are full again, so that memory follows the traffic.
    pub(crate) fn evict_full(&self, now: Timestamp) {
        let is_full = |key: BucketKey, bucket: TokenBucket| {
            refilled(bucket, key, now).tokens >= f64::from(MISSES * key.1)
        };
        self.0.lock().retain(|key, bucket| !is_full(*key, *bucket));
    }
}

fn keys(address: IpAddr) -> [BucketKey; 2] {
    [
        (rate_limit_key(address), 1),
        (network(address), NETWORK_LIMIT_FACTOR),
    ]
}

fn refilled(bucket: TokenBucket, (_, share): BucketKey, now: Timestamp) -> TokenBucket {
    let rate = f64::from(share) / MISS_INTERVAL.as_secs_f64();
    bucket.refilled(rate, f64::from(MISSES * share), now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn limits_misses_of_address_and_network() {
        let (limiter, start) = (MissLimiter::default(), Timestamp::from_millis(1_000_000));
        let here = address("203.0.113.9");
        for _ in 0..MISSES {
            assert!(limiter.allows(here, start));
            limiter.count(here, start);
        }

        assert!(!limiter.allows(here, start));
        assert!(limiter.allows(address("203.0.113.10"), start));
        assert!(limiter.allows(here, start.plus(MISS_INTERVAL)));

        for host in 20..=22 {
            let neighbour = address(&format!("203.0.113.{host}"));
            (0..MISSES).for_each(|_| limiter.count(neighbour, start));
        }
        assert!(
            !limiter.allows(address("203.0.113.10"), start),
            "of one /24"
        );
        assert!(limiter.allows(address("203.0.114.10"), start));
    }

    #[test]
    fn forgets_addresses_that_are_quiet() {
        let (limiter, start) = (MissLimiter::default(), Timestamp::from_millis(1_000_000));
        limiter.count(address("203.0.113.9"), start);
        limiter.evict_full(start);
        assert_eq!(limiter.0.lock().len(), 2);
        limiter.evict_full(start.plus(MISS_INTERVAL));
        assert_eq!(limiter.0.lock().len(), 0);
    }
}
