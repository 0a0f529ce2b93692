//! Repair of stale holds: where the engine did not hear how a hold ended, the database is asked.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use waitingroom::{
    clock::Timestamp,
    engine::EngineError,
    ids::EventId,
    seats::{Settlement, StaleHold},
};

use crate::{
    desk::{Desk, EVENTS_AT_ONCE},
    refusal::Refusal,
    reservation::Status,
    settle::settlement_of,
};

/// A hold is left alone for this long after its end was due: longer than a commit can be under way.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

/// Most holds of one event in one step.
const LIMIT: u32 = 500;

impl Desk {
    /// One step for every event. What fails for one holds up no other.
    pub(crate) async fn reconcile_all(&self) -> Result<usize, Refusal> {
        let events: Vec<EventId> = self.catalogue.events().iter().map(|event| event.event_id).collect();
        let steps = events.into_iter().map(|event| self.reconcile(event, self.now()));
        let (mut looked_at, mut failed) = (0, None);
        let mut steps = stream::iter(steps).buffer_unordered(EVENTS_AT_ONCE);
        while let Some(answer) = steps.next().await {
            match answer {
                Ok(count) => looked_at += count,
                Err(Refusal::Engine(EngineError::UnknownEvent)) => {} // about to be rebuilt
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(looked_at), Err)
    }

    /// One step of the repair, for one event; returns how many holds were looked at.
    async fn reconcile(&self, event: EventId, now: Timestamp) -> Result<usize, Refusal> {
        let stale = self.within(self.engine().stale_holds(event, now, PATIENCE, LIMIT)).await?;
        if stale.is_empty() {
            return Ok(0);
        }
        let ids: Vec<_> = stale.iter().map(|hold| hold.booking_id).collect();
        let statuses = self.store().statuses(&ids).await?;
        let verdict = |hold: &StaleHold| (hold.booking_id, verdict(hold, statuses.get(&hold.booking_id).copied()));
        let settlements: Vec<_> = stale.iter().map(verdict).collect();
        self.settler.settle(event, &settlements).await;
        metrics::counter!("stanchion_booking_stale_holds_total").increment(stale.len() as u64);
        Ok(stale.len())
    }
}

fn verdict(hold: &StaleHold, status: Option<Status>) -> Settlement {
    match (status, hold.pending) {
        // A committed hold whose booking is gone (the database was set back): there is no pass to restore.
        (None, false) => Settlement::Released,
        (status, _) => settlement_of(status),
    }
}
