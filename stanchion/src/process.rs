//! From the first log line to the exit code: starts what every role shares, waits for the end, drains.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail};
use axum::Router;
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{SignalKind, signal},
};
use waitingroom::{
    http::{ServeLimits, complete, serve},
    lifecycle::{Crashes, Lifecycle},
    telemetry,
};

use crate::{config::Settings, descriptors::room_for_connections};

/// What finishing takes beyond the drain window before the rest is dropped.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections that may wait to be accepted; the system's own limit (`net.core.somaxconn`) may be lower. A client that finds no
/// room tries again after a whole second, and a rush brings thousands in a moment.
const BACKLOG: u32 = 16_384;

/// A process that is about to serve.
pub struct Process {
    /// Its tasks.
    pub lifecycle: Lifecycle,
    crashes: Crashes,
    listener: TcpListener,
    /// Where it serves.
    pub address: SocketAddr,
}

/// Starts logs as configured.
///
/// # Errors
/// A log filter that cannot be read.
pub fn start_logs(settings: &Settings) -> Result<()> {
    let format = settings.log_format.map_or(telemetry::LogFormat::Human, Into::into);
    telemetry::start_logs(format, settings.log()).map_err(|error| anyhow::anyhow!("log: {error}"))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?; // a restart need not wait for the connections of its predecessor to be forgotten
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Process {
    /// Takes the port, and starts metrics and the wait for the end.
    ///
    /// # Errors
    /// A port that is taken.
    pub async fn bind(settings: &Settings) -> Result<Self> {
        telemetry::start_metrics();
        let address = settings.listen();
        let listener = listen(address).with_context(|| format!("listen: cannot serve on {address}"))?;
        let address = listener.local_addr()?;
        let (lifecycle, crashes) = Lifecycle::new();
        let upkeep = lifecycle.clone();
        lifecycle.spawn("metrics upkeep", async move {
            while upkeep.pause(telemetry::UPKEEP).await {
                telemetry::upkeep();
            }
        });
        Ok(Self { lifecycle, crashes, listener, address })
    }

    /// Serves until told to stop, then drains.
    ///
    /// # Errors
    /// Where a task crashed, or the drain took too long.
    pub async fn run(mut self, settings: &Settings, router: Router) -> Result<()> {
        let limits = limits(settings);
        let serving = serve(self.listener, complete(router), limits, self.lifecycle.clone());
        self.lifecycle.spawn("accept", serving);
        let crashed = tokio::select! {
            ended = told_to_stop() => { ended?; None }
            task = self.crashes.next() => Some(task),
        };
        tracing::info!("draining");
        let patience = settings.drain_window() + PATIENCE;
        let drained = tokio::select! {
            drained = self.lifecycle.finish(patience) => drained,
            ended = told_to_stop() => { ended?; bail!("told to stop twice; not waiting for the drain") }
        };
        match (crashed, drained) {
            (Some(task), _) => bail!("the task '{task}' crashed"),
            (None, false) => bail!("some work did not finish in {} s and was dropped", patience.as_secs()),
            (None, true) => Ok(()),
        }
    }
}

fn limits(settings: &Settings) -> ServeLimits {
    let (wanted, room) = (settings.max_connections(), room_for_connections());
    if wanted > room {
        tracing::warn!(wanted, room, "file descriptors limit the connections; raise `ulimit -n`");
    }
    ServeLimits {
        connections: wanted.min(room),
        connections_per_address: settings.max_connections_per_address,
        trusted_proxies: settings.trusted_proxies.clone().unwrap_or_default(),
        ..ServeLimits::default()
    }
}

/// Returns at SIGTERM or SIGINT.
async fn told_to_stop() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    Ok(())
}
