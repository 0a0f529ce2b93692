//! Repair of stale holds: if the engine did not receive a hold's settlement, the database is asked.
//! Its answer is final: a hold without a booking gets a tombstone, so that it cannot become one any
//! more. So no timeout has to be long enough.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    ids::EventId,
    seats::{Settlement, StaleHold},
};
use waitingroom_engine::{EngineError, SharedEngine};

use super::EVENT_CONCURRENCY;
use crate::{
    catalogue::Catalogue,
    engine_timeout::with_engine_timeout,
    error::BookingError,
    settlements::dispatcher::{SettlementDispatcher, settlement_for_status},
    store::{HoldResolution, SharedStore},
};

/// A hold is left alone for this long after its settlement was due: most commits have been reported
/// by then. A commit that comes later finds a tombstone, and its hold is released.
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(8);

/// Max holds of one event in one iteration.
const BATCH_SIZE: u32 = 500;

/// See the module's documentation.
pub(crate) struct HoldReconciler {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) engine: SharedEngine,
    pub(crate) store: SharedStore,
    pub(crate) settlements: SettlementDispatcher,
    pub(crate) clock: Clock,
}

impl HoldReconciler {
    /// Repairs the stale holds of every event, and returns their number. An event that fails delays
    /// no other.
    pub(crate) async fn reconcile_holds(&self) -> Result<usize, BookingError> {
        let repairs = self
            .catalogue
            .events()
            .into_iter()
            .map(|event| self.reconcile_event(event.event_id, self.clock.now()));
        let mut repairs = stream::iter(repairs).buffer_unordered(EVENT_CONCURRENCY);

        let mut holds = 0;
        let mut last_error = None;
        while let Some(repaired) = repairs.next().await {
            match repaired {
                Ok(count) => holds += count,
                Err(BookingError::Engine(EngineError::UnknownEvent)) => {} // about to be rebuilt
                Err(error) => last_error = Some(error),
            }
        }
        last_error.map_or(Ok(holds), Err)
    }

    async fn reconcile_event(&self, event: EventId, now: Timestamp) -> Result<usize, BookingError> {
        let stale = self.engine.stale_holds(event, now, STALE_AFTER, BATCH_SIZE);
        let stale = with_engine_timeout(stale).await?;
        if stale.is_empty() {
            return Ok(0);
        }

        let bookings: Vec<_> = stale.iter().map(|hold| hold.booking_id).collect();
        let resolutions = self.store.resolve_holds(event, &bookings).await?;

        // A hold without a resolution has a commit in flight: it is looked at again.
        let settlements: Vec<_> = stale
            .iter()
            .filter_map(|hold| {
                let resolution = *resolutions.get(&hold.booking_id)?;
                Some((hold.booking_id, settlement_for(hold, resolution)))
            })
            .collect();
        metrics::counter!(crate::metric_definitions::COMMITS_UNDER_WAY)
            .increment((stale.len() - settlements.len()) as u64);

        self.settlements.settle(event, &settlements).await;
        metrics::counter!(crate::metric_definitions::STALE_HOLDS).increment(stale.len() as u64);
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
