//! The catalogue in memory, a copy of the database's that is refreshed when that changes. Every
//! reservation looks its zone up here.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use tokio::sync::Mutex;
use waitingroom_domain::{
    ids::{EventId, ShowId, ZoneId},
    queue::QueueSettings,
};
use waitingroom_server::telemetry;

use crate::{
    error::BookingError,
    model::event::{Event, Show, Zone},
    store::{SharedStore, StoreError},
};

/// Requests for unknown ids refresh the catalogue at most this often, together: each waits for a
/// refresh that began after it came.
const MISS_REFRESH_INTERVAL: Duration = Duration::from_millis(50);

/// The catalogue as one refresh read it.
#[derive(Debug, Default)]
struct CatalogueSnapshot {
    revision: i64,
    events: Vec<Arc<Event>>,
    by_id: HashMap<EventId, Arc<Event>>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Catalogue {
    store: StoreHandle,
    snapshot: RwLock<Arc<CatalogueSnapshot>>,
    /// Changed settings, until they have been announced.
    unannounced: RwLock<HashMap<EventId, QueueSettings>>,
    /// Makes refreshes take turns.
    refresh_lock: Mutex<()>,
    last_miss: Mutex<Option<MissRefresh>>,
}

/// A refresh for an unknown id.
#[derive(Debug, Clone, Copy)]
struct MissRefresh {
    began: Instant,
    answered: bool,
}

struct StoreHandle(SharedStore);

impl std::fmt::Debug for StoreHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store(…)")
    }
}

/// A zone with what it belongs to.
#[derive(Debug, Clone)]
pub(crate) struct ZoneRef {
    /// The event.
    pub(crate) event: Arc<Event>,
    /// The zone of it.
    pub(crate) zone: Zone,
}

impl Catalogue {
    /// An empty copy; [`Catalogue::refresh`] fills it.
    pub(crate) fn new(store: SharedStore) -> Self {
        Self {
            store: StoreHandle(store),
            snapshot: RwLock::default(),
            unannounced: RwLock::default(),
            refresh_lock: Mutex::default(),
            last_miss: Mutex::default(),
        }
    }

    /// Every event, in the order of their creation.
    pub(crate) fn events(&self) -> Vec<Arc<Event>> {
        self.snapshot().events.clone()
    }

    /// One event.
    ///
    /// # Errors
    /// [`BookingError::EventNotFound`], after a look into the database: another instance may have
    /// made the event just now.
    pub(crate) async fn event(&self, event: EventId) -> Result<Arc<Event>, BookingError> {
        if let Some(found) = self.snapshot().by_id.get(&event) {
            return Ok(Arc::clone(found));
        }

        self.refresh_after_miss().await?;
        self.snapshot()
            .by_id
            .get(&event)
            .cloned()
            .ok_or(BookingError::EventNotFound)
    }

    /// One zone, which must be the show's, which must be the event's.
    ///
    /// # Errors
    /// The first that is not there.
    pub(crate) async fn zone(
        &self,
        event: EventId,
        show: ShowId,
        zone: ZoneId,
    ) -> Result<ZoneRef, BookingError> {
        let event = self.event(event).await?;
        let show: &Show = event.show(show).ok_or(BookingError::ShowNotFound)?;
        let zone = show.zone(zone).ok_or(BookingError::ZoneNotFound)?.clone();

        Ok(ZoneRef { event, zone })
    }

    /// Reads the database if its catalogue has changed.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        let _refreshing = self.refresh_lock.lock().await;
        // The revision first: a change in between is read now and once more at the next call.
        let revision = self.store.0.revision().await?;
        if revision == self.snapshot().revision {
            return Ok(());
        }

        let events: Vec<_> = self
            .store
            .0
            .catalogue()
            .await?
            .into_iter()
            .map(Arc::new)
            .collect();
        let by_id: HashMap<_, _> = events
            .iter()
            .map(|event| (event.event_id, Arc::clone(event)))
            .collect();

        telemetry::retain_events("booking", by_id.keys().copied());
        self.replace(CatalogueSnapshot {
            revision,
            events,
            by_id,
        });
        Ok(())
    }

    /// Settings that have changed and are not announced yet.
    pub(crate) fn unannounced_changes(&self) -> HashMap<EventId, QueueSettings> {
        read(&self.unannounced).clone()
    }

    /// These settings were announced.
    pub(crate) fn mark_announced(&self, event: EventId, settings: &QueueSettings) {
        let mut changed = write(&self.unannounced);
        if changed.get(&event) == Some(settings) {
            changed.remove(&event);
        }
    }

    async fn refresh_after_miss(&self) -> Result<(), BookingError> {
        let requested_at = Instant::now();
        let mut last_miss = self.last_miss.lock().await;
        match *last_miss {
            Some(last) if last.began >= requested_at && last.answered => return Ok(()),
            Some(last) if last.began >= requested_at => {
                return Err(BookingError::Unavailable(
                    "the database is temporarily unavailable",
                ));
            }
            Some(last) => {
                tokio::time::sleep(MISS_REFRESH_INTERVAL.saturating_sub(last.began.elapsed())).await
            }
            None => {}
        }

        let began = Instant::now();
        let refreshed = self.refresh().await;
        *last_miss = Some(MissRefresh {
            began,
            answered: refreshed.is_ok(),
        });
        Ok(refreshed?)
    }

    fn snapshot(&self) -> Arc<CatalogueSnapshot> {
        Arc::clone(&read(&self.snapshot))
    }

    fn replace(&self, snapshot: CatalogueSnapshot) {
        let before = self.snapshot();
        let after = Arc::new(snapshot);
        *write(&self.snapshot) = Arc::clone(&after);

        let differs = |event: &&Arc<Event>| {
            before
                .by_id
                .get(&event.event_id)
                .is_some_and(|earlier| earlier.queue != event.queue)
        };
        let changed = after
            .events
            .iter()
            .filter(differs)
            .map(|event| (event.event_id, event.queue.clone()));
        write(&self.unannounced).extend(changed);
    }
}

/// A panic while the lock was held cannot have left a map half changed.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
