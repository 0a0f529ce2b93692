//! Repair of stale holds: where the engine did not hear how a hold ended, the database is asked. It answers for good: a hold that is no
//! booking is one that cannot become one any more. So no time is long enough, and none is needed.

use std::time::Duration;

use waitingroom::{
    clock::Timestamp,
    engine::EngineError,
    ids::EventId,
    seats::{Settlement, StaleHold},
};

use crate::{desk::Desk, refusal::Refusal, settle::settlement_of, store::Fate};

/// A hold is left alone for this long after its end was due: most commits have long been heard of by then. One that comes later finds
/// its place taken, and is given back.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

/// Most holds of one event in one step.
const LIMIT: u32 = 500;

impl Desk {
    /// One step for every event. What fails for one is likely to fail for all: the rest waits for the next step.
    pub(crate) async fn reconcile_all(&self) -> Result<usize, Refusal> {
        let mut looked_at = 0;
        for event in self.catalogue.events() {
            looked_at += match self.reconcile(event.event_id, self.now()).await {
                Err(Refusal::Engine(EngineError::UnknownEvent)) => 0, // about to be rebuilt
                answer => answer?,
            };
        }
        Ok(looked_at)
    }

    /// One step of the repair, for one event; returns how many holds were looked at.
    async fn reconcile(&self, event: EventId, now: Timestamp) -> Result<usize, Refusal> {
        let stale = self.within(self.engine().stale_holds(event, now, PATIENCE, LIMIT)).await?;
        if stale.is_empty() {
            return Ok(0);
        }
        let ids: Vec<_> = stale.iter().map(|hold| hold.booking_id).collect();
        let fates = self.store().fates(event, &ids).await?;
        let verdict = |hold: &StaleHold| Some((hold.booking_id, verdict(hold, *fates.get(&hold.booking_id)?)));
        let settlements: Vec<_> = stale.iter().filter_map(verdict).collect();
        metrics::counter!("stanchion_booking_commits_under_way_total")
            .increment((stale.len() - settlements.len()) as u64);
        self.settler.settle(event, &settlements).await;
        metrics::counter!("stanchion_booking_stale_holds_total").increment(stale.len() as u64);
        Ok(stale.len())
    }
}

fn verdict(hold: &StaleHold, fate: Fate) -> Settlement {
    match (fate, hold.pending) {
        (Fate::Booked(status), _) => settlement_of(Some(status)),
        (Fate::Void, true) => settlement_of(None),
        // A committed hold whose booking is gone (the database was set back): there is no pass to restore.
        (Fate::Void, false) => Settlement::Released,
    }
}
