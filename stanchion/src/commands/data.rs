//! Commands on the data: the schema, test data, reset.

use std::{fmt, sync::Arc};

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
    let target = Target::of(settings)?;
    target.open(settings).await?;
    print_line(&format!("the schema of {target} is up to date"))
}

/// Writes test data and keeps existing data. A running process finds it by itself.
pub async fn seed(settings: &Settings, seed: &Seed) -> Result<()> {
    let target = Target::of(settings)?;
    let store = target.open(settings).await?;
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

    print_line(&format!("{added} events added to {target}"))
}

/// Deletes every booking and empties every queue.
pub async fn reset(settings: &Settings, reset: &Reset) -> Result<()> {
    let target = Target::of(settings)?;
    match &target {
        Target::File(directory) => {
            let _lock = directory
                .lock()
                .context("the queues of a running process cannot be emptied from outside")?;
            let store = target.open(settings).await?;
            let no_engine: waitingroom_engine::SharedEngine = Arc::new(InMemoryEngine::new());
            seed::reset(&store, &no_engine).await.context("reset")?;
        }
        Target::Server(_) if !reset.delete_all_bookings => {
            bail!("this deletes every booking of {target}; pass --delete-all-bookings to confirm")
        }
        Target::Server(_) => {
            let store = target.open(settings).await?;
            let backends = Backends::on_redis(settings, "tool").await?;
            seed::reset(&store, backends.engine())
                .await
                .context("reset")?;
        }
    }

    print_line(&format!(
        "all bookings of {target} are deleted and all queues are empty"
    ))
}

/// The store that a tool works on; every result names it.
enum Target {
    /// PostgreSQL, if a URL is given.
    Server(String),
    /// Else the file of an embedded server that has run.
    File(DataDirectory),
}

impl Target {
    fn of(settings: &Settings) -> Result<Self> {
        match &settings.database_url {
            Some(url) => Ok(Self::Server(url.to_string())),
            None => DataDirectory::existing(settings).map(Self::File),
        }
    }

    async fn open(&self, settings: &Settings) -> Result<SharedStore> {
        match self {
            Self::Server(_) => servers::open_store(settings).await,
            Self::File(directory) => embedded::open_store(directory).await,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(url) => f.write_str(url),
            Self::File(directory) => write!(f, "{}", directory.absolute().display()),
        }
    }
}
