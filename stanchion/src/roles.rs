//! Which backends a role runs on: the one place that knows concrete types. Everything above holds a
//! trait.

mod authenticator;
pub mod embedded;
pub mod servers;
mod shared_settings;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use booking::{BookingService, model::recovery_code::RecoveryKey};
use gateway::{Dependencies, Gateway, GatewayConfig, booking_api::SharedBookingApi};
use queue_worker::{Worker, WorkerConfig};
use waitingroom_domain::{
    clock::Clock, guest_address::GuestAddressKey, ids::NodeId, pass::PassKey, secret::Secret,
    ticket::TicketKey,
};
use waitingroom_engine::{SharedEngine, redis::RedisEngine, redis_connection::RedisServers};
use waitingroom_messaging::{
    process_registry::{
        self, Role, SharedProcessRegistry, StatusReporter, redis::RedisProcessRegistry,
        settings_agreement::SettingsAgreement,
    },
    signal::{Signals, cluster::ClusterSignals, redis::RedisSignals},
};
use waitingroom_server::{
    auth::Authenticator,
    http::{Check, Warnings},
    start_and_drain::Lifecycle,
};

pub use self::authenticator::authenticator;
use self::shared_settings::shared_settings;
use crate::config::Settings;

/// Time limit for the connection to a backend at startup.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);

/// The queue engine, signals and process registry, and this process's name in them.
pub struct Backends {
    engine: SharedEngine,
    signals: Arc<dyn Signals>,
    registry: SharedProcessRegistry,
    node: NodeId,
    clock: Clock,
    /// The Redis that is monitored, if there is one.
    redis: Option<RedisEngine>,
}

impl Backends {
    /// Connects to Redis.
    ///
    /// # Errors
    /// No URL, or no answer.
    pub async fn on_redis(settings: &Settings, kind: &str) -> Result<Self> {
        let url = settings.required(&settings.redis_url, "redis_url")?;
        let servers = RedisServers::parse(url).context("redis_url")?;
        let connecting = RedisEngine::connect(&servers, &settings.redis_prefix);
        let engine = tokio::time::timeout(STARTUP_TIMEOUT, connecting)
            .await
            .context("redis_url: Redis does not answer")?
            .context("redis_url")?;

        if let Err(error) = engine.check_permissions().await {
            tracing::error!(%error, "this process is not ready");
        }

        let (now, _) = engine.server_time().await.context("redis_url")?;
        let (clock, redis) = (Clock::steady(now), Some(engine.clone()));
        let (commands, prefix) = (engine.connection(), &settings.redis_prefix);
        let signals: Arc<dyn Signals> = match servers {
            RedisServers::One(server) => {
                Arc::new(RedisSignals::new(server, commands, prefix).context("redis_url")?)
            }
            RedisServers::Cluster(servers) => {
                Arc::new(ClusterSignals::new(servers, commands, prefix))
            }
        };

        let registry = RedisProcessRegistry::new(engine.connection(), &settings.redis_prefix);
        let (engine, signals, registry) = (Arc::new(engine), signals, Arc::new(registry));

        Ok(Self {
            engine,
            signals,
            registry,
            node: Settings::node(kind)?,
            clock,
            redis,
        })
    }

    /// The engine, for tools.
    pub fn engine(&self) -> &SharedEngine {
        &self.engine
    }

    /// Publishes this process's status, compares its settings with those of others, and keeps its
    /// clock right, until it drains. Returns what the comparison finds, for readiness.
    fn spawn_reporter(
        &self,
        settings: &Settings,
        lifecycle: &Lifecycle,
        roles: &[Role],
        booking: Option<&BookingService>,
        gateway: Option<&Gateway>,
    ) -> Warnings {
        let process = process_registry::Process {
            node: self.node.clone(),
            roles: roles.to_vec(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.clock.now(),
            settings: shared_settings(settings, roles),
        };
        let agreement = Arc::new(SettingsAgreement::new(
            process.clone(),
            self.registry.clone(),
        ));
        let gateway = gateway.cloned();
        let guest_majority = move || gateway.as_ref().and_then(Gateway::guest_majority);
        let reporter = StatusReporter {
            process,
            registry: self.registry.clone(),
            booking: booking.map(BookingService::reported),
            connections: Box::new(waitingroom_server::http::open_connections),
            guest_majority: Box::new(guest_majority),
        };

        lifecycle.spawn("vitals", reporter.run(lifecycle.drain_token()));

        match self.redis.clone() {
            Some(redis) => lifecycle.spawn(
                "redis",
                redis.monitor(self.clock.clone(), lifecycle.drain_token()),
            ),
            None => lifecycle.spawn(
                "clock",
                follow_host_clock(self.clock.clone(), lifecycle.clone()),
            ),
        }

        let (comparing, drain) = (Arc::clone(&agreement), lifecycle.drain_token());
        lifecycle.spawn("settings agreement", async move {
            comparing.run(drain).await;
        });
        Arc::new(move || agreement.warnings())
    }

    fn worker(&self, settings: &Settings) -> Result<Worker> {
        let config = WorkerConfig {
            tick: settings.admission_interval(),
            throttle: settings.throttle(),
            ..WorkerConfig::default()
        };

        let worker = Worker::new(
            self.engine.clone(),
            self.signals.clone(),
            self.registry.clone(),
            self.clock.clone(),
            config,
        );
        Ok(match settings.push()? {
            Some(push) => worker.with_push(push),
            None => worker,
        })
    }

    fn gateway(
        &self,
        settings: &Settings,
        lifecycle: &Lifecycle,
        authenticator: Authenticator,
        booking: SharedBookingApi,
        development_secret: Option<Secret>,
    ) -> Result<Gateway> {
        let secret = settings.required(&settings.pass_secret, "pass_secret")?;
        let config = GatewayConfig {
            node: self.node.clone(),
            heartbeat: settings.heartbeat(),
            drain_window: settings.drain_window(),
            trusted_proxies: settings.trusted_proxies.clone(),
            guests: settings.queue_limits(),
            push: settings.push()?,
            development_secret,
        };

        let with = Dependencies {
            engine: self.engine.clone(),
            signals: self.signals.clone(),
            authenticator,
            booking,
            addresses: GuestAddressKey::new(secret),
            passes: PassKey::new(secret),
            tickets: TicketKey::new(secret),
            clock: self.clock.clone(),
            lifecycle: lifecycle.clone(),
        };
        Ok(Gateway::new(config, with))
    }

    fn booking_backends(
        &self,
        settings: &Settings,
        authenticator: Authenticator,
        store: booking::store::SharedStore,
        bus: Arc<dyn waitingroom_messaging::bus::Bus>,
    ) -> Result<booking::Backends> {
        let secret = settings.required(&settings.pass_secret, "pass_secret")?;
        Ok(booking::Backends {
            store,
            bus,
            engine: self.engine.clone(),
            signals: self.signals.clone(),
            authenticator,
            pass_key: PassKey::new(secret),
            addresses: GuestAddressKey::new(secret),
            recovery_key: RecoveryKey::new(secret),
            process_registry: self.registry.clone(),
            clock: self.clock.clone(),
        })
    }

    /// Readiness: the engine does its work.
    fn engine_check(&self) -> (&'static str, Check) {
        let engine = self.engine.clone();
        let check: Check = Arc::new(move || {
            let engine = engine.clone();
            Box::pin(async move { engine.ready().await.map_err(|error| error.to_string()) })
        });
        ("engine", check)
    }

    /// Readiness: this host's clock is right.
    fn clock_check(&self) -> (&'static str, Check) {
        let clock = self.clock.clone();
        let check: Check = Arc::new(move || {
            let right = clock.check();
            Box::pin(async move { right })
        });
        ("clock", check)
    }

    /// Health: this process can talk to Redis, or Redis is what is away.
    fn liveness_check(&self) -> Option<Check> {
        let connection = self.redis.as_ref()?.connection();
        Some(Arc::new(move || {
            let connection = connection.clone();
            Box::pin(async move { connection.alive().await })
        }))
    }
}

/// How often a clock that goes on evenly is compared with the host's.
const HOST_CLOCK_INTERVAL: Duration = Duration::from_secs(1);

/// Where the host's clock is the only one: it is followed, but never in a jump.
async fn follow_host_clock(clock: Clock, lifecycle: Lifecycle) {
    while lifecycle.sleep_or_drain(HOST_CLOCK_INTERVAL).await {
        waitingroom_engine::clock_sync::follow(&clock, Clock::System.now(), Duration::ZERO);
    }
}

/// Those who only look may not take the connections of those who reserve.
fn booking_config(settings: &Settings) -> booking::BookingConfig {
    booking::BookingConfig {
        max_availability_readers: settings.max_connections / 2,
        trusted_proxies: settings.trusted_proxies.clone(),
        guest_limits: settings.booking_limits(),
        ..booking::BookingConfig::default()
    }
}

/// Readiness: the gateway is subscribed.
fn subscription_check(gateway: &Gateway) -> (&'static str, Check) {
    let gateway = gateway.clone();
    let check: Check = Arc::new(move || {
        let hears = gateway.is_subscribed();
        Box::pin(async move {
            if hears {
                Ok(())
            } else {
                Err("the subscription is silent".to_owned())
            }
        })
    });
    ("signals", check)
}
