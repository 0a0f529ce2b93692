//! Every role in one process, nothing else to set up.

mod hosts;

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, bail};
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
    output::print_line,
    process::Process,
};

/// Runs every role until a shutdown signal.
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
            tracing::warn!(
                "{name} has no effect on the embedded default; name a role to use it, see --help"
            );
        }
    }

    if settings.dev_tokens && (settings.jwt_secret.is_some() || settings.jwt_jwks.is_some()) {
        bail!(
            "dev_tokens: users' tokens are signed elsewhere (jwt_secret, jwt_jwks); none can be handed out here"
        );
    }

    let directory = DataDirectory::open(&settings)?;
    let _lock = directory.lock()?;
    let settings = directory.secrets(settings)?;
    let clock = Clock::steady(Clock::System.now());
    let store: SharedStore = Arc::new(open(&directory).await?.with_clock(clock.clone()));

    if store.catalogue().await.context("the database")?.is_empty() {
        seed_demo(&store, clock.now())
            .await
            .context("the demo event")?;
    }

    serve(&settings, store, clock).await
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

async fn serve(settings: &Settings, store: SharedStore, clock: Clock) -> Result<()> {
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
    let router = AllowedHosts::new(settings.allowed_hosts.iter())?.guard(router);
    backends.spawn_reporter(
        lifecycle,
        &[Role::Gateway, Role::Booking, Role::QueueWorker],
        Some(&booking),
    );
    booking.run(lifecycle);
    gateway.start().await?;
    lifecycle.spawn(
        "worker",
        queue_worker::run(backends.worker(settings)?, lifecycle.clone()),
    );
    print_line(&format!(
        "listening on http://{}",
        display_address(process.address)
    ))?;
    process.run(settings, router).await
}

/// The address as a person would type it.
fn display_address(address: SocketAddr) -> String {
    let host = address.ip();
    if host.is_loopback() || host.is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}
