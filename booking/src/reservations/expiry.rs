//! Expires holds that were not confirmed in time, and releases their seats.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use waitingroom_domain::{clock::Clock, ids::EventId, seats::Settlement};

use crate::{
    database_clock::DatabaseClock,
    error::BookingError,
    load_monitor::LoadMonitor,
    settlements::dispatcher::SettlementDispatcher,
    store::{AsOf, SharedStore},
};

/// Holds of one batch: min and max.
const BATCH_RANGE: [u32; 2] = [500, 5_000];

/// The duration that a batch aims at: while reservations wait for the database too, and while none
/// do or seats are released late.
const TARGET_DURATIONS: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(200)];

/// Seats that are released later than this have kept a user waiting for as long as a reservation
/// does.
const LATE_AFTER: Duration = Duration::from_millis(1_000);

/// How many holds the next batch expires: as many as the last one would have in its target
/// duration.
#[derive(Debug)]
struct BatchSize(u32);

impl Default for BatchSize {
    fn default() -> Self {
        let [min, _] = BATCH_RANGE;
        Self(min)
    }
}

/// The result of one batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct SweepReport {
    /// More holds are probably due.
    is_full: bool,
    duration: Duration,
    /// How late the first of the holds was expired.
    late: Duration,
}

impl SweepReport {
    /// How long reservations have the database for themselves before the next batch; `None` if no
    /// hold is due. They get half of the time while any are in flight, a fifth if seats are
    /// released late.
    fn pause(&self, yields_to_reservations: bool) -> Option<Duration> {
        let share = match (yields_to_reservations, self.late > LATE_AFTER) {
            (false, _) => 0.0,
            (true, false) => 1.0,
            (true, true) => 0.25,
        };
        self.is_full.then(|| self.duration.mul_f64(share))
    }
}

impl BatchSize {
    /// Halves or doubles at most: one batch says little.
    fn adjust(&mut self, duration: Duration, yields_to_reservations: bool) {
        let [busy, idle] = TARGET_DURATIONS;
        let target = if yields_to_reservations { busy } else { idle };
        let factor = (target.as_secs_f64() / duration.as_secs_f64().max(0.001)).clamp(0.5, 2.0);
        let [min, max] = BATCH_RANGE;
        self.0 = ((f64::from(self.0) * factor) as u32).clamp(min, max);
    }
}

/// See the module's documentation.
pub(crate) struct ExpiryService {
    store: SharedStore,
    /// Releases the seats of expired holds.
    settlements: SettlementDispatcher,
    /// Knows whether reservations wait for the database, and whether holds may be expired.
    load: Arc<LoadMonitor>,
    clock: Clock,
    database_clock: Arc<DatabaseClock>,
    batch_size: Mutex<BatchSize>,
}

impl ExpiryService {
    pub(crate) fn new(
        store: SharedStore,
        settlements: SettlementDispatcher,
        load: Arc<LoadMonitor>,
        clock: Clock,
        database_clock: Arc<DatabaseClock>,
    ) -> Self {
        Self {
            store,
            settlements,
            load,
            clock,
            database_clock,
            batch_size: Mutex::default(),
        }
    }

    /// Expires a batch of holds, if they may be expired now. Returns the pause before the next
    /// batch; `None` if no more holds are due.
    pub(crate) async fn sweep(&self) -> Result<Option<Duration>, BookingError> {
        // The clock has logged by itself what is wrong with it.
        if let Err(error) = self.clock.check() {
            tracing::debug!(error, "no hold is expired by a wrong clock");
            return Ok(None);
        }

        // An outage lasts, or holds have not got its time back yet.
        if !self.load.may_expire() {
            return Ok(None);
        }

        let report = self.expire_due_holds().await?;
        Ok(report.pause(self.load.has_reservations_in_flight()))
    }

    /// Expires a batch of holds that are due by the database's clock.
    async fn expire_due_holds(&self) -> Result<SweepReport, BookingError> {
        let started = Instant::now();
        let limit = self.batch_size.lock().0;
        let expired = self.store.expire_due(AsOf::of(&self.clock), limit).await?;
        let duration = started.elapsed();
        let is_full = expired.len() >= limit as usize;

        let now = self.database_clock.now();
        let late = expired
            .iter()
            .map(|booking| now.since(booking.expires_at))
            .max()
            .unwrap_or_default();

        let mut by_event = HashMap::<EventId, Vec<_>>::new();
        for booking in &expired {
            by_event
                .entry(booking.event_id)
                .or_default()
                .push((booking.booking_id, Settlement::Released));
        }
        for (event, settlements) in by_event {
            self.settlements.settle(event, &settlements).await;
        }

        if is_full {
            let yields = self.load.has_reservations_in_flight() && late <= LATE_AFTER;
            self.batch_size.lock().adjust(duration, yields);
        }
        metrics::counter!(crate::metric_definitions::BOOKINGS_EXPIRED)
            .increment(expired.len() as u64);
        Ok(SweepReport {
            is_full,
            duration,
            late,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn batch_size_follows_target_duration() {
        let (mut batch_size, costs) = (BatchSize::default(), [0.02, 0.2, 0.02]);
        for (cost, waits, rows) in [
            (costs[0], false, 5_000),
            (costs[1], true, 500),
            (costs[2], true, 2_500),
        ] {
            for _ in 0..10 {
                batch_size.adjust(MS.mul_f64(f64::from(batch_size.0) * cost), waits);
            }
            assert!(
                batch_size.0.abs_diff(rows) < 10,
                "{} holds at {cost} ms, not {rows}",
                batch_size.0
            );
        }
    }

    #[test]
    fn pause_yields_less_if_seats_are_late() {
        let report = |late: Duration| SweepReport {
            is_full: true,
            duration: 20 * MS,
            late,
        };
        assert_eq!(report(Duration::ZERO).pause(true), Some(20 * MS));
        assert_eq!(report(2 * LATE_AFTER).pause(true), Some(5 * MS));
        assert_eq!(report(Duration::ZERO).pause(false), Some(Duration::ZERO));
        assert_eq!(SweepReport::default().pause(true), None);
    }
}
