//! Giving back the seats of holds whose time is over.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use waitingroom::{ids::EventId, seats::Settlement};

use crate::{error::BookingError, state::AppState, store::AsOf};

/// Most holds of one step: fewest, and most.
const BATCH_RANGE: [u32; 2] = [500, 5_000];

/// A step aims at this time: while reservations wait for the database too, and while none does or
/// seats come back late.
const TARGET_DURATIONS: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(200)];

/// From here on, who waits for seats to come back has waited for as long as who reserves.
const LATE_AFTER: Duration = Duration::from_millis(1_000);

/// How many holds the next step expires: as many as the last would have in the time that it should
/// take.
#[derive(Debug)]
pub(crate) struct BatchSize(u32);

impl Default for BatchSize {
    fn default() -> Self {
        let [fewest, _] = BATCH_RANGE;
        Self(fewest)
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SweepReport {
    /// There are probably more.
    is_full: bool,
    took: Duration,
    /// By how much the first of them was over its time.
    late: Duration,
}

impl SweepReport {
    /// How long reservations have the database for themselves before the next step; `None` where
    /// there is nothing to do. They get half of the time while any wait, unless seats come back
    /// late: then a fifth.
    pub(crate) fn pause(&self, yields_to_reservations: bool) -> Option<Duration> {
        let share = match (yields_to_reservations, self.late > LATE_AFTER) {
            (false, _) => 0.0,
            (true, false) => 1.0,
            (true, true) => 0.25,
        };
        self.is_full.then(|| self.took.mul_f64(share))
    }
}

impl BatchSize {
    /// Another half or double at most: one step says little.
    fn adjust(&mut self, took: Duration, yields_to_reservations: bool) {
        let [busy, idle] = TARGET_DURATIONS;
        let aim = if yields_to_reservations { busy } else { idle };
        let factor = (aim.as_secs_f64() / took.as_secs_f64().max(0.001)).clamp(0.5, 2.0);
        let [fewest, most] = BATCH_RANGE;
        self.0 = ((f64::from(self.0) * factor) as u32).clamp(fewest, most);
    }
}

impl AppState {
    /// One step: expires what is due by the database's clock, at most a batch.
    pub(crate) async fn expire_due_holds(
        &self,
        batch_size: &mut BatchSize,
    ) -> Result<SweepReport, BookingError> {
        let (began, limit) = (Instant::now(), batch_size.0);
        let expired = self
            .store()
            .expire_due(AsOf::of(&self.backends.clock), limit)
            .await?;
        let (took, is_full) = (began.elapsed(), expired.len() >= limit as usize);
        let now = self.database_now();
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
            batch_size.adjust(
                took,
                self.has_reservations_in_flight() && late <= LATE_AFTER,
            );
        }
        metrics::counter!("stanchion_booking_expired_total").increment(expired.len() as u64);
        Ok(SweepReport {
            is_full,
            took,
            late,
        })
    }

    /// Does anybody wait for their turn in the lanes?
    pub(crate) fn has_reservations_in_flight(&self) -> bool {
        self.load_monitor.has_reservations_in_flight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_step_takes_the_time_that_it_should_whatever_a_hold_costs() {
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
    fn reservations_get_their_share_of_the_time_and_less_when_seats_are_late() {
        let report = |late: Duration| SweepReport {
            is_full: true,
            took: 20 * MS,
            late,
        };
        assert_eq!(report(Duration::ZERO).pause(true), Some(20 * MS));
        assert_eq!(report(2 * LATE_AFTER).pause(true), Some(5 * MS));
        assert_eq!(report(Duration::ZERO).pause(false), Some(Duration::ZERO));
        assert_eq!(SweepReport::default().pause(true), None);
    }
}
