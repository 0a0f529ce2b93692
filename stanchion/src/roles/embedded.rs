//! Every role in one process, nothing else to set up.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use anyhow::{Context, Result};
use booking::{
    Booking,
    seed::seed_demo,
    store::{SharedStore, sqlite::SqliteStore},
};
use waitingroom::{
    bus::LocalBus,
    clock::Clock,
    engine::memory::MemoryEngine,
    http::operations,
    signal::local::LocalSignals,
    vitals::{Role, local::LocalBoard},
};

use super::{Line, hearing};
use crate::{
    commands::say,
    config::{DataDirectory, Settings},
    process::Process,
};

/// Runs every role until told to stop.
///
/// # Errors
/// A data directory, database or port that cannot be used.
pub async fn run(settings: Settings) -> Result<()> {
    for (given, name) in [
        (settings.redis_url.is_some(), "redis_url"),
        (settings.database_url.is_some(), "database_url"),
        (settings.nats_url.is_some(), "nats_url"),
    ] {
        if given {
            tracing::warn!("{name} has no effect on the embedded default; name a role to use it, see --help");
        }
    }
    let directory = DataDirectory::open(&settings)?;
    let _lock = directory.lock()?;
    let has_login = settings.jwt_secret.is_some();
    let settings = directory.secrets(settings)?;
    let clock = Clock::steady(Clock::System.now());
    let store: SharedStore = Arc::new(open(&directory).await?.with_clock(clock.clone()));
    if store.catalogue().await.context("the database")?.is_empty() {
        seed_demo(&store, clock.now()).await.context("the demo event")?;
    }
    serve(&settings, store, clock, has_login).await
}

/// The database of a data directory.
///
/// # Errors
/// A file that cannot be opened.
pub async fn open_store(directory: &DataDirectory) -> Result<SharedStore> {
    Ok(Arc::new(open(directory).await?))
}

async fn open(directory: &DataDirectory) -> Result<SqliteStore> {
    let file = directory.database();
    SqliteStore::open(&file).await.with_context(|| format!("cannot open {}", file.display()))
}

/// `has_login`: users' tokens are signed by somebody else, so none are handed out here.
async fn serve(settings: &Settings, store: SharedStore, clock: Clock, has_login: bool) -> Result<()> {
    let process = Process::bind(settings).await?;
    let lifecycle = &process.lifecycle;
    let line = Line {
        engine: Arc::new(MemoryEngine::new()),
        signals: Arc::new(LocalSignals::default()),
        board: Arc::new(LocalBoard::new(clock.clone())),
        node: Settings::node("gw")?,
        clock,
        redis: None,
    };
    let guests = settings.guests.unwrap_or(true);

    let backends = line.backends(settings, guests, store, Arc::new(LocalBus::default()))?;
    let booking = Booking::bind(backends, super::booking_config(settings)).await.context("booking")?;
    let booking_url = settings.booking_url.clone().unwrap_or_else(|| format!("http://{}", reachable(process.address)));
    let development_secret = settings.jwt_secret.clone().filter(|_| !has_login);
    let gateway = line.gateway(settings, lifecycle, booking_url, guests, development_secret)?;

    let mut checks = booking.checks();
    checks.push(hearing(&gateway));
    let router = gateway.router().merge(booking.router()).merge(operations(lifecycle.clone(), checks));
    line.report(lifecycle, &[Role::Gateway, Role::Booking, Role::QueueWorker], Some(&booking));
    booking.run(lifecycle);
    gateway.start().await?;
    lifecycle.spawn("worker", queue_worker::run(line.worker(settings), lifecycle.clone()));
    say(&format!("Stanchion is open at http://{}", for_people(process.address)))?;
    process.run(settings, router).await
}

/// The address as this process reaches itself.
fn reachable(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(host, address.port())
}

/// The address as a person would type it.
fn for_people(address: SocketAddr) -> String {
    let host = address.ip();
    if host.is_loopback() || host.is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_reaches_itself_wherever_it_listens() {
        for (bound, own) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("127.0.0.2:81", "127.0.0.2:81"),
            ("[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(reachable(bound.parse().unwrap()).to_string(), own);
        }
    }
}
