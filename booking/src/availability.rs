//! Seats left, for the public catalogue: as the engine has them, or the database where the engine does not answer. A moment
//! old at most, so that a crowd reloading a page costs no more than one visitor.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;
use waitingroom::ids::{EventId, ZoneId};

use crate::{desk::Desk, refusal::Refusal};

/// How old an answer may be.
const FRESH: Duration = Duration::from_millis(200);

type Available = Arc<HashMap<ZoneId, u32>>;

/// The last answer for one event; the lock makes those who find it stale wait for one of them.
type Answer = Arc<Mutex<Option<(Instant, Available)>>>;

/// The last answers.
#[derive(Debug, Default)]
pub(crate) struct Availability(Mutex<HashMap<EventId, Answer>>);

impl Desk {
    /// Seats left in each zone of the event.
    pub(crate) async fn available(&self, event: EventId) -> Result<Available, Refusal> {
        let answer = Arc::clone(self.availability.0.lock().await.entry(event).or_default());
        let mut answer = answer.lock().await;
        if let Some((at, available)) = answer.as_ref()
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(available));
        }
        let available = Arc::new(self.count_available(event).await?);
        *answer = Some((Instant::now(), Arc::clone(&available)));
        Ok(available)
    }

    async fn count_available(&self, event: EventId) -> Result<HashMap<ZoneId, u32>, Refusal> {
        if let Ok(zones) = self.within(self.engine().seats(event)).await {
            return Ok(zones.iter().map(|zone| (zone.zone_id, zone.available)).collect());
        }
        let zones = self.store().zone_counts(Some(event)).await?;
        Ok(zones.iter().map(|zone| (zone.zone_id, zone.available())).collect())
    }
}
