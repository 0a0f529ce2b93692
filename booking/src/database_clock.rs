//! The database's clock, as far as this process knows it: what is written as a hold's beginning and
//! end comes from the clock that judges whether it is over ([`crate::store::AsOf`]), whatever
//! this host's clock says.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use waitingroom::clock::{Clock, Timestamp};

use crate::{state::AppState, store::StoreError};

/// An answer that took longer says too little about when it was given.
const MAX_ROUND_TRIP: Duration = Duration::from_millis(500);

/// From here on the difference is worth a warning.
const WARN_DIFFERENCE: Duration = Duration::from_secs(1);

/// By how many milliseconds the database's clock is ahead of this host's.
#[derive(Debug, Default)]
pub(crate) struct DatabaseClock(AtomicI64);

impl DatabaseClock {
    /// The database said that it was `database` at some moment between two looks at this host's
    /// clock; true if that is news.
    fn observe(&self, before: Timestamp, database: Timestamp, after: Timestamp) -> bool {
        let took = after.millis() - before.millis();
        if !(0..=MAX_ROUND_TRIP.as_millis() as i64).contains(&took) {
            return false;
        }
        let ahead = database.millis() - before.millis() - took / 2;
        let known = self.0.swap(ahead, Ordering::Relaxed);
        metrics::gauge!("stanchion_booking_database_clock_ahead_seconds")
            .set(ahead as f64 / 1000.0);
        let noteworthy = WARN_DIFFERENCE.as_millis() as i64;
        ahead.abs() >= noteworthy && (ahead - known).abs() >= noteworthy
    }

    fn database_time(&self, host: Timestamp) -> Timestamp {
        Timestamp::from_millis(host.millis() + self.0.load(Ordering::Relaxed))
    }
}

impl AppState {
    /// Now, by the database's clock; a test's time is everybody's.
    pub(crate) fn database_now(&self) -> Timestamp {
        self.database_clock.database_time(self.now())
    }

    /// Compares the clocks.
    pub(crate) async fn sync_database_clock(&self) -> Result<(), StoreError> {
        let clock @ Clock::System = &self.backends.clock else {
            return Ok(());
        };
        let before = clock.now();
        let database = self.store().time().await?;
        if self.database_clock.observe(before, database, clock.now()) {
            let ahead_ms = database.millis() - before.millis();
            tracing::warn!(
                ahead_ms,
                "the database's clock and this host's differ; holds go by the database's. Is NTP running?"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_go_by_the_databases_clock_whatever_the_host_says() {
        let (clock, at) = (DatabaseClock::default(), Timestamp::from_millis);
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
