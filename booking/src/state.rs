//! The services of this role, and how they are built on its backends.

use std::{sync::Arc, time::Duration};

use axum::extract::FromRef;
use ipnet::IpNet;
use waitingroom_domain::{clock::Clock, guest_address::GuestAddressKey, pass::PassKey};
use waitingroom_engine::SharedEngine;
use waitingroom_messaging::{bus::Bus, process_registry::SharedProcessRegistry, signal::Signals};
use waitingroom_server::{auth::Authenticator, http::ServeLimits};

use crate::{
    admin_actions::AdminService,
    authentication::RequestAuthenticator,
    catalogue::Catalogue,
    database_clock::DatabaseClock,
    health::BookingHealth,
    inventory::{
        InventoryServices, catalogue_sync::CatalogueSync, checkpoint::CheckpointWriter,
        drift::DriftDetector, queue_check::QueueCheck, rebuild::InventoryRebuilder,
        reconcile::HoldReconciler,
    },
    live::{
        LiveServices, availability::AvailabilityService, dashboard::DashboardService,
        registry_reader::RegistryReader,
    },
    load_monitor::{
        LoadMonitor,
        probes::{DatabaseProbe, QueueProbe},
    },
    model::recovery_code::RecoveryKey,
    outbox_publisher::{OutboxPublisher, OutboxRelay},
    pipeline::{Pipeline, PipelineDeps, PipelineReceivers},
    reservations::{
        confirm_cancel::TransitionService,
        expiry::ExpiryService,
        guest_limits::{GuestLimiter, GuestLimits},
        key_cleanup::KeyCleanup,
        queries::BookingQueries,
        recovery::{MissLimiter, RecoveryService},
        request_validator::RequestValidator,
        reserve::ReservationService,
    },
    settlements::dispatcher::SettlementDispatcher,
    store::SharedStore,
    tasks::TaskServices,
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
    /// Makes the codes with which bookings are recovered.
    pub recovery_key: RecoveryKey,
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

/// The services that handlers extract. A clone costs one reference count, and each request makes
/// one.
#[derive(Clone)]
pub(crate) struct AppState(Arc<HandlerServices>);

struct HandlerServices {
    authenticator: Arc<RequestAuthenticator>,
    catalogue: Arc<Catalogue>,
    reservations: Arc<ReservationService>,
    transitions: Arc<TransitionService>,
    bookings: Arc<BookingQueries>,
    recovery: Arc<RecoveryService>,
    availability: Arc<AvailabilityService>,
    dashboard: Arc<DashboardService>,
    admin: Arc<AdminService>,
}

/// `State<Arc<S>>` for a service of each field.
macro_rules! extract_by_type {
    ($($field:ident: $service:ty,)*) => {$(
        impl FromRef<AppState> for Arc<$service> {
            fn from_ref(state: &AppState) -> Self {
                Arc::clone(&state.0.$field)
            }
        }
    )*};
}

extract_by_type! {
    authenticator: RequestAuthenticator,
    catalogue: Catalogue,
    reservations: ReservationService,
    transitions: TransitionService,
    bookings: BookingQueries,
    recovery: RecoveryService,
    availability: AvailabilityService,
    dashboard: DashboardService,
    admin: AdminService,
}

/// The whole role.
pub(crate) struct Services {
    /// For handlers.
    pub(crate) state: AppState,
    /// For tasks.
    pub(crate) tasks: TaskServices,
    /// For readiness and the process registry.
    pub(crate) health: BookingHealth,
    /// The stages of the pipeline, to be started.
    pub(crate) receivers: PipelineReceivers,
}

impl Services {
    /// Builds every service. Nothing is read or started yet.
    pub(crate) fn new(backends: Backends, config: BookingConfig) -> Self {
        let shared = Shared::new(&backends, &config);
        let deps = PipelineDeps {
            store: backends.store.clone(),
            engine: backends.engine.clone(),
            clock: backends.clock.clone(),
            settlements: shared.settlements.clone(),
        };
        let (pipeline, receivers) = Pipeline::new(deps, Arc::clone(&shared.load));

        let health = BookingHealth {
            load: Arc::clone(&shared.load),
            engine: backends.engine.clone(),
            pipeline: pipeline.clone(),
        };
        let inventory = inventory_services(&backends, &shared);
        let live = live_services(&backends, &shared, config.max_availability_readers);
        Self {
            state: app_state(&backends, &config, &shared, pipeline, &inventory, &live),
            tasks: task_services(backends, config, shared, inventory, live),
            health,
            receivers,
        }
    }
}

/// What several services work with.
struct Shared {
    catalogue: Arc<Catalogue>,
    rebuilder: Arc<InventoryRebuilder>,
    settlements: SettlementDispatcher,
    load: Arc<LoadMonitor>,
    database_clock: Arc<DatabaseClock>,
    guest_limiter: GuestLimiter,
    recovery_misses: MissLimiter,
}

impl Shared {
    fn new(backends: &Backends, config: &BookingConfig) -> Self {
        let Backends {
            store,
            engine,
            clock,
            ..
        } = backends;
        let rebuilder = InventoryRebuilder::new(store.clone(), engine.clone(), clock.clone());
        let rebuild_queue = Arc::clone(&rebuilder.rebuild_queue);

        Self {
            catalogue: Arc::new(Catalogue::new(store.clone())),
            settlements: SettlementDispatcher::new(engine.clone(), clock.clone(), rebuild_queue),
            rebuilder: Arc::new(rebuilder),
            load: Arc::default(),
            database_clock: Arc::new(DatabaseClock::new(clock.clone(), store.clone())),
            guest_limiter: GuestLimiter::new(config.guest_limits),
            recovery_misses: MissLimiter::default(),
        }
    }
}

fn inventory_services(backends: &Backends, shared: &Shared) -> InventoryServices {
    let Backends { store, engine, .. } = backends;
    let catalogue = &shared.catalogue;
    let catalogue_sync = Arc::new(CatalogueSync::new(
        Arc::clone(catalogue),
        Arc::clone(&shared.rebuilder),
        engine.clone(),
        Arc::clone(&backends.signals),
    ));
    let queue_check = QueueCheck {
        probe: QueueProbe {
            catalogue: Arc::clone(catalogue),
            engine: engine.clone(),
            load: Arc::clone(&shared.load),
        },
        catalogue: Arc::clone(catalogue),
        inventory: Arc::clone(&shared.rebuilder),
        catalogue_sync: Arc::clone(&catalogue_sync),
    };

    InventoryServices {
        catalogue: Arc::clone(catalogue),
        rebuilder: Arc::clone(&shared.rebuilder),
        catalogue_sync,
        queue_check,
        reconciler: HoldReconciler {
            catalogue: Arc::clone(catalogue),
            engine: engine.clone(),
            store: store.clone(),
            settlements: shared.settlements.clone(),
            clock: backends.clock.clone(),
        },
        drift: DriftDetector::new(
            Arc::clone(catalogue),
            engine.clone(),
            store.clone(),
            Arc::clone(&shared.load),
            shared.settlements.clone(),
            Arc::clone(&shared.rebuilder.rebuild_queue),
        ),
        checkpoints: CheckpointWriter::new(Arc::clone(catalogue), engine.clone(), store.clone()),
    }
}

fn live_services(backends: &Backends, shared: &Shared, max_readers: usize) -> LiveServices {
    let Backends { store, engine, .. } = backends;
    let catalogue = &shared.catalogue;
    let registry = RegistryReader {
        process_registry: backends.process_registry.clone(),
        known_gateways: Arc::clone(&shared.rebuilder.known_gateways),
    };

    LiveServices {
        availability: Arc::new(AvailabilityService::new(
            Arc::clone(catalogue),
            engine.clone(),
            store.clone(),
            max_readers,
        )),
        dashboard: Arc::new(DashboardService::new(
            Arc::clone(catalogue),
            engine.clone(),
            store.clone(),
            registry,
            backends.clock.clone(),
        )),
    }
}

fn app_state(
    backends: &Backends,
    config: &BookingConfig,
    shared: &Shared,
    pipeline: Pipeline,
    inventory: &InventoryServices,
    live: &LiveServices,
) -> AppState {
    let Backends {
        store,
        engine,
        clock,
        ..
    } = backends;

    let authenticator = RequestAuthenticator {
        tokens: backends.authenticator.clone(),
        addresses: backends.addresses.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
    };
    let reservations = ReservationService {
        catalogue: Arc::clone(&shared.catalogue),
        validator: RequestValidator {
            pass_key: backends.pass_key.clone(),
            guest_limiter: shared.guest_limiter.clone(),
            clock: clock.clone(),
        },
        pipeline: pipeline.clone(),
        inventory: Arc::clone(&shared.rebuilder),
        store: store.clone(),
        load: Arc::clone(&shared.load),
        database_clock: Arc::clone(&shared.database_clock),
    };
    let transitions = TransitionService {
        pipeline,
        guest_limiter: shared.guest_limiter.clone(),
        clock: clock.clone(),
    };
    let bookings = Arc::new(BookingQueries::new(
        store.clone(),
        Arc::clone(&shared.database_clock),
    ));
    let recovery = RecoveryService::new(
        store.clone(),
        Arc::clone(&bookings),
        backends.recovery_key.clone(),
        clock.clone(),
        Arc::clone(&shared.database_clock),
        shared.recovery_misses.clone(),
    );
    let admin = AdminService {
        store: store.clone(),
        catalogue: Arc::clone(&shared.catalogue),
        catalogue_sync: Arc::clone(&inventory.catalogue_sync),
        inventory: Arc::clone(&shared.rebuilder),
        engine: engine.clone(),
        signals: Arc::clone(&backends.signals),
        clock: clock.clone(),
    };

    AppState(Arc::new(HandlerServices {
        authenticator: Arc::new(authenticator),
        catalogue: Arc::clone(&shared.catalogue),
        reservations: Arc::new(reservations),
        transitions: Arc::new(transitions),
        bookings,
        recovery: Arc::new(recovery),
        availability: Arc::clone(&live.availability),
        dashboard: Arc::clone(&live.dashboard),
        admin: Arc::new(admin),
    }))
}

fn task_services(
    backends: Backends,
    config: BookingConfig,
    shared: Shared,
    inventory: InventoryServices,
    live: LiveServices,
) -> TaskServices {
    let Backends {
        store, clock, bus, ..
    } = backends;

    TaskServices {
        inventory,
        live,
        expiry: ExpiryService::new(
            store.clone(),
            shared.settlements.clone(),
            Arc::clone(&shared.load),
            clock.clone(),
            Arc::clone(&shared.database_clock),
        ),
        key_cleanup: KeyCleanup {
            store: store.clone(),
            guest_limiter: shared.guest_limiter,
            recovery_misses: shared.recovery_misses,
            clock,
            database_clock: Arc::clone(&shared.database_clock),
            key_ttl: config.idempotency_key_ttl,
        },
        settlements: shared.settlements,
        outbox: OutboxPublisher {
            relay: OutboxRelay::new(store.clone(), bus, config.subject_prefix),
            database_clock: Arc::clone(&shared.database_clock),
            load: Arc::clone(&shared.load),
        },
        database_probe: DatabaseProbe {
            store,
            load: shared.load,
            rebuild_queue: Arc::clone(&shared.rebuilder.rebuild_queue),
        },
        database_clock: shared.database_clock,
    }
}
