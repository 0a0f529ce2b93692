//! Clears what is remembered of old attempts: idempotency keys, the guests' bookings that are
//! counted, and codes that were none.

use std::{sync::Arc, time::Duration};

use waitingroom_domain::clock::Clock;

use crate::{
    database_clock::DatabaseClock,
    error::BookingError,
    reservations::{guest_limits::GuestLimiter, recovery::MissLimiter},
    store::SharedStore,
};

/// Keys of one statement.
const BATCH_SIZE: u32 = 1_000;

/// See the module's documentation.
pub(crate) struct KeyCleanup {
    pub(crate) store: SharedStore,
    pub(crate) guest_limiter: GuestLimiter,
    pub(crate) recovery_misses: MissLimiter,
    pub(crate) clock: Clock,
    pub(crate) database_clock: Arc<DatabaseClock>,
    /// How long an idempotency key is kept.
    pub(crate) key_ttl: Duration,
}

impl KeyCleanup {
    /// Clears all that is too old.
    pub(crate) async fn clear_expired(&self) -> Result<(), BookingError> {
        self.guest_limiter.evict_expired(self.clock.now());
        self.recovery_misses.evict_full(self.clock.now());

        let before = self.database_clock.now().minus(self.key_ttl);
        while self.store.clear_expired_keys(before, BATCH_SIZE).await? >= u64::from(BATCH_SIZE) {}
        Ok(())
    }
}
