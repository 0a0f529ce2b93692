//! The store of installations: PostgreSQL, also behind a pooler in transaction mode: every step is
//! one transaction, and nothing depends on the session. The pooler has to carry prepared statements
//! (PgBouncer: 1.21 with `max_prepared_statements`), and the first migration wants the server
//! itself.
//!
//! Users' requests wait for one statement that commits by itself: its sender may
//! vanish at any moment and leaves nothing open. See `connection` for what becomes of connections,
//! `session_limits` for what the server ends by itself, and `locked_zones` for rows that stay
//! locked.

use std::{
    collections::HashMap,
    io::ErrorKind,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sqlx::{
    Connection, PgConnection, PgPool, Postgres,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{sleep, timeout};
use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, EventId, UserId},
};

use self::{
    expiry::ExpirySweep, heartbeat::HeartbeatConnection, hold_resolution::ResolutionBatch,
    insert::InsertBatch, locked_zones::LockedZones, transitions::TransitionBatch,
};
use super::{
    AsOf, ExtendedHolds, Heartbeat, HoldResolution, InsertOutcome, Outage, StoreError,
    TransitionOutcome, TransitionRequest,
    connection::{Connections, UnfinishedPolicy},
    error::with_store_timeout,
    row::{OutboxBatchRow, UserSeatsRow},
    shared::Backend,
    statement::statement,
};
use crate::model::booking::{Booking, NewBooking};

mod expiry;
mod heartbeat;
mod hold_resolution;
mod insert;
mod locked_zones;
mod outbox;
mod session_limits;
mod sql;
mod transitions;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");

/// Longest wait for a connection from the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(1_000);

/// A connection that was used so recently is taken for alive.
const IDLE_PING_AFTER: Duration = Duration::from_secs(1);

/// Longest wait for a server that is not there yet.
const SERVER_PATIENCE: Duration = Duration::from_secs(30);

/// Longest wait for one attempt to connect.
const POSTGRES_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause between two attempts.
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(2);

/// Longest wait for the migrations of a start.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60);

/// Most seats at the pool that reads of users' bookings have, as a part of all: the rest is for
/// what changes something.
const READ_POOL_DIVISOR: u32 = 4;

const TIME: &str = concat!("SELECT ", sql::database_now!());

const SEATS_OF_USERS: &str = "SELECT user_id, CAST(sum(quantity) AS BIGINT) AS seats FROM bookings
    WHERE event_id = $1 AND user_id = ANY($2) AND status IN ('reserved', 'confirmed') GROUP BY user_id";

/// A pool of connections to a PostgreSQL database that this crate's migrations have been run on.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: Connections<Postgres>,
    /// For what users read of their bookings: it never takes a connection from those who reserve.
    readers: Connections<Postgres>,
    heartbeat: HeartbeatConnection,
    locked: Arc<LockedZones>,
}

impl PostgresStore {
    /// Connects with at most `connections`, at least two, and one for the heartbeat, and brings the
    /// schema up to date. Any number of instances may start at once.
    ///
    /// # Errors
    /// A URL that does not parse, a server that does not answer, a migration that fails.
    pub async fn open(url: &str, connections: u32) -> Result<Self, StoreError> {
        // No floats are read here, and poolers refuse startup parameters that they do not know.
        let options = PgConnectOptions::from_str(url)?
            .application_name("stanchion-booking")
            .extra_float_digits(None);
        wait_for_server(&options).await?;
        with_store_timeout(MIGRATION_TIMEOUT, migrate(options.clone())).await?;
        with_store_timeout(MIGRATION_TIMEOUT, session_limits::ensure(&options)).await?;

        let readers = (connections / READ_POOL_DIVISOR).max(1);
        let writers = connections.saturating_sub(readers).max(1);

        Ok(Self {
            pool: Connections::new(pool(options.clone(), writers), UnfinishedPolicy::Close),
            readers: Connections::new(pool(options.clone(), readers), UnfinishedPolicy::Close),
            heartbeat: HeartbeatConnection::new(options),
            locked: Arc::default(),
        })
    }
}

impl Backend for PostgresStore {
    type Database = Postgres;

    fn writer(&self) -> &Connections<Postgres> {
        &self.pool
    }

    fn reader(&self) -> &Connections<Postgres> {
        &self.pool
    }

    fn user_reader(&self) -> &Connections<Postgres> {
        &self.readers
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn database_time(&self) -> Result<Timestamp, StoreError> {
        let (now,) = self.pool.fetch_one::<(i64,)>(statement(TIME)).await?;
        Ok(Timestamp::from_millis(now))
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn insert_batch(&self, batch: &[NewBooking]) -> Result<Vec<InsertOutcome>, StoreError> {
        InsertBatch {
            pool: &self.pool,
            locked: &self.locked,
        }
        .run(batch)
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn apply_transition_batch(
        &self,
        batch: &[TransitionRequest],
        as_of: AsOf,
    ) -> Result<Vec<TransitionOutcome>, StoreError> {
        TransitionBatch {
            pool: &self.pool,
            locked: &self.locked,
            as_of,
        }
        .run(batch)
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn expire_batch(&self, as_of: AsOf, limit: u32) -> Result<Vec<Booking>, StoreError> {
        ExpirySweep {
            pool: &self.pool,
            locked: &self.locked,
            as_of,
            limit,
        }
        .run()
        .await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn resolve_batch(
        &self,
        event: EventId,
        holds: &[BookingId],
    ) -> Result<HashMap<BookingId, HoldResolution>, StoreError> {
        let pool = &self.pool;
        ResolutionBatch { pool, event }.run(holds).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn count_seats(
        &self,
        event: EventId,
        users: &[UserId],
    ) -> Result<Vec<UserSeatsRow>, StoreError> {
        let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let seats = statement(SEATS_OF_USERS).bind(event.uuid()).bind(&users);
        self.pool.fetch_all(seats).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn lease_outbox(
        &self,
        owner: Uuid,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboxBatchRow>, StoreError> {
        outbox::lease(&self.pool, owner, now, until, limit).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn delete_from_outbox(&self, batches: &[i64]) -> Result<(), StoreError> {
        outbox::delete(&self.pool, batches).await
    }
}

#[async_trait]
impl Heartbeat for PostgresStore {
    #[tracing::instrument(level = "debug", skip_all)]
    async fn write_heartbeat(&self) -> Result<Option<Outage>, StoreError> {
        self.heartbeat.write().await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn extend_holds(&self, outage: Outage) -> Result<ExtendedHolds, StoreError> {
        self.heartbeat.extend_holds(outage).await
    }
}

/// Does this URL parse? The message of the error does not repeat it.
///
/// # Errors
/// It does not.
pub fn check_url(url: &str) -> Result<(), StoreError> {
    let options = PgConnectOptions::from_str(url);
    options
        .map(drop)
        .map_err(|_| StoreError::Unavailable("the URL cannot be read".to_owned()))
}

/// Returns once the server takes a connection. A pool would wait without a word, and report its own
/// timeout at the end; here every failed attempt is logged, and the last one is the error.
async fn wait_for_server(options: &PgConnectOptions) -> Result<(), StoreError> {
    let patience_ends = Instant::now() + SERVER_PATIENCE;
    let server = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };

    loop {
        let attempt = timeout(
            POSTGRES_CONNECT_TIMEOUT,
            PgConnection::connect_with(options),
        )
        .await;
        let failure = match attempt {
            Ok(Ok(connection)) => {
                let _ = timeout(POSTGRES_CONNECT_TIMEOUT, connection.close()).await; // it is of no further use
                return Ok(());
            }
            Ok(Err(error)) if !may_pass(&error) => return Err(error.into()),
            Ok(Err(sqlx::Error::Io(error))) if error.kind() == ErrorKind::ConnectionRefused => {
                format!("connection refused by {server}")
            }
            Ok(Err(error)) => format!("{server}: {error}"),
            Err(_) => format!(
                "no answer from {server} in {} s",
                POSTGRES_CONNECT_TIMEOUT.as_secs()
            ),
        };

        let left = patience_ends.saturating_duration_since(Instant::now());
        if left < ATTEMPT_INTERVAL {
            return Err(StoreError::Unavailable(failure));
        }
        tracing::warn!(
            error = failure,
            seconds = left.as_secs(),
            "database not reachable; trying again for this long"
        );
        sleep(ATTEMPT_INTERVAL).await;
    }
}

/// May another attempt succeed by itself? A server that starts or stops says so (class 57P), one
/// that is full as well (53300).
fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("57P") || code == "53300"),
        _ => false,
    }
}

/// Runs what is missing. The look before spares a start behind a pooler the migrator's lock, which
/// is the session's and would stay with a connection of the pooler's, and so would the time that a
/// migration may take.
async fn migrate(options: PgConnectOptions) -> Result<(), StoreError> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options.clone())
        .await?;
    let is_current = is_current(&pool).await;
    pool.close().await;
    if is_current {
        return Ok(());
    }

    let pool = PgPoolOptions::new()
        .max_connections(1)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(session_limits::MIGRATION_SESSION)
                    .execute(connection)
                    .await
                    .map(drop)
            })
        });
    let pool = pool.connect_with(options).await?;
    MIGRATIONS
        .run(&pool)
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    pool.close().await;
    Ok(())
}

async fn is_current(pool: &PgPool) -> bool {
    let applied =
        sqlx::query_scalar::<_, i64>("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(pool);
    let Ok(applied) = applied.await else {
        return false;
    }; // a new database has no such table

    MIGRATIONS
        .iter()
        .all(|migration| applied.contains(&migration.version))
}

fn pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        // A connection that has been idle may be dead; found out now, nothing depends on it yet.
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > IDLE_PING_AFTER {
                    connection.ping().await?;
                }

                Ok(true)
            })
        })
        .connect_lazy_with(options)
}
