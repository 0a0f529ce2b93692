//! Available seats, for the public catalogue: from the engine, or from the database if the engine
//! does not answer. The counts are cached for a moment, so that many visitors who reload a page
//! cost no more than one; readers of the stream share one feed.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;
use waitingroom_domain::ids::{EventId, ZoneId};
use waitingroom_engine::SharedEngine;

use crate::{
    catalogue::Catalogue,
    engine_timeout::with_engine_timeout,
    error::BookingError,
    live::feed::{Feed, sse_event},
    model::event::Event,
    store::SharedStore,
};

/// Max age of cached counts.
const COUNTS_MAX_AGE: Duration = Duration::from_millis(200);

type AvailableSeats = Arc<HashMap<ZoneId, u32>>;

/// The last counts of one event. Requests that find them stale wait for the one that has the lock.
type CachedCounts = Arc<Mutex<Option<(Instant, AvailableSeats)>>>;

/// See the module's documentation.
pub(crate) struct AvailabilityService {
    catalogue: Arc<Catalogue>,
    engine: SharedEngine,
    store: SharedStore,
    cached_counts: Mutex<HashMap<EventId, CachedCounts>>,
    /// Carries `availability` events.
    pub(crate) feed: Feed,
}

/// The available seats of an event.
#[derive(Serialize, ToSchema)]
#[schema(as = Availability)]
pub(crate) struct AvailabilityUpdate {
    event_id: EventId,
    /// All zones of the event, in the order of its shows.
    zones: Vec<ZoneUpdate>,
}

/// The available seats of a zone.
#[derive(Serialize, ToSchema)]
#[schema(as = ZoneAvailability)]
struct ZoneUpdate {
    zone_id: ZoneId,
    /// Seats that can be reserved.
    available: u32,
}

impl AvailabilityService {
    /// A service whose feed has at most this many readers.
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        engine: SharedEngine,
        store: SharedStore,
        readers: usize,
    ) -> Self {
        Self {
            catalogue,
            engine,
            store,
            cached_counts: Mutex::default(),
            feed: Feed::new("availability", readers),
        }
    }

    /// Counts the seats of each event that has readers, and publishes changes. An event whose seats
    /// cannot be counted is left for the next iteration.
    pub(crate) async fn publish(&self) -> Result<(), BookingError> {
        let subscribed = self.feed.subscribed_events();
        join_all(
            subscribed
                .into_iter()
                .map(|event| self.publish_seats(event)),
        )
        .await
        .into_iter()
        .collect()
    }

    async fn publish_seats(&self, event: EventId) -> Result<(), BookingError> {
        let update = self.update(&*self.catalogue.event(event).await?).await?;
        self.feed.publish(event, update);
        Ok(())
    }

    /// The available seats as a server-sent event.
    pub(crate) async fn update(&self, event: &Event) -> Result<Bytes, BookingError> {
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

    /// Available seats in each zone of the event.
    pub(crate) async fn available(&self, event: EventId) -> Result<AvailableSeats, BookingError> {
        let mut cached_counts = self.cached_counts.lock().await;
        let cached = Arc::clone(cached_counts.entry(event).or_default());
        drop(cached_counts);

        let mut cached = cached.lock().await;
        if let Some((counted_at, available)) = cached.as_ref()
            && counted_at.elapsed() < COUNTS_MAX_AGE
        {
            return Ok(Arc::clone(available));
        }

        let available = Arc::new(self.count_available(event).await?);
        *cached = Some((Instant::now(), Arc::clone(&available)));
        Ok(available)
    }

    async fn count_available(&self, event: EventId) -> Result<HashMap<ZoneId, u32>, BookingError> {
        // An event without zones is about to be loaded.
        if let Ok(zones) = with_engine_timeout(self.engine.seats(event)).await
            && !zones.is_empty()
        {
            return Ok(zones
                .iter()
                .map(|zone| (zone.zone_id, zone.available))
                .collect());
        }

        let zones = self.store.zone_counts(Some(event)).await?;
        Ok(zones
            .iter()
            .map(|zone| (zone.zone_id, zone.available()))
            .collect())
    }
}
