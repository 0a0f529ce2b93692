//! Seats left, for the public catalogue: as the engine has them, or the database where the engine
//! does not answer. A moment old at most, so that a crowd reloading a page costs no more than one
//! visitor; those who follow them share one feed.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::Mutex;
use waitingroom::ids::{EventId, ZoneId};

use crate::{
    error::BookingError,
    live::feed::{Feed, sse_event},
    model::event::Event,
    state::AppState,
};

/// How old an answer may be.
const COUNTS_MAX_AGE: Duration = Duration::from_millis(200);

type AvailableSeats = Arc<HashMap<ZoneId, u32>>;

/// The last answer for one event; the lock makes those who find it stale wait for one of them.
type CachedCounts = Arc<Mutex<Option<(Instant, AvailableSeats)>>>;

/// The last cached_counts, and those who follow them.
#[derive(Debug)]
pub(crate) struct Availability {
    cached_counts: Mutex<HashMap<EventId, CachedCounts>>,
    /// Carries `availability` events.
    pub(crate) feed: Feed,
}

#[derive(Serialize)]
struct AvailabilityUpdate {
    event_id: EventId,
    zones: Vec<ZoneUpdate>,
}

#[derive(Serialize)]
struct ZoneUpdate {
    zone_id: ZoneId,
    available: u32,
}

impl Availability {
    /// For at most so many who follow.
    pub(crate) fn new(readers: usize) -> Self {
        Self {
            cached_counts: Mutex::default(),
            feed: Feed::new("availability", readers),
        }
    }
}

impl AppState {
    /// One step of the feed: counts the seats of each event that somebody follows, and tells of
    /// changes. What can not be counted now is left for the next step.
    pub(crate) async fn publish_availability(&self) -> Result<(), BookingError> {
        let followed = self.availability.feed.subscribed_events();
        join_all(followed.into_iter().map(|event| self.publish_seats(event)))
            .await
            .into_iter()
            .collect()
    }

    async fn publish_seats(&self, event: EventId) -> Result<(), BookingError> {
        let update = self
            .availability_update(&*self.catalogue.event(event).await?)
            .await?;
        self.availability.feed.publish(event, update);
        Ok(())
    }

    /// The seats left as an event of the feed.
    pub(crate) async fn availability_update(&self, event: &Event) -> Result<Bytes, BookingError> {
        let available = self.available(event.event_id).await?;
        let zone_update = |zone_id| ZoneUpdate {
            zone_id,
            available: available.get(&zone_id).copied().unwrap_or(0),
        };
        let zones = event
            .zones()
            .map(|(_, zone)| zone_update(zone.zone_id))
            .collect();
        Ok(sse_event(
            "availability",
            &AvailabilityUpdate {
                event_id: event.event_id,
                zones,
            },
        ))
    }

    /// Seats left in each zone of the event.
    pub(crate) async fn available(&self, event: EventId) -> Result<AvailableSeats, BookingError> {
        let answer = Arc::clone(
            self.availability
                .cached_counts
                .lock()
                .await
                .entry(event)
                .or_default(),
        );
        let mut answer = answer.lock().await;
        if let Some((at, available)) = answer.as_ref()
            && at.elapsed() < COUNTS_MAX_AGE
        {
            return Ok(Arc::clone(available));
        }
        let available = Arc::new(self.count_available(event).await?);
        *answer = Some((Instant::now(), Arc::clone(&available)));
        Ok(available)
    }

    async fn count_available(&self, event: EventId) -> Result<HashMap<ZoneId, u32>, BookingError> {
        // None: they are about to be loaded.
        if let Ok(zones) = self.with_timeout(self.engine().seats(event)).await
            && !zones.is_empty()
        {
            return Ok(zones
                .iter()
                .map(|zone| (zone.zone_id, zone.available))
                .collect());
        }
        let zones = self.store().zone_counts(Some(event)).await?;
        Ok(zones
            .iter()
            .map(|zone| (zone.zone_id, zone.available()))
            .collect())
    }
}
