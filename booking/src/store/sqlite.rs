//! The store of one process: SQLite in a file, or in memory. One connection writes, so writers
//! never wait for each other's locks; readers have their own.

use std::{collections::HashMap, io, path::Path, time::Duration};

use async_trait::async_trait;
use sqlx::{
    Sqlite, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::fs::{self, OpenOptions};
use uuid::Uuid;
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    ids::{BookingId, EventId, UserId},
};

use super::{
    AsOf, ExtendedHolds, Heartbeat, HoldResolution, InsertOutcome, Outage, StoreError,
    TransitionOutcome, TransitionRequest,
    connection::{Connections, UnfinishedPolicy},
    row::{self, OutboxBatchRow, UserSeatsRow},
    shared::{Backend, with_timeout},
    statement::statement,
};
use crate::model::booking::{Booking, NewBooking};

mod heartbeat;
mod hold_resolution;
mod insert;
mod outbox;
mod transitions;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

const READ_CONNECTIONS: u32 = 4;

/// Longest wait for a connection, or for another process that writes to the file.
const LOCK_TIMEOUT: Duration = Duration::from_millis(2_000);

const SEATS_OF_USERS: &str = "SELECT user_id, CAST(sum(quantity) AS BIGINT) AS seats FROM bookings
    WHERE event_id = $1 AND user_id IN (SELECT value FROM json_each($2)) AND status IN ('reserved', 'confirmed') GROUP BY user_id";

/// A SQLite database that this crate's migrations have been run on.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: Connections<Sqlite>,
    readers: Connections<Sqlite>,
    /// What the database's time is: the file has no clock of its own.
    clock: Clock,
}

impl SqliteStore {
    /// Opens the file, or creates it, readable by its owner only. A commit survives a loss of power.
    ///
    /// # Errors
    /// A file that cannot be opened, a migration that fails.
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        create_if_missing(file)
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;

        let options = SqliteConnectOptions::new()
            .filename(file)
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
}

impl Backend for SqliteStore {
    type Database = Sqlite;

    fn writer(&self) -> &Connections<Sqlite> {
        &self.writer
    }

    fn reader(&self) -> &Connections<Sqlite> {
        &self.readers
    }

    fn user_reader(&self) -> &Connections<Sqlite> {
        &self.readers
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn database_time(&self) -> Result<Timestamp, StoreError> {
        Ok(self.clock.now())
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn insert_batch(&self, batch: &[NewBooking]) -> Result<Vec<InsertOutcome>, StoreError> {
        let mut transaction = self.begin().await?;
        let outcomes = insert::insert_batch(&mut transaction, batch).await?;
        transaction.commit().await?;
        Ok(outcomes)
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn apply_transition_batch(
        &self,
        batch: &[TransitionRequest],
        as_of: AsOf,
    ) -> Result<Vec<TransitionOutcome>, StoreError> {
        let mut transaction = self.begin().await?;
        let now = self.now(as_of);
        let outcomes = transitions::apply_batch(&mut transaction, batch, now).await?;
        transaction.commit().await?;
        Ok(outcomes)
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn expire_batch(&self, as_of: AsOf, limit: u32) -> Result<Vec<Booking>, StoreError> {
        let mut transaction = self.begin().await?;
        let now = self.now(as_of);
        let expired = transitions::expire_due(&mut transaction, now, limit).await?;
        transaction.commit().await?;
        Ok(expired)
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn resolve_batch(
        &self,
        event: EventId,
        holds: &[BookingId],
    ) -> Result<HashMap<BookingId, HoldResolution>, StoreError> {
        let mut transaction = self.begin().await?;
        let rows = hold_resolution::resolve(&mut transaction, event, holds).await?;
        transaction.commit().await?;
        row::hold_resolutions(rows)
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn count_seats(
        &self,
        event: EventId,
        users: &[UserId],
    ) -> Result<Vec<UserSeatsRow>, StoreError> {
        let users = serde_json::to_string(users).expect("names are plain data");
        let seats = statement(SEATS_OF_USERS).bind(event.uuid()).bind(users);
        self.readers.fetch_all(seats).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn lease_outbox(
        &self,
        owner: Uuid,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboxBatchRow>, StoreError> {
        if outbox::lease(&self.writer, owner, now, until).await? {
            outbox::oldest(&self.readers, limit).await
        } else {
            Ok(Vec::new())
        }
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn delete_from_outbox(&self, batches: &[i64]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        outbox::delete(&mut transaction, batches).await?;
        transaction.commit().await
    }
}

#[async_trait]
impl Heartbeat for SqliteStore {
    #[tracing::instrument(level = "debug", skip_all)]
    async fn write_heartbeat(&self) -> Result<Option<Outage>, StoreError> {
        with_timeout(async {
            // The time after the wait for the lock, or an outage would end before it did.
            let mut transaction = self.begin().await?;
            let outage = heartbeat::write(&mut transaction, self.clock.now()).await?;
            transaction.commit().await?;
            Ok(outage)
        })
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn extend_holds(&self, outage: Outage) -> Result<ExtendedHolds, StoreError> {
        with_timeout(heartbeat::extend_holds(&self.writer, outage)).await
    }
}

/// Creates the file with a mode of its own: SQLite would let everyone read it. The files beside it,
/// `-wal` and `-shm`, get the mode of the database from SQLite.
///
/// A file that is there is not opened: to close it would end the locks that this process has on it.
/// A link without a target gets its target.
async fn create_if_missing(file: &Path) -> io::Result<()> {
    let target = match fs::read_link(file).await {
        Ok(target) => file.parent().unwrap_or(Path::new("")).join(target),
        Err(_) => file.to_owned(),
    };

    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);

    match options.open(target).await {
        // The mode of a file that is there is its owner's choice.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
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
