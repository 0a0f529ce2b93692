//! Live figures for operators: every event that is not over is looked at once a second, whoever
//! watches, so that plots are filled when a dashboard opens; those who watch share one feed an
//! event.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use waitingroom::{
    clock::Timestamp,
    engine::{Counters, LineStatus},
    ids::{EventId, ShowId, ZoneId},
    line::{QueueSettings, SaleState},
    pace::{Slowness, slowness},
    seats::ZoneSeats,
    vitals::{Live as LiveProcess, Reading},
};

use super::{
    event_metrics::{self, EventMetrics, figures},
    history::History,
};
use crate::{
    error::BookingError,
    live::feed::{Feed, server_sent},
    model::event::Event,
    state::AppState,
    store::ZoneCount,
};

/// Dashboards that are told at the same time, over all events.
const DASHBOARDS: usize = 256;

/// Events that are looked at each second; of more, only those that somebody watches.
const SAMPLED: usize = 200;

/// Events that are looked at at the same time.
const AT_ONCE: usize = 16;

/// A look that is younger answers a request.
const FRESH: Duration = Duration::from_millis(1_500);

/// Longest wait for the board of vitals: figures without it are better than none.
const BOARD_DEADLINE: Duration = Duration::from_millis(500);

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Dashboard {
    /// Carries `live` events.
    pub(crate) feed: Feed,
    events: Mutex<HashMap<EventId, SampledEvent>>,
}

#[derive(Debug, Default)]
struct SampledEvent {
    track: History,
    latest: Option<(Instant, Arc<EventSnapshot>)>,
}

/// One event at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct EventSnapshot {
    event_id: EventId,
    at: Timestamp,
    settings: QueueSettings,
    /// Why the rate in force is lower than the rate that is set; absent where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    slowness: Option<Slowness>,
    figures: EventMetrics,
    totals: Totals,
    zones: Vec<ZoneMetrics>,
    nodes: Vec<LiveProcess>,
}

/// Since the line began, or began anew.
#[derive(Debug, Serialize)]
struct Totals {
    joined: u64,
    released: u64,
    taken_back: u64,
    expired: u64,
    dropped: u64,
    left: u64,
}

impl From<Counters> for Totals {
    fn from(counters: Counters) -> Self {
        let Counters {
            joined,
            released,
            taken_back,
            expired,
            dropped,
            left,
        } = counters;
        Self {
            joined,
            released,
            taken_back,
            expired,
            dropped,
            left,
        }
    }
}

#[derive(Debug, Serialize)]
struct ZoneMetrics {
    show_id: ShowId,
    show: String,
    zone_id: ZoneId,
    zone: String,
    capacity: u32,
    /// Absent where the database did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    sold: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<u32>,
    free: u32,
}

/// What one round learns for all events.
struct SampleContext {
    reading: Option<Reading>,
    counts: Option<HashMap<ZoneId, ZoneCount>>,
}

impl Dashboard {
    pub(crate) fn new() -> Self {
        Self {
            feed: Feed::new("live", DASHBOARDS),
            events: Mutex::default(),
        }
    }

    fn fresh(&self, event: EventId) -> Option<Arc<EventSnapshot>> {
        let events = self.events.lock();
        let (at, moment) = events.get(&event)?.latest.as_ref()?;
        (at.elapsed() < FRESH).then(|| Arc::clone(moment))
    }
}

impl AppState {
    /// One round: looks at every event that is sampled and tells those who watch.
    pub(crate) async fn sample_events(&self) {
        let followed = self.live.feed.followed();
        let (watched, others): (Vec<_>, Vec<_>) = self
            .catalogue
            .events()
            .into_iter()
            .partition(|event| followed.contains(&event.event_id));
        let others = others
            .into_iter()
            .filter(|event| event.queue.state != SaleState::Closed)
            .take(SAMPLED);
        let sampled: Vec<Arc<Event>> = watched.into_iter().chain(others).collect();
        if sampled.is_empty() {
            return;
        }
        let round = self.round().await;
        stream::iter(sampled)
            .for_each_concurrent(AT_ONCE, |event| self.sample(event, &round))
            .await;
    }

    async fn sample(&self, event: Arc<Event>, round: &SampleContext) {
        match self.look(&event, round).await {
            Ok(moment) => self
                .live
                .feed
                .publish(event.event_id, server_sent("live", &*moment)),
            Err(error) => {
                tracing::debug!(event = %event.event_id, %error, "no figures this second")
            }
        }
    }

    /// The event as it was a second ago at most.
    pub(crate) async fn live(&self, event: &Event) -> Result<Arc<EventSnapshot>, BookingError> {
        match self.live.fresh(event.event_id) {
            Some(moment) => Ok(moment),
            None => self.look(event, &self.round().await).await,
        }
    }

    /// The same as the first event of a feed.
    pub(crate) async fn live_news(&self, event: &Event) -> Result<Bytes, BookingError> {
        Ok(server_sent("live", &*self.live(event).await?))
    }

    /// The last quarter of an hour, as far as this process has seen it.
    pub(crate) fn history(&self, event: EventId) -> Box<RawValue> {
        let events = self.live.events.lock();
        let nothing = History::default();
        let track = events
            .get(&event)
            .map_or(&nothing, |watched| &watched.track);
        serde_json::value::to_raw_value(track).expect("columns have text names")
    }

    /// Every process that is alive, and how booking is as a whole.
    pub(crate) async fn nodes(&self) -> Result<Value, BookingError> {
        let reading = self
            .reading()
            .await
            .ok_or(BookingError::Unavailable("the processes cannot be seen"))?;
        let share = reading.pace.as_ref().map_or(1.0, |pace| pace.share());
        Ok(
            serde_json::json!({"nodes": reading.processes, "pace": share, "booking": event_metrics::booking_vitals(&reading)}),
        )
    }

    async fn reading(&self) -> Option<Reading> {
        let reading = tokio::time::timeout(BOARD_DEADLINE, self.backends.board.read()).await;
        let reading = reading
            .ok()?
            .inspect_err(|error| tracing::debug!(%error, "the processes cannot be seen"))
            .ok()?;
        self.inventory.gateways.note(&reading);
        Some(reading)
    }

    async fn round(&self) -> SampleContext {
        let (reading, counts) = tokio::join!(self.reading(), self.store().zone_counts(None));
        let by_zone = |counts: Vec<ZoneCount>| {
            counts
                .into_iter()
                .map(|zone| (zone.zone_id, zone))
                .collect()
        };
        SampleContext {
            reading,
            counts: counts.ok().map(by_zone),
        }
    }

    async fn look(
        &self,
        event: &Event,
        round: &SampleContext,
    ) -> Result<Arc<EventSnapshot>, BookingError> {
        let id = event.event_id;
        let (status, seats) = tokio::join!(
            self.within(self.engine().status(id)),
            self.within(self.engine().seats(id))
        );
        let (status, seats) = (status?, seats?);
        let (seen, at) = (Instant::now(), self.now());
        let mut events = self.live.events.lock();
        let watched = events.entry(id).or_default();
        let rates = watched.track.rates(seen, &status);
        let moment = Arc::new(moment(event, at, status, &rates, &seats, round));
        if watched
            .latest
            .as_ref()
            .is_none_or(|(last, _)| seen.duration_since(*last) > FRESH / 2)
        {
            watched.track.keep(at, &moment.figures);
        }
        watched.latest = Some((seen, Arc::clone(&moment)));
        Ok(moment)
    }
}

fn moment(
    event: &Event,
    at: Timestamp,
    status: LineStatus,
    rates: &event_metrics::Rates,
    seats: &[ZoneSeats],
    round: &SampleContext,
) -> EventSnapshot {
    let counts: Option<Vec<&ZoneCount>> = round.counts.as_ref().map(|counts| {
        event
            .zones()
            .filter_map(|(_, zone)| counts.get(&zone.zone_id))
            .collect()
    });
    let share = round
        .reading
        .as_ref()
        .and_then(|reading| reading.pace.as_ref())
        .map_or(1.0, |pace| pace.share());
    EventSnapshot {
        event_id: event.event_id,
        at,
        slowness: slowness(share).filter(|_| status.settings.state == SaleState::Open),
        figures: figures(&status, rates, counts.as_deref(), round.reading.as_ref()),
        totals: status.counters.into(),
        settings: status.settings,
        zones: zones(event, seats, round),
        nodes: round
            .reading
            .as_ref()
            .map(|reading| reading.processes.clone())
            .unwrap_or_default(),
    }
}

fn zones(event: &Event, seats: &[ZoneSeats], round: &SampleContext) -> Vec<ZoneMetrics> {
    let free: HashMap<ZoneId, u32> = seats
        .iter()
        .map(|zone| (zone.zone_id, zone.available))
        .collect();
    let of_zone = |zone_id| {
        round
            .counts
            .as_ref()
            .and_then(|counts| counts.get(&zone_id))
    };
    let zone_figures =
        |(show, zone): (&crate::model::event::Show, &crate::model::event::Zone)| ZoneMetrics {
            show_id: show.show_id,
            show: show.name.clone(),
            zone_id: zone.zone_id,
            zone: zone.name.clone(),
            capacity: zone.capacity,
            sold: of_zone(zone.zone_id).map(|zone| zone.confirmed),
            held: of_zone(zone.zone_id).map(|zone| zone.held),
            free: free.get(&zone.zone_id).copied().unwrap_or(0),
        };
    event.zones().map(zone_figures).collect()
}
