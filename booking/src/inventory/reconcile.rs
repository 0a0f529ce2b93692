//! Repair of stale holds: where the engine did not hear how a hold ended, the database is asked. It
//! answers for good: a hold that is no booking is one that cannot become one any more. So no time
//! is long enough, and none is needed.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use waitingroom::{
    clock::Timestamp,
    engine::EngineError,
    ids::EventId,
    seats::{Settlement, StaleHold},
};

use crate::{
    error::BookingError,
    settlements::dispatcher::settlement_for_status,
    state::{AppState, EVENT_CONCURRENCY},
    store::HoldResolution,
};

/// A hold is left alone for this long after its end was due: most commits have long been heard of
/// by then. One that comes later finds its place taken, and is given back.
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(8);

/// Most holds of one event in one step.
const BATCH_SIZE: u32 = 500;

impl AppState {
    /// One step for every event. What fails for one holds up no other.
    pub(crate) async fn reconcile_holds(&self) -> Result<usize, BookingError> {
        let events: Vec<EventId> = self
            .catalogue
            .events()
            .iter()
            .map(|event| event.event_id)
            .collect();
        let steps = events
            .into_iter()
            .map(|event| self.reconcile(event, self.now()));
        let (mut checked, mut failed) = (0, None);
        let mut steps = stream::iter(steps).buffer_unordered(EVENT_CONCURRENCY);
        while let Some(answer) = steps.next().await {
            match answer {
                Ok(count) => checked += count,
                Err(BookingError::Engine(EngineError::UnknownEvent)) => {} // about to be rebuilt
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(checked), Err)
    }

    /// One step of the repair, for one event; returns how many holds were looked at.
    async fn reconcile(&self, event: EventId, now: Timestamp) -> Result<usize, BookingError> {
        let stale = self
            .with_timeout(
                self.engine()
                    .stale_holds(event, now, STALE_AFTER, BATCH_SIZE),
            )
            .await?;
        if stale.is_empty() {
            return Ok(0);
        }
        let ids: Vec<_> = stale.iter().map(|hold| hold.booking_id).collect();
        let resolutions = self.store().resolve_holds(event, &ids).await?;
        let settlement_for = |hold: &StaleHold| {
            Some((
                hold.booking_id,
                settlement_for(hold, *resolutions.get(&hold.booking_id)?),
            ))
        };
        let settlements: Vec<_> = stale.iter().filter_map(settlement_for).collect();
        metrics::counter!("stanchion_booking_commits_under_way_total")
            .increment((stale.len() - settlements.len()) as u64);
        self.settlements.settle(event, &settlements).await;
        metrics::counter!("stanchion_booking_stale_holds_total").increment(stale.len() as u64);
        Ok(stale.len())
    }
}

fn settlement_for(hold: &StaleHold, resolution: HoldResolution) -> Settlement {
    match (resolution, hold.pending) {
        (HoldResolution::Booked(status), _) => settlement_for_status(Some(status)),
        (HoldResolution::Void, true) => settlement_for_status(None),
        // A committed hold whose booking is gone (the database was set back): there is no pass to
        // restore.
        (HoldResolution::Void, false) => Settlement::Released,
    }
}
