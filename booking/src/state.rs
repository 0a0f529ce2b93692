//! The state that every request and every task of this role works with.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;
use tokio::sync::Mutex;
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    guest_address::GuestAddressKey,
    ids::EventId,
    pass::PassKey,
};
use waitingroom_engine::SharedEngine;
use waitingroom_messaging::{bus::Bus, process_registry::SharedProcessRegistry, signal::Signals};
use waitingroom_server::{auth::Authenticator, http::ServeLimits};

use crate::{
    catalogue::Catalogue,
    database_clock::DatabaseClock,
    error::BookingError,
    inventory::rebuild::InventoryRebuilder,
    live::{availability::Availability, dashboard::Dashboard},
    load_monitor::LoadMonitor,
    pipeline::Pipeline,
    read_limit::ReadLimiter,
    reservations::guest_limits::{GuestLimiter, GuestLimits},
    settlements::{dispatcher::SettlementDispatcher, rebuild_queue::RebuildQueue},
    store::SharedStore,
};

/// What the role is built on; the binary decides which backends these are.
#[derive(Clone)]
pub struct Backends {
    /// The database.
    pub store: SharedStore,
    /// The queues and the seats.
    pub engine: SharedEngine,
    /// The signals to the gateways.
    pub signals: Arc<dyn Signals>,
    /// The bus to which the outbox is published.
    pub bus: Arc<dyn Bus>,
    /// Authenticates requests.
    pub authenticator: Authenticator,
    /// Verifies passes.
    pub pass_key: PassKey,
    /// Verifies the addresses of guests that gateways sign.
    pub addresses: GuestAddressKey,
    /// The status of every process.
    pub process_registry: SharedProcessRegistry,
    /// The clock.
    pub clock: Clock,
}

/// The settings of the role.
#[derive(Debug, Clone)]
pub struct BookingConfig {
    /// First token of the outbox's subjects: `stanchion` gives `stanchion.bookings.reserved`.
    pub subject_prefix: String,
    /// How long an idempotency key is kept.
    pub idempotency_key_ttl: Duration,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The limits for guests.
    pub guest_limits: GuestLimits,
    /// Max readers of available seats at once.
    pub max_availability_readers: usize,
}

impl Default for BookingConfig {
    /// Subjects below `stanchion`; a day for idempotency keys; half of the connections that a
    /// listener accepts for readers of available seats, so that the other half can reserve them.
    fn default() -> Self {
        Self {
            subject_prefix: "stanchion".into(),
            idempotency_key_ttl: Duration::from_secs(24 * 3600),
            trusted_proxies: Vec::new(),
            guest_limits: GuestLimits::default(),
            max_availability_readers: ServeLimits::default().connections / 2,
        }
    }
}

/// Events that a task works on at the same time: if a shard of Redis does not answer, its events
/// delay at most as many of the others.
pub(crate) const EVENT_CONCURRENCY: usize = 32;

/// See the module's documentation.
pub(crate) struct AppState {
    pub(crate) backends: Backends,
    pub(crate) config: BookingConfig,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) pipeline: Pipeline,
    pub(crate) inventory: InventoryRebuilder,
    pub(crate) rebuild_queue: Arc<RebuildQueue>,
    pub(crate) guest_limiter: GuestLimiter,
    pub(crate) settlements: SettlementDispatcher,
    pub(crate) availability: Availability,
    pub(crate) dashboard: Dashboard,
    pub(crate) load_monitor: LoadMonitor,
    pub(crate) database_clock: DatabaseClock,
    pub(crate) read_limiter: ReadLimiter,
    /// Makes announcements of changed settings take turns.
    pub(crate) announcement_lock: Mutex<()>,
}

impl AppState {
    pub(crate) fn new(
        backends: Backends,
        config: BookingConfig,
        catalogue: Arc<Catalogue>,
        pipeline: Pipeline,
        inventory: InventoryRebuilder,
    ) -> Self {
        let rebuild_queue = Arc::<RebuildQueue>::default();
        let settlements = SettlementDispatcher::new(
            backends.engine.clone(),
            backends.clock.clone(),
            Arc::clone(&rebuild_queue),
        );

        Self {
            settlements,
            rebuild_queue,
            guest_limiter: GuestLimiter::new(config.guest_limits),
            availability: Availability::new(config.max_availability_readers),
            backends,
            config,
            catalogue,
            pipeline,
            inventory,
            dashboard: Dashboard::new(),
            load_monitor: LoadMonitor::default(),
            database_clock: DatabaseClock::default(),
            read_limiter: ReadLimiter::default(),
            announcement_lock: Mutex::default(),
        }
    }

    pub(crate) fn store(&self) -> &SharedStore {
        &self.backends.store
    }

    pub(crate) fn engine(&self) -> &SharedEngine {
        &self.backends.engine
    }

    /// Fails at once while the database is known to be down.
    pub(crate) fn require_database(&self) -> Result<(), BookingError> {
        if self.load_monitor.is_database_down() {
            return Err(BookingError::Unavailable(
                "the database cannot be written; try again in a moment",
            ));
        }
        Ok(())
    }

    /// Fails at once while the queue is known not to answer.
    pub(crate) fn require_queue(&self, event: EventId) -> Result<(), BookingError> {
        if self.load_monitor.queues.is_unreachable(event) {
            return Err(BookingError::Unavailable(
                "the line does not answer; try again in a moment",
            ));
        }
        Ok(())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.backends.clock.now()
    }
}
