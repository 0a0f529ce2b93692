//! One role a process, on Redis, PostgreSQL and NATS.

use std::sync::Arc;

use anyhow::{Context, Result};
use booking::{
    BookingConfig, BookingService,
    store::{SharedStore, postgres::PostgresStore},
};
use gateway::booking_api::HttpBookingApi;
use waitingroom_messaging::{
    bus::{NatsBus, nats::NatsConfig},
    process_registry::Role,
};
use waitingroom_server::http::ops_routes_with_liveness;

use super::{Backends, authenticator, subscription_check};
use crate::{config::Settings, process::Process};

/// Runs a gateway until a shutdown signal.
///
/// # Errors
/// A missing setting, a backend that does not answer, a port that is taken.
pub async fn gateway(settings: Settings) -> Result<()> {
    let booking_url = settings
        .required(&settings.booking_url, "booking_url")?
        .clone();
    settings.required(&settings.pass_secret, "pass_secret")?;

    let guests = settings.guests.unwrap_or(false);
    warn_ignored_settings(&settings);

    let authenticator = authenticator(&settings, guests)?;
    let backends = Backends::on_redis(&settings, "gw").await?;
    let process = Process::bind_role(&settings, gateway::metric_definitions::METRICS).await?;
    let booking = Arc::new(HttpBookingApi::new(&booking_url));
    let gateway = backends.gateway(&settings, &process.lifecycle, authenticator, booking, None)?;
    let checks = vec![
        backends.engine_check(),
        backends.clock_check(),
        subscription_check(&gateway),
    ];

    let warnings = backends.spawn_reporter(
        &settings,
        &process.lifecycle,
        &[Role::Gateway],
        None,
        Some(&gateway),
    );
    let router = gateway
        .router()
        .merge(gateway.booking_routes(&booking_url))
        .merge(ops_routes_with_liveness(
            process.lifecycle.clone(),
            checks,
            warnings,
            backends.liveness_check(),
        ));
    gateway.start().await?;
    process.log_start("gateway");

    process.run(&settings, router).await
}

/// Runs booking until a shutdown signal.
///
/// # Errors
/// As [`gateway()`].
pub async fn booking(settings: Settings) -> Result<()> {
    settings.required(&settings.pass_secret, "pass_secret")?;
    let guests = settings.guests.unwrap_or(false);

    warn_ignored_settings(&settings);
    let authenticator = authenticator(&settings, guests)?;
    let nats = settings.required(&settings.nats_url, "nats_url")?;
    let prefix = &settings.nats_prefix;
    let nats = NatsConfig {
        stream: prefix.to_uppercase(),
        prefix: prefix.clone(),
        replicas: settings.nats_replicas,
        ..NatsConfig::new(&**nats)
    };

    let store = open_store(&settings).await?;
    let backends = Backends::on_redis(&settings, "booking").await?;
    let bus = NatsBus::connect(nats).await.context("nats_url")?;
    let process = Process::bind_role(&settings, booking::metric_definitions::METRICS).await?;
    let config = BookingConfig {
        subject_prefix: prefix.clone(),
        ..super::booking_config(&settings)
    };
    let booking_backends =
        backends.booking_backends(&settings, authenticator, store, Arc::new(bus))?;
    let booking = BookingService::bind(booking_backends, config)
        .await
        .context("booking")?;
    let mut checks = booking.checks();

    checks.push(backends.clock_check());
    let warnings = backends.spawn_reporter(
        &settings,
        &process.lifecycle,
        &[Role::Booking],
        Some(&booking),
        None,
    );
    let router = booking.router().merge(ops_routes_with_liveness(
        process.lifecycle.clone(),
        checks,
        warnings,
        backends.liveness_check(),
    ));

    booking.run(&process.lifecycle);
    process.log_start("booking");

    process.run(&settings, router).await
}

/// Runs a queue worker until a shutdown signal.
///
/// # Errors
/// As [`gateway()`].
pub async fn queue_worker(settings: Settings) -> Result<()> {
    let backends = Backends::on_redis(&settings, "worker").await?;
    let process = Process::bind_role(&settings, queue_worker::metric_definitions::METRICS).await?;

    let warnings = backends.spawn_reporter(
        &settings,
        &process.lifecycle,
        &[Role::QueueWorker],
        None,
        None,
    );
    let checks = vec![backends.engine_check(), backends.clock_check()];
    let router = ops_routes_with_liveness(
        process.lifecycle.clone(),
        checks,
        warnings,
        backends.liveness_check(),
    );

    process.lifecycle.spawn(
        "worker",
        queue_worker::run(backends.worker(&settings)?, process.lifecycle.clone()),
    );
    process.log_start("queue-worker");
    process.run(&settings, router).await
}

/// Settings of the embedded default only.
fn warn_ignored_settings(settings: &Settings) {
    for (given, name) in [
        (settings.dev_tokens, "dev_tokens"),
        (!settings.allowed_hosts.is_empty(), "allowed_hosts"),
    ] {
        if given {
            tracing::warn!("{name} has effect on the embedded default only");
        }
    }
}

/// The database, its schema up to date.
///
/// # Errors
/// No URL, or no answer.
pub async fn open_store(settings: &Settings) -> Result<SharedStore> {
    let url = settings.required(&settings.database_url, "database_url")?;
    let store = PostgresStore::open(url, settings.database_connections)
        .await
        .context("database_url")?;
    Ok(Arc::new(store))
}
