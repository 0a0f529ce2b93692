//! Giving back the seats of holds whose time is over.

use std::collections::HashMap;

use waitingroom::{clock::Timestamp, ids::EventId, seats::Settlement};

use crate::{desk::Desk, refusal::Refusal};

impl Desk {
    /// One step: expires at most `limit` holds that are due at `now`; returns how many.
    pub(crate) async fn expire_due(&self, now: Timestamp, limit: u32) -> Result<usize, Refusal> {
        let expired = self.store().expire_due(now, limit).await?;
        let mut by_event = HashMap::<EventId, Vec<_>>::new();
        for booking in &expired {
            by_event.entry(booking.event_id).or_default().push((booking.booking_id, Settlement::Released));
        }
        for (event, settlements) in by_event {
            self.settler.settle(event, &settlements).await;
        }
        metrics::counter!("stanchion_booking_expired_total").increment(expired.len() as u64);
        Ok(expired.len())
    }
}
