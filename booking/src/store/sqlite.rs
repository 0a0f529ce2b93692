//! The store of one process: SQLite in a file, or in memory. One connection writes, so writers never wait for each other's
//! locks; readers have their own.

use std::{path::Path, time::Duration};

use sqlx::{
    Sqlite, SqlitePool, Transaction,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{StoreError, error::within};

mod audit;
mod bookings;
mod decisions;
mod events;
mod heartbeat;
mod insert;
mod inventory;
mod outbox;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

const READERS: u32 = 4;

/// Longest wait for a connection, or for another process that writes to the file.
const TURN_DEADLINE: Duration = Duration::from_millis(2_000);

/// Longest wait for one step.
const STEP_DEADLINE: Duration = Duration::from_millis(3_500);

/// A SQLite database that this crate's migrations have been run on.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, or creates it. A commit survives a loss of power.
    ///
    /// # Errors
    /// A file that cannot be opened, a migration that fails.
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(TURN_DEADLINE);
        let writer = migrated(options.clone()).await?;
        Ok(Self { writer, readers: pool(READERS).connect_lazy_with(options.read_only(true)) })
    }

    /// A database that ends with this value.
    ///
    /// # Errors
    /// A migration that fails.
    pub async fn in_memory() -> Result<Self, StoreError> {
        // Each connection to memory is a database of its own: all steps share the one.
        let writer = migrated(SqliteConnectOptions::new().in_memory(true).foreign_keys(true)).await?;
        Ok(Self { readers: writer.clone(), writer })
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await;
        begun.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    async fn step<T>(&self, step: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        within(STEP_DEADLINE, step).await
    }
}

async fn migrated(options: SqliteConnectOptions) -> Result<SqlitePool, StoreError> {
    let writer = pool(1).connect_with(options).await?;
    MIGRATIONS.run(&writer).await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(writer)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(TURN_DEADLINE)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}
