//! Which backends a role runs on: the one place that knows they exist. Everything above holds a
//! trait.

pub mod embedded;
pub mod servers;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use booking::BookingService;
use gateway::{Collaborators, Gateway, GatewayConfig, booking_service::SharedBooking};
use queue_worker::{Worker, WorkerConfig};
use waitingroom::{
    clock::Clock,
    engine::{SharedEngine, redis::RedisEngine},
    guest_address::AddressKey,
    http::Check,
    identity::Authenticator,
    ids::NodeId,
    lifecycle::Lifecycle,
    pass::PassKey,
    redis_servers::RedisServers,
    secret::Secret,
    signal::{Signals, cluster::ClusterSignals, redis::RedisSignals},
    ticket::TicketKey,
    vitals::{self, Reporter, Role, SharedBoard, redis::RedisBoard},
};

use crate::config::Settings;

/// Longest wait for a backend at the start.
const START_DEADLINE: Duration = Duration::from_secs(10);

/// The line, its signals and the board of vitals, and this process's name on them.
pub struct Line {
    engine: SharedEngine,
    signals: Arc<dyn Signals>,
    board: SharedBoard,
    node: NodeId,
    clock: Clock,
    /// The Redis that is looked at, where there is one.
    redis: Option<RedisEngine>,
}

impl Line {
    /// Connects to Redis.
    ///
    /// # Errors
    /// No URL, or no answer.
    pub async fn on_redis(settings: &Settings, kind: &str) -> Result<Self> {
        let url = settings.required(&settings.redis_url, "redis_url")?;
        let servers = RedisServers::parse(url).context("redis_url")?;
        let connecting = RedisEngine::connect(&servers, settings.redis_prefix());
        let engine = tokio::time::timeout(START_DEADLINE, connecting)
            .await
            .context("redis_url: Redis does not answer")?
            .context("redis_url")?;
        if let Err(error) = engine.check_rights().await {
            tracing::error!(%error, "this process is not ready");
        }
        let (now, _) = engine.server_time().await.context("redis_url")?;
        let (clock, redis) = (Clock::steady(now), Some(engine.clone()));
        let (commands, prefix) = (engine.connection(), settings.redis_prefix());
        let signals: Arc<dyn Signals> = match servers {
            RedisServers::One(server) => {
                Arc::new(RedisSignals::new(server, commands, prefix).context("redis_url")?)
            }
            RedisServers::Cluster(servers) => {
                Arc::new(ClusterSignals::new(servers, commands, prefix))
            }
        };
        let board = RedisBoard::new(engine.connection(), settings.redis_prefix());
        let (engine, signals, board) = (Arc::new(engine), signals, Arc::new(board));
        Ok(Self {
            engine,
            signals,
            board,
            node: Settings::node(kind)?,
            clock,
            redis,
        })
    }

    /// The engine, for tools.
    pub fn engine(&self) -> &SharedEngine {
        &self.engine
    }

    /// Publishes this process's vitals, and keeps its clock right, until it drains.
    fn report(&self, lifecycle: &Lifecycle, roles: &[Role], booking: Option<&BookingService>) {
        let process = vitals::Process {
            node: self.node.clone(),
            roles: roles.to_vec(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.clock.now(),
        };
        let booking = booking.map(|booking| Box::new(booking.load()) as Box<_>);
        let reporter = Reporter {
            process,
            board: self.board.clone(),
            booking,
        };
        lifecycle.spawn("vitals", reporter.run(lifecycle.clone()));
        match self.redis.clone() {
            Some(redis) => {
                lifecycle.spawn("redis", redis.watch(self.clock.clone(), lifecycle.clone()))
            }
            None => lifecycle.spawn("clock", follow_host(self.clock.clone(), lifecycle.clone())),
        }
    }

    fn worker(&self, settings: &Settings) -> Worker {
        let config = WorkerConfig {
            tick: settings.tick(),
            pace: settings.pace(),
            ..WorkerConfig::default()
        };
        Worker::new(
            self.engine.clone(),
            self.signals.clone(),
            self.board.clone(),
            self.clock.clone(),
            config,
        )
    }

    fn gateway(
        &self,
        settings: &Settings,
        lifecycle: &Lifecycle,
        authenticator: Authenticator,
        booking: SharedBooking,
        development_secret: Option<Secret>,
    ) -> Result<Gateway> {
        let secret = settings.required(&settings.pass_secret, "pass_secret")?;
        let config = GatewayConfig {
            node: self.node.clone(),
            heartbeat: settings.heartbeat(),
            drain_window: settings.drain_window(),
            trusted_proxies: settings.trusted_proxies.clone().unwrap_or_default(),
            guests: settings.guests_in_line(),
            development_secret,
        };
        let with = Collaborators {
            engine: self.engine.clone(),
            signals: self.signals.clone(),
            authenticator,
            booking,
            addresses: AddressKey::new(secret),
            passes: PassKey::new(secret),
            tickets: TicketKey::new(secret),
            clock: self.clock.clone(),
            lifecycle: lifecycle.clone(),
        };
        Ok(Gateway::new(config, with))
    }

    fn backends(
        &self,
        settings: &Settings,
        authenticator: Authenticator,
        store: booking::store::SharedStore,
        bus: Arc<dyn waitingroom::bus::Bus>,
    ) -> Result<booking::Backends> {
        let secret = settings.required(&settings.pass_secret, "pass_secret")?;
        Ok(booking::Backends {
            store,
            bus,
            engine: self.engine.clone(),
            signals: self.signals.clone(),
            authenticator,
            pass_key: PassKey::new(secret),
            addresses: AddressKey::new(secret),
            process_registry: self.board.clone(),
            clock: self.clock.clone(),
        })
    }

    /// Readiness: the engine does its work.
    fn check(&self) -> (&'static str, Check) {
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
    fn alive(&self) -> Option<Check> {
        let connection = self.redis.as_ref()?.connection();
        Some(Arc::new(move || {
            let connection = connection.clone();
            Box::pin(async move { connection.alive().await })
        }))
    }
}

/// How often a clock that goes on evenly is compared with the host's.
const LOOK_AT_HOST: Duration = Duration::from_secs(1);

/// Where the host's clock is the only one: it is followed, but never in a jump.
async fn follow_host(clock: Clock, lifecycle: Lifecycle) {
    while lifecycle.pause(LOOK_AT_HOST).await {
        clock.follow(Clock::System.now(), Duration::ZERO);
    }
}

/// Those who only look may not take the connections of those who reserve.
fn booking_config(settings: &Settings) -> booking::BookingConfig {
    booking::BookingConfig {
        max_availability_readers: settings.max_connections() / 2,
        trusted_proxies: settings.trusted_proxies.clone().unwrap_or_default(),
        guest_limits: settings.guests_bookings(),
        ..booking::BookingConfig::default()
    }
}

/// Readiness: the gateway hears.
fn hearing(gateway: &Gateway) -> (&'static str, Check) {
    let gateway = gateway.clone();
    let check: Check = Arc::new(move || {
        let hears = gateway.hears();
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
