//! From the first log line to the exit code: starts what every role shares, waits for the end,
//! drains.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail};
use axum::Router;
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{Signal, SignalKind, signal},
};
use waitingroom_domain::metric_definition::MetricDefinition;
use waitingroom_server::{
    http::{ServeLimits, Serves, serve, with_defaults},
    start_and_drain::{Lifecycle, PanicReceiver},
    telemetry,
};

use crate::{
    config::{Format, Settings},
    descriptors, output,
};

/// What finishing takes beyond the drain window before the rest is dropped.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that may wait to be accepted; the system's own limit (`net.core.somaxconn`) may be
/// lower. A client that finds no room tries again after a whole second, and a rush brings thousands
/// in a moment.
const LISTEN_BACKLOG: u32 = 16_384;

/// A process that is about to serve.
pub struct Process {
    /// Its tasks.
    pub lifecycle: Lifecycle,
    crashes: PanicReceiver,
    listener: TcpListener,
    admin_listener: Option<TcpListener>,
    /// Where it serves.
    pub address: SocketAddr,
    lame_duck: Duration,
}

/// How long a role on servers goes on serving after a shutdown signal: load balancers ask for
/// readiness every few seconds, and Kubernetes takes about one to withdraw an endpoint.
const DEFAULT_LAME_DUCK: Duration = Duration::from_secs(5);

/// Maximum concurrent connections of operators and probes.
const ADMIN_CONNECTIONS: usize = 64;

/// Starts logs as configured.
///
/// # Errors
/// A log filter that cannot be read.
pub fn start_logs(settings: &Settings) -> Result<()> {
    telemetry::start_logs(settings.log_format.into(), &settings.log)
        .map_err(|error| anyhow::anyhow!("log: {error}"))?;

    if settings.log_format == Format::Json {
        output::set_logs_are_json(true);
        std::panic::set_hook(Box::new(|panic| {
            tracing::error!(panic = %panic, "panic");
        }));
    }
    Ok(())
}

fn listen(address: SocketAddr, name: &str) -> Result<TcpListener> {
    bind(address).with_context(|| format!("{name}: cannot serve on {address}"))
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?; // a restart need not wait for the connections of its predecessor to be forgotten
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}

impl Process {
    /// As [`Process::bind`], for a role behind a proxy or a load balancer, which serves on for a while
    /// after the shutdown signal.
    ///
    /// # Errors
    /// A port that is taken.
    pub async fn bind_role(settings: &Settings, metrics: &[MetricDefinition]) -> Result<Self> {
        Ok(Self {
            lame_duck: settings.lame_duck(DEFAULT_LAME_DUCK),
            ..Self::bind(settings, &[metrics]).await?
        })
    }

    /// Takes the ports, and starts the metrics of the process's roles and the wait for the end.
    ///
    /// # Errors
    /// A port that is taken.
    pub async fn bind(settings: &Settings, metrics: &[&[MetricDefinition]]) -> Result<Self> {
        let engine = [waitingroom_engine::metric_definitions::METRICS];
        telemetry::start_metrics(&[&engine[..], metrics].concat());
        let listener = listen(settings.listen, "listen")?;
        let admin_listener = settings
            .admin_listen
            .map(|address| listen(address, "admin_listen"))
            .transpose()?;
        let address = listener.local_addr()?;
        let (lifecycle, crashes) = Lifecycle::new();
        let upkeep = lifecycle.clone();

        lifecycle.spawn("metrics upkeep", async move {
            while upkeep.sleep_or_drain(telemetry::UPKEEP).await {
                telemetry::upkeep();
            }
        });

        let lame_duck = settings.lame_duck(Duration::ZERO);
        Ok(Self {
            lifecycle,
            crashes,
            listener,
            admin_listener,
            address,
            lame_duck,
        })
    }

    /// Logs that a role is about to serve.
    pub fn log_start(&self, role: &str) {
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(role, version, address = %self.address, "listening");
    }

    /// Serves until a shutdown signal, then drains.
    ///
    /// # Errors
    /// A task crashed, or the drain took too long.
    pub async fn run(mut self, settings: &Settings, router: Router) -> Result<()> {
        let mut shutdown_signal = ShutdownSignals::listen()?;
        let router = with_defaults(router);
        let (public, admin) = limits(settings);

        if let Some(listener) = self.admin_listener.take() {
            let serving = serve(listener, router.clone(), admin, self.lifecycle.clone());
            self.lifecycle.spawn("accept operators", serving);
        }

        self.lifecycle.spawn(
            "accept",
            serve(self.listener, router, public, self.lifecycle.clone()),
        );

        let mut crashed = tokio::select! {
            () = shutdown_signal.next() => None,
            task = self.crashes.next() => Some(task),
        };

        if crashed.is_none() && !self.lame_duck.is_zero() {
            tracing::info!(
                seconds = self.lame_duck.as_secs(),
                "shutdown signal; still serving while load balancers withdraw this node"
            );
            self.lifecycle.begin_lame_duck();
            tokio::select! {
                () = tokio::time::sleep(self.lame_duck) => {}
                task = self.crashes.next() => crashed = Some(task),
                () = shutdown_signal.next() => bail!("second shutdown signal; exiting without draining"),
            }
        }

        tracing::info!("draining");
        let (began, timeout) = (
            std::time::Instant::now(),
            settings.drain_window() + SHUTDOWN_TIMEOUT,
        );
        let drained = tokio::select! {
            drained = self.lifecycle.drain_and_join(timeout) => drained,
            () = shutdown_signal.next() => bail!("second shutdown signal; exiting without draining"),
        };

        match (crashed, drained) {
            (Some(task), _) => bail!("the task '{task}' crashed"),
            (None, false) => bail!(
                "some work did not finish in {} s and was dropped",
                timeout.as_secs()
            ),
            (None, true) => {
                let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(duration_ms, "drained");
                Ok(())
            }
        }
    }
}

/// Of the public listener, and of the one for operators.
fn limits(settings: &Settings) -> (ServeLimits, ServeLimits) {
    let defaults = ServeLimits::default();
    let wanted = settings.max_connections;
    let available = descriptors::available();
    let connections = wanted.min(available.connections);

    if wanted > available.connections {
        let limit = available.connections;
        tracing::warn!(
            wanted,
            limit,
            "max connections reduced by open-file limit; raise `ulimit -n`"
        );
    }

    // Half of what is for others at most is for connections beyond the limit, and for those of
    // operators.
    let spare = defaults.spare.min(available.others / 6).max(1);
    let has_admin = settings.admin_listen.is_some();
    let public = ServeLimits {
        serves: if has_admin {
            Serves::Visitors
        } else {
            Serves::Everything
        },
        connections,
        spare,
        reserve: defaults.reserve.min(spare),
        connections_per_address: settings.max_connections_per_address,
        trusted_proxies: settings.trusted_proxies.clone(),
        ..defaults.clone()
    };

    let admin = ServeLimits {
        serves: Serves::Operators,
        connections: ADMIN_CONNECTIONS.min(spare),
        spare: 1,
        reserve: 2,
        first_byte_timeout: Duration::from_secs(2),
        ..defaults
    };
    (public, admin)
}

/// SIGTERM and SIGINT, each as often as it comes.
struct ShutdownSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl ShutdownSignals {
    fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns at the next one.
    async fn next(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }
}
