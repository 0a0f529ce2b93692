//! The operators' dashboards: every event that is not closed is sampled once a second, with or
//! without a reader, so that plots are filled when a dashboard opens. Readers of one event share a
//! feed.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    ids::{EventId, ShowId, ZoneId},
    overload_throttle::{BookingLoad, ThrottleReason, throttle_reason},
    queue::{AdmissionConditions, AdmissionStatus, Counters, Forecast, QueueSettings, SaleState},
    seats::ZoneSeats,
};
use waitingroom_engine::{QueueStatus, SharedEngine};
use waitingroom_messaging::process_registry::{LiveProcess, RegistrySnapshot, Role};

use super::{
    event_metrics::{self, EventMetrics, event_metrics},
    history::{History, HistoryRange},
};
use crate::{
    catalogue::Catalogue,
    engine_timeout::with_engine_timeout,
    error::BookingError,
    live::{
        feed::{Feed, sse_event},
        registry_reader::RegistryReader,
    },
    model::{event::Event, revision::Revision},
    store::{SharedStore, ZoneCount},
};

/// Over all events.
const MAX_DASHBOARD_READERS: usize = 256;

/// Events sampled each second; of more, only those that have readers.
const MAX_SAMPLED_EVENTS: usize = 200;

const SAMPLE_CONCURRENCY: usize = 16;

/// An older snapshot is not shown beside an event.
const OVERVIEW_MAX_AGE: Duration = Duration::from_secs(5);

/// A younger snapshot answers a request.
const SNAPSHOT_MAX_AGE: Duration = Duration::from_millis(1_500);

/// See the module's documentation.
pub(crate) struct DashboardService {
    catalogue: Arc<Catalogue>,
    engine: SharedEngine,
    store: SharedStore,
    registry: RegistryReader,
    clock: Clock,
    /// Carries `live` events.
    pub(crate) feed: Feed,
    events: Mutex<HashMap<EventId, SampledEvent>>,
    /// Events whose seats are all confirmed, by the last counts of the database.
    sold_out: Mutex<Arc<HashSet<EventId>>>,
}

#[derive(Debug, Default)]
struct SampledEvent {
    history: History,
    latest: Option<(Instant, Arc<EventSnapshot>)>,
}

/// One event at one moment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Moment)]
pub(crate) struct EventSnapshot {
    event_id: EventId,
    at: Timestamp,
    settings: QueueSettings,
    /// The revision of the configured settings, for the `If-Match` of a change.
    queue_revision: Revision,
    /// Whether users are released, or why not.
    admission: AdmissionStatus,
    forecast: Forecast,
    /// Why the effective rate is lower than the configured rate; absent if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    slowness: Option<ThrottleReason>,
    figures: EventMetrics,
    #[schema(inline)]
    totals: Counters,
    #[schema(inline)]
    zones: Vec<ZoneMetrics>,
    nodes: Vec<LiveProcess>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ZoneMetrics {
    show_id: ShowId,
    show: String,
    zone_id: ZoneId,
    zone: String,
    capacity: u32,
    /// Absent if the database did not respond, as is `held`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sold: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    held: Option<u32>,
    /// Seats that can be reserved, according to the engine.
    free: u32,
}

/// One event's queue in short.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueOverview {
    at: Timestamp,
    /// Users in the queue without a pass.
    line: u64,
    /// Those of them who are absent.
    absent: u64,
    /// Active passes.
    active: u64,
    /// Passes released per second; `null` if that is not known.
    #[schema(value_type = Option<f64>, required)]
    released_per_second: f64,
    /// Whether users are released, or why not.
    admission: AdmissionStatus,
}

/// The live processes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodesResponse {
    nodes: Vec<LiveProcess>,
    /// The admission throttle: the factor applied to the configured rates.
    #[schema(minimum = 0, maximum = 1)]
    pace: f64,
    booking: BookingLoad,
}

/// What the samples of all events have in common.
struct SampleContext {
    reading: Option<RegistrySnapshot>,
    counts: Option<HashMap<ZoneId, ZoneCount>>,
}

impl DashboardService {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        engine: SharedEngine,
        store: SharedStore,
        registry: RegistryReader,
        clock: Clock,
    ) -> Self {
        Self {
            catalogue,
            engine,
            store,
            registry,
            clock,
            feed: Feed::new("live", MAX_DASHBOARD_READERS),
            events: Mutex::default(),
            sold_out: Mutex::default(),
        }
    }

    /// Events whose seats are all confirmed: none can come back. About a second old.
    pub(crate) fn sold_out(&self) -> Arc<HashSet<EventId>> {
        Arc::clone(&self.sold_out.lock())
    }

    fn fresh_snapshot(&self, event: EventId) -> Option<Arc<EventSnapshot>> {
        let events = self.events.lock();
        let (at, snapshot) = events.get(&event)?.latest.as_ref()?;
        (at.elapsed() < SNAPSHOT_MAX_AGE).then(|| Arc::clone(snapshot))
    }

    /// Samples every event that is not closed or has readers, and publishes the snapshots.
    pub(crate) async fn sample_events(&self) {
        let subscribed = self.feed.subscribed_events();
        let (with_readers, others): (Vec<_>, Vec<_>) = self
            .catalogue
            .events()
            .into_iter()
            .partition(|event| subscribed.contains(&event.event_id));
        let others = others
            .into_iter()
            .filter(|event| event.queue.state != SaleState::Closed)
            .take(MAX_SAMPLED_EVENTS);
        let sampled: Vec<Arc<Event>> = with_readers.into_iter().chain(others).collect();
        if sampled.is_empty() {
            return;
        }

        let context = self.sample_context().await;
        stream::iter(sampled)
            .for_each_concurrent(SAMPLE_CONCURRENCY, |event| {
                self.publish_sample(event, &context)
            })
            .await;
    }

    async fn publish_sample(&self, event: Arc<Event>, context: &SampleContext) {
        match self.sample_event(&event, context).await {
            Ok(snapshot) => self
                .feed
                .publish(event.event_id, sse_event("live", &*snapshot)),
            Err(error) => {
                tracing::debug!(event = %event.event_id, %error, "dashboard sample failed")
            }
        }
    }

    /// A snapshot of the event, at most [`SNAPSHOT_MAX_AGE`] old.
    pub(crate) async fn event_snapshot(
        &self,
        event: &Event,
    ) -> Result<Arc<EventSnapshot>, BookingError> {
        match self.fresh_snapshot(event.event_id) {
            Some(snapshot) => Ok(snapshot),
            None => self.sample_event(event, &self.sample_context().await).await,
        }
    }

    /// The same as a server-sent event.
    pub(crate) async fn snapshot_update(&self, event: &Event) -> Result<Bytes, BookingError> {
        Ok(sse_event("live", &*self.event_snapshot(event).await?))
    }

    /// The samples of a range, as far as this process has taken them.
    pub(crate) fn history(&self, event: EventId, range: HistoryRange) -> Box<RawValue> {
        let events = self.events.lock();
        let empty = History::default();
        let history = events
            .get(&event)
            .map_or(&empty, |sampled| &sampled.history);
        serde_json::value::to_raw_value(&history.columns(range)).expect("columns have text names")
    }

    /// The event's queue in short, if it was sampled in the last seconds.
    pub(crate) fn overview(&self, event: EventId) -> Option<QueueOverview> {
        let events = self.events.lock();
        let (at, snapshot) = events.get(&event)?.latest.as_ref()?;
        let figures = &snapshot.figures;
        (at.elapsed() < OVERVIEW_MAX_AGE).then(|| QueueOverview {
            at: snapshot.at,
            line: figures.line as u64,
            absent: figures.absent as u64,
            active: figures.active as u64,
            released_per_second: figures.released_per_second,
            admission: snapshot.admission,
        })
    }

    /// The time from now until then.
    pub(crate) fn time_until(&self, end: Timestamp) -> Duration {
        end.since(self.clock.now())
    }

    /// Every live process, and the load on booking as a whole.
    pub(crate) async fn nodes(&self) -> Result<NodesResponse, BookingError> {
        let reading = self.registry.read().await.ok_or(BookingError::Unavailable(
            "the process registry is temporarily unavailable",
        ))?;
        let share = reading.throttle.as_ref().map_or(1.0, |pace| pace.share());
        Ok(NodesResponse {
            pace: share,
            booking: event_metrics::total_booking_load(&reading),
            nodes: reading.processes,
        })
    }

    async fn sample_context(&self) -> SampleContext {
        let (reading, counts) = tokio::join!(self.registry.read(), self.store.zone_counts(None));
        if let Ok(counts) = &counts {
            *self.sold_out.lock() = Arc::new(sold_out(counts));
        }

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

    async fn sample_event(
        &self,
        event: &Event,
        context: &SampleContext,
    ) -> Result<Arc<EventSnapshot>, BookingError> {
        let id = event.event_id;
        let (status, seats) = tokio::join!(
            with_engine_timeout(self.engine.status(id)),
            with_engine_timeout(self.engine.seats(id))
        );
        let status = status?;
        let seats = seats?;
        let sampled_at = Instant::now();
        let at = self.clock.now();

        let mut events = self.events.lock();
        let sampled = events.entry(id).or_default();
        let rates = sampled.history.rates(sampled_at, &status);
        let observed = &sampled.history;
        let snapshot = Arc::new(snapshot(
            event, at, status, &rates, observed, &seats, context,
        ));

        // The history has a sample a second: one taken for a request in between is left out.
        let is_old = |last: Instant| sampled_at.duration_since(last) > SNAPSHOT_MAX_AGE / 2;
        if sampled
            .latest
            .as_ref()
            .is_none_or(|(last, _)| is_old(*last))
        {
            sampled
                .history
                .push(at, snapshot.admission, &snapshot.figures);
        }
        sampled.latest = Some((sampled_at, Arc::clone(&snapshot)));
        Ok(snapshot)
    }
}

/// The events of which every seat is confirmed.
fn sold_out(counts: &[ZoneCount]) -> HashSet<EventId> {
    let mut events: HashSet<EventId> = counts.iter().map(|zone| zone.event_id).collect();
    for zone in counts.iter().filter(|zone| zone.confirmed < zone.capacity) {
        events.remove(&zone.event_id);
    }

    events
}

fn snapshot(
    event: &Event,
    at: Timestamp,
    status: QueueStatus,
    rates: &event_metrics::Rates,
    history: &History,
    seats: &[ZoneSeats],
    context: &SampleContext,
) -> EventSnapshot {
    let counts: Option<Vec<&ZoneCount>> = context.counts.as_ref().map(|counts| {
        event
            .zones()
            .filter_map(|(_, zone)| counts.get(&zone.zone_id))
            .collect()
    });

    let share = context
        .reading
        .as_ref()
        .and_then(|reading| reading.throttle.as_ref())
        .map_or(1.0, |pace| pace.share());
    let admission = admission_status(&status, share, context.reading.as_ref());
    let figures = event_metrics(&status, rates, counts.as_deref(), context.reading.as_ref());

    EventSnapshot {
        event_id: event.event_id,
        at,
        queue_revision: Revision::of(&event.queue),
        admission,
        forecast: history.forecast(at, admission, &figures),
        slowness: throttle_reason(share).filter(|_| status.settings.state == SaleState::Open),
        figures,
        totals: status.counters,
        settings: status.settings,
        zones: zones(event, seats, context),
        nodes: context
            .reading
            .as_ref()
            .map(|reading| reading.processes.clone())
            .unwrap_or_default(),
    }
}

fn admission_status(
    status: &QueueStatus,
    share: f64,
    reading: Option<&RegistrySnapshot>,
) -> AdmissionStatus {
    let is_worker = |live: &LiveProcess| live.status.process.roles.contains(&Role::QueueWorker);
    AdmissionConditions {
        settings: &status.settings,
        share,
        total: status.total,
        absent: status.absent,
        active: status.active,
        seats_left: status.seats_known.then_some(status.seats_left),
        is_rebuilding: status.counting,
        is_frozen: status.frozen.is_some(),
        has_worker: reading.is_none_or(|reading| reading.processes.iter().any(is_worker)),
    }
    .status()
}

fn zones(event: &Event, seats: &[ZoneSeats], context: &SampleContext) -> Vec<ZoneMetrics> {
    let free: HashMap<ZoneId, u32> = seats
        .iter()
        .map(|zone| (zone.zone_id, zone.available))
        .collect();
    let of_zone = |zone_id| {
        context
            .counts
            .as_ref()
            .and_then(|counts| counts.get(&zone_id))
    };

    let zone_metrics =
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
    event.zones().map(zone_metrics).collect()
}
