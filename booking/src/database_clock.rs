//! The database's clock, as this process has read it: the beginning and end of a hold are written
//! by the clock that decides whether it has expired ([`crate::store::AsOf`]), whatever this host's
//! clock says.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use waitingroom_domain::clock::{Clock, Timestamp};

use crate::store::{SharedStore, StoreError};

/// An answer that takes longer says too little about its time.
const MAX_ROUND_TRIP: Duration = Duration::from_millis(500);

/// Differences from this on are logged.
const WARN_DIFFERENCE: Duration = Duration::from_secs(1);

/// See the module's documentation.
pub(crate) struct DatabaseClock {
    /// This host's clock. In tests, which set the time, it is the database's as well.
    clock: Clock,
    store: SharedStore,
    offset: ClockOffset,
}

impl DatabaseClock {
    /// A clock that agrees with this host's until [`DatabaseClock::sync`] has read the database's.
    pub(crate) fn new(clock: Clock, store: SharedStore) -> Self {
        Self {
            clock,
            store,
            offset: ClockOffset::default(),
        }
    }

    /// Now, by the database's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.offset.database_time(self.clock.now())
    }

    /// Reads the database's clock.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn sync(&self) -> Result<(), StoreError> {
        let clock @ Clock::System = &self.clock else {
            return Ok(());
        };

        let before = clock.now();
        let database = self.store.time().await?;
        if self.offset.observe(before, database, clock.now()) {
            let ahead_ms = database.millis() - before.millis();
            tracing::warn!(
                ahead_ms,
                "the database's clock and this host's differ; holds go by the database's. Is NTP running?"
            );
        }

        Ok(())
    }
}

/// By how many milliseconds the database's clock is ahead of this host's.
#[derive(Debug, Default)]
struct ClockOffset(AtomicI64);

impl ClockOffset {
    /// The database's clock was at `database` between these two readings of this host's. True if
    /// the difference is new and worth a warning.
    fn observe(&self, before: Timestamp, database: Timestamp, after: Timestamp) -> bool {
        let took = after.millis() - before.millis();
        if !(0..=MAX_ROUND_TRIP.as_millis() as i64).contains(&took) {
            return false;
        }

        let ahead = database.millis() - before.millis() - took / 2;
        let known = self.0.swap(ahead, Ordering::Relaxed);
        metrics::gauge!(crate::metric_definitions::DATABASE_CLOCK_AHEAD).set(ahead as f64 / 1000.0);
        let noteworthy = WARN_DIFFERENCE.as_millis() as i64;
        ahead.abs() >= noteworthy && (ahead - known).abs() >= noteworthy
    }

    fn database_time(&self, host: Timestamp) -> Timestamp {
        Timestamp::from_millis(host.millis() + self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_time_ignores_host_clock() {
        let (clock, at) = (ClockOffset::default(), Timestamp::from_millis);
        assert!(
            !clock.observe(at(10_000), at(10_020), at(10_040)),
            "the clocks agree"
        );
        assert_eq!(clock.database_time(at(20_000)), at(20_000));
        assert!(
            clock.observe(at(100_000), at(10_020), at(100_040)),
            "this host is 90 s ahead"
        );
        assert_eq!(clock.database_time(at(110_000)), at(20_000));
        assert!(
            !clock.observe(at(120_000), at(30_020), at(120_040)),
            "that is known"
        );
        assert!(
            !clock.observe(at(130_000), at(30_000), at(135_000)),
            "an answer that took too long says little"
        );
        assert_eq!(clock.database_time(at(130_000)), at(40_000));
    }
}
