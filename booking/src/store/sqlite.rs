//! The store of one process: SQLite in a file, or in memory. One connection writes, so writers
//! never wait for each other's locks; readers have their own.

use std::{path::Path, time::Duration};

use sqlx::{
    Sqlite, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use waitingroom_domain::clock::{Clock, Timestamp};

use super::{
    AsOf, StoreError,
    connection::{Connections, Transaction, UnfinishedPolicy},
    error::with_store_timeout,
};

mod audit;
mod bookings;
mod events;
mod heartbeat;
mod hold_resolution;
mod insert;
mod inventory;
mod outbox;
mod transitions;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

const READ_CONNECTIONS: u32 = 4;

/// Longest wait for a connection, or for another process that writes to the file.
const LOCK_TIMEOUT: Duration = Duration::from_millis(2_000);

/// Longest wait for one step.
const TRANSACTION_TIMEOUT: Duration = Duration::from_millis(3_500);

/// A SQLite database that this crate's migrations have been run on.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: Connections<Sqlite>,
    readers: Connections<Sqlite>,
    /// What the database's time is: the file has no clock of its own.
    clock: Clock,
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
            .busy_timeout(LOCK_TIMEOUT);

        let writer = migrated(pool(1).connect_with(options.clone()).await?).await?;
        let readers = pool(READ_CONNECTIONS).connect_lazy_with(options.read_only(true));
        Ok(Self {
            writer: Connections::new(writer, UnfinishedPolicy::Close),
            readers: Connections::new(readers, UnfinishedPolicy::Close),
            clock: Clock::System,
        })
    }

    /// The same with this clock instead of the host's: that of the process, which does not jump
    /// when the host's does.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// A database that ends with this value.
    ///
    /// # Errors
    /// A migration that fails.
    pub async fn in_memory() -> Result<Self, StoreError> {
        // Each connection to memory is a database of its own: all steps share the one, and a
        // transaction that a step left open is undone before the next. Without one that fails, and
        // changes nothing.
        let undo = pool(1).after_release(|connection, _| {
            Box::pin(async move {
                let _ = sqlx::raw_sql("ROLLBACK").execute(connection).await;
                Ok(true)
            })
        });

        let writer = migrated(
            undo.connect_with(
                SqliteConnectOptions::new()
                    .in_memory(true)
                    .foreign_keys(true),
            )
            .await?,
        );
        let writer = Connections::new(writer.await?, UnfinishedPolicy::Keep);
        Ok(Self {
            readers: writer.clone(),
            writer,
            clock: Clock::System,
        })
    }

    /// When the turn of a step that waited has come, that moment decides.
    fn now(&self, as_of: AsOf) -> Timestamp {
        as_of
            .fixed_ms()
            .map_or_else(|| self.clock.now(), Timestamp::from_millis)
    }

    /// A transaction that writes. Those before it have ended, even if their answers were lost.
    async fn begin(&self) -> Result<Transaction<Sqlite>, StoreError> {
        self.writer.begin("BEGIN IMMEDIATE").await
    }

    async fn with_timeout<T>(
        &self,
        step: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        with_store_timeout(TRANSACTION_TIMEOUT, step).await
    }
}

async fn migrated(writer: SqlitePool) -> Result<SqlitePool, StoreError> {
    MIGRATIONS
        .run(&writer)
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(writer)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(LOCK_TIMEOUT)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}
