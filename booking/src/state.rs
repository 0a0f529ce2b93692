//! The state: what every request and every task of this role works with.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;
use tokio::sync::Mutex;

use waitingroom::{
    bus::Bus,
    clock::{Clock, Timestamp},
    engine::SharedEngine,
    guest_address::AddressKey,
    http::ServeLimits,
    identity::Authenticator,
    ids::EventId,
    pass::PassKey,
    signal::Signals,
    vitals::SharedBoard,
};

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
    /// The line and the seats.
    pub engine: SharedEngine,
    /// The way to the gateways.
    pub signals: Arc<dyn Signals>,
    /// Where the outbox is published.
    pub bus: Arc<dyn Bus>,
    /// Who a request is from.
    pub authenticator: Authenticator,
    /// What passes are verified with.
    pub pass_key: PassKey,
    /// Whom gateways vouch for with the address of a guest.
    pub addresses: AddressKey,
    /// How each process is.
    pub board: SharedBoard,
    /// Where the time comes from.
    pub clock: Clock,
}

/// What can be set.
#[derive(Debug, Clone)]
pub struct BookingConfig {
    /// First token of the outbox's subjects: `stanchion` gives `stanchion.bookings.reserved`.
    pub subject_prefix: String,
    /// How long the name of an attempt is remembered.
    pub remember_keys: Duration,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What guests may do.
    pub guests: GuestLimits,
    /// Most who follow the seats that are left, at once.
    pub availability_readers: usize,
}

impl Default for BookingConfig {
    /// Subjects below `stanchion`; a day for idempotency keys; half of the connections that a
    /// listener accepts for those who follow the seats, so that the other half can reserve them.
    fn default() -> Self {
        Self {
            subject_prefix: "stanchion".into(),
            remember_keys: Duration::from_secs(24 * 3600),
            trusted_proxies: Vec::new(),
            guests: GuestLimits::default(),
            availability_readers: ServeLimits::default().connections / 2,
        }
    }
}

/// Events that a periodic step looks at at the same time: where a shard of Redis does not answer,
/// its events keep only as many of the others waiting.
pub(crate) const EVENTS_AT_ONCE: usize = 32;

/// See the module's documentation.
pub(crate) struct AppState {
    pub(crate) backends: Backends,
    pub(crate) config: BookingConfig,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) committer: Pipeline,
    pub(crate) inventory: InventoryRebuilder,
    pub(crate) suspects: Arc<RebuildQueue>,
    pub(crate) guests: GuestLimiter,
    pub(crate) settler: SettlementDispatcher,
    pub(crate) availability: Availability,
    pub(crate) live: Dashboard,
    pub(crate) pulse: LoadMonitor,
    pub(crate) database_clock: DatabaseClock,
    pub(crate) reads: ReadLimiter,
    /// Makes announcements of changed settings take turns.
    pub(crate) announcing: Mutex<()>,
}

impl AppState {
    pub(crate) fn new(
        backends: Backends,
        config: BookingConfig,
        catalogue: Arc<Catalogue>,
        committer: Pipeline,
        inventory: InventoryRebuilder,
    ) -> Self {
        let suspects = Arc::<RebuildQueue>::default();
        let (engine, clock) = (backends.engine.clone(), backends.clock.clone());
        Self {
            settler: SettlementDispatcher::new(engine, clock, Arc::clone(&suspects)),
            suspects,
            guests: GuestLimiter::new(config.guests),
            availability: Availability::new(config.availability_readers),
            backends,
            config,
            catalogue,
            committer,
            inventory,
            live: Dashboard::new(),
            pulse: LoadMonitor::default(),
            database_clock: DatabaseClock::default(),
            reads: ReadLimiter::default(),
            announcing: Mutex::default(),
        }
    }

    pub(crate) fn store(&self) -> &SharedStore {
        &self.backends.store
    }

    pub(crate) fn engine(&self) -> &SharedEngine {
        &self.backends.engine
    }

    /// Nobody waits for a database that is known to be away.
    pub(crate) fn needs_database(&self) -> Result<(), BookingError> {
        let away =
            BookingError::Unavailable("the database cannot be written; try again in a moment");
        if self.pulse.database_is_away() {
            Err(away)
        } else {
            Ok(())
        }
    }

    /// Nobody waits for a line that is known not to answer.
    pub(crate) fn needs_line(&self, event: EventId) -> Result<(), BookingError> {
        let silent = BookingError::Unavailable("the line does not answer; try again in a moment");
        if self.pulse.lines.is_silent(event) {
            Err(silent)
        } else {
            Ok(())
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.backends.clock.now()
    }
}
