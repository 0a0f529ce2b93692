//! Commands on the data: the schema, test data, reset.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use booking::{
    seed::{self, SeedSize},
    store::SharedStore,
};
use waitingroom_domain::clock::Clock;
use waitingroom_engine::memory::InMemoryEngine;

use crate::{
    cli::{Reset, Seed, SeedData},
    config::{DataDirectory, Settings},
    output::print_line,
    roles::{Backends, embedded, servers},
};

/// Brings the schema up to date. Opening a store does.
pub async fn migrate(settings: &Settings) -> Result<()> {
    store(settings).await?;
    print_line("the schema is up to date")
}

/// Writes test data and keeps existing data. A running process finds it by itself.
pub async fn seed(settings: &Settings, seed: &Seed) -> Result<()> {
    let store = store(settings).await?;
    let now = Clock::System.now();
    let added = match seed.data {
        SeedData::Demo => usize::from(seed::seed_demo(&store, now).await?),
        SeedData::LoadTest => {
            let sizes = SeedSize {
                seats: seed.seats_per_zone,
                ..SeedSize::default()
            };
            seed::seed_load_test(&store, sizes, now).await?
        }
    };

    print_line(&format!("{added} events added"))
}

/// Deletes every booking and empties every queue.
pub async fn reset(settings: &Settings, reset: &Reset) -> Result<()> {
    if settings.database_url.is_none() {
        let directory = DataDirectory::open(settings)?;
        let _lock = directory
            .lock()
            .context("the queues of a running process cannot be emptied from outside")?;
        let store = embedded::open_store(&directory).await?;
        let no_engine: waitingroom_engine::SharedEngine = Arc::new(InMemoryEngine::new());
        seed::reset(&store, &no_engine).await.context("reset")?;
    } else if reset.delete_all_bookings {
        let store = servers::open_store(settings).await?;
        let backends = Backends::on_redis(settings, "tool").await?;
        seed::reset(&store, backends.engine())
            .await
            .context("reset")?;
    } else {
        bail!("this deletes every booking; pass --delete-all-bookings to confirm");
    }
    print_line("all bookings are deleted and all queues are empty")
}

/// PostgreSQL if a URL is given, else the embedded default's file.
async fn store(settings: &Settings) -> Result<SharedStore> {
    match settings.database_url {
        Some(_) => servers::open_store(settings).await,
        None => embedded::open_store(&DataDirectory::open(settings)?).await,
    }
}
