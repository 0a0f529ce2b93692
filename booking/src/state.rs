//! The desk: what every request and every task of this role works with.

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
    error::Refusal,
    inventory::rebuild::Inventory,
    live::{availability::Availability, dashboard::Live},
    load_monitor::Pulse,
    pipeline::Committer,
    read_limit::Reads,
    reservations::guest_limits::{GuestLimits, Guests},
    settlements::{dispatcher::Settler, rebuild_queue::Suspects},
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
pub(crate) struct Desk {
    pub(crate) backends: Backends,
    pub(crate) config: BookingConfig,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) committer: Committer,
    pub(crate) inventory: Inventory,
    pub(crate) suspects: Arc<Suspects>,
    pub(crate) guests: Guests,
    pub(crate) settler: Settler,
    pub(crate) availability: Availability,
    pub(crate) live: Live,
    pub(crate) pulse: Pulse,
    pub(crate) database_clock: DatabaseClock,
    pub(crate) reads: Reads,
    /// Makes announcements of changed settings take turns.
    pub(crate) announcing: Mutex<()>,
}

impl Desk {
    pub(crate) fn new(
        backends: Backends,
        config: BookingConfig,
        catalogue: Arc<Catalogue>,
        committer: Committer,
        inventory: Inventory,
    ) -> Self {
        let suspects = Arc::<Suspects>::default();
        let (engine, clock) = (backends.engine.clone(), backends.clock.clone());
        Self {
            settler: Settler::new(engine, clock, Arc::clone(&suspects)),
            suspects,
            guests: Guests::new(config.guests),
            availability: Availability::new(config.availability_readers),
            backends,
            config,
            catalogue,
            committer,
            inventory,
            live: Live::new(),
            pulse: Pulse::default(),
            database_clock: DatabaseClock::default(),
            reads: Reads::default(),
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
    pub(crate) fn needs_database(&self) -> Result<(), Refusal> {
        let away = Refusal::NotNow("the database cannot be written; try again in a moment");
        if self.pulse.database_is_away() {
            Err(away)
        } else {
            Ok(())
        }
    }

    /// Nobody waits for a line that is known not to answer.
    pub(crate) fn needs_line(&self, event: EventId) -> Result<(), Refusal> {
        let silent = Refusal::NotNow("the line does not answer; try again in a moment");
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
