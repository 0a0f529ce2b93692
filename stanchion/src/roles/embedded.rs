//! Every role in one process, nothing else to set up.

mod hosts;

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use booking::{
    BookingService,
    seed::seed_demo,
    store::{SharedStore, sqlite::SqliteStore},
};
use gateway::booking_api::{HttpBookingApi, InProcessBookingApi, SharedBookingApi};
use waitingroom_domain::clock::Clock;
use waitingroom_engine::memory::InMemoryEngine;
use waitingroom_messaging::{
    bus::InMemoryBus,
    process_registry::{Role, memory::InMemoryProcessRegistry},
    signal::memory::InMemorySignals,
};
use waitingroom_server::http::{ops_routes, with_defaults};

use self::hosts::AllowedHosts;
use super::{Backends, authenticator, subscription_check};
use crate::{
    config::{DataDirectory, Settings},
    output::{self, print_line},
    process::Process,
};

/// Runs every role until a shutdown signal.
///
/// # Errors
/// A data directory, database or port that cannot be used.
pub async fn run(settings: Settings) -> Result<()> {
    let directory = DataDirectory::create(&settings)?;
    let _lock = directory.lock()?;
    let settings = directory.secrets(settings)?;
    let clock = Clock::steady(Clock::System.now());
    let store: SharedStore = Arc::new(open(&directory).await?.with_clock(clock.clone()));

    if store.catalogue().await.context("the database")?.is_empty() {
        seed_demo(&store, clock.now())
            .await
            .context("the demo event")?;
    }

    serve(&settings, store, clock, &directory).await
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
    SqliteStore::open(&file)
        .await
        .with_context(|| format!("cannot open {}", file.display()))
}

async fn serve(
    settings: &Settings,
    store: SharedStore,
    clock: Clock,
    directory: &DataDirectory,
) -> Result<()> {
    let process = Process::bind(
        settings,
        &[
            gateway::metric_definitions::METRICS,
            booking::metric_definitions::METRICS,
            queue_worker::metric_definitions::METRICS,
        ],
    )
    .await?;
    let lifecycle = &process.lifecycle;
    let backends = Backends {
        engine: Arc::new(InMemoryEngine::new()),
        signals: Arc::new(InMemorySignals::default()),
        registry: Arc::new(InMemoryProcessRegistry::new(clock.clone())),
        node: Settings::node("gw")?,
        clock,
        redis: None,
    };
    let authenticator = authenticator(settings, settings.guests.unwrap_or(true))?;

    let booking_backends = backends.booking_backends(
        settings,
        authenticator.clone(),
        store,
        Arc::new(InMemoryBus::default()),
    )?;
    let booking = BookingService::bind(booking_backends, super::booking_config(settings))
        .await
        .context("booking")?;
    // Not by way of the listener: who has a pass must get seats also when every connection is
    // taken.
    let bookings: SharedBookingApi = match &settings.booking_url {
        Some(url) => Arc::new(HttpBookingApi::new(url)),
        None => Arc::new(InProcessBookingApi::new(with_defaults(booking.router()))),
    };
    let development_secret = settings.jwt_secret.clone().filter(|_| settings.dev_tokens);
    let gateway = backends.gateway(
        settings,
        lifecycle,
        authenticator,
        bookings,
        development_secret,
    )?;

    let mut checks = booking.checks();
    checks.push(subscription_check(&gateway));
    let router = gateway
        .router()
        .merge(booking.router())
        .merge(ops_routes(lifecycle.clone(), checks));
    let hosts = AllowedHosts::new(settings.allowed_hosts.iter()).context("allowed_hosts")?;
    let router = hosts.guard(router);
    backends.spawn_reporter(
        settings,
        lifecycle,
        &[Role::Gateway, Role::Booking, Role::QueueWorker],
        Some(&booking),
        Some(&gateway),
    );
    booking.run(lifecycle);
    gateway.start().await?;
    lifecycle.spawn(
        "worker",
        queue_worker::run(backends.worker(settings)?, lifecycle.clone()),
    );
    announce(settings, process.address, directory)?;
    process.run(settings, router).await
}

/// Says where the pages are and where the data is, as a log line or for a person.
fn announce(settings: &Settings, address: SocketAddr, directory: &DataDirectory) -> Result<()> {
    let page = format!("http://{}", display_address(address));
    let data = directory.absolute();
    let version = env!("CARGO_PKG_VERSION");
    let guests = settings.guests.unwrap_or(true);

    if !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            guests,
            "the embedded default is open to other machines, over plain HTTP; put a proxy with TLS in front, or listen on 127.0.0.1"
        );
    }

    if output::logs_are_json() {
        tracing::info!(
            role = "embedded",
            version,
            %address,
            page,
            operators = format!("{page}/admin"),
            data = %data.display(),
            "listening"
        );
        return Ok(());
    }

    let mut lines = format!(
        "listening on {page}\n  operators  {page}/admin\n  data       {}\n  version    {version}",
        data.display()
    );
    if guests {
        // As it was started, so that the line can be copied.
        let command = std::env::args().next();
        let command = command.as_deref().unwrap_or("stanchion");
        let url = match address.port() {
            DEFAULT_PORT => String::new(),
            _ => format!(" --url {page}"),
        };
        lines.push_str(&format!("\n  a crowd    {command} demo-crowd{url}"));
    }
    print_line(&lines)
}

/// That of `--listen` and of `demo-crowd --url`.
const DEFAULT_PORT: u16 = 8080;

/// The address as a person would type it.
fn display_address(address: SocketAddr) -> String {
    let host = address.ip();
    if host.is_loopback() || host.is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}
