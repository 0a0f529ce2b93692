//! The store of installations: PostgreSQL, also behind a pooler in transaction mode: every step is one transaction, and
//! nothing depends on the session. The pooler has to carry prepared statements (PgBouncer: 1.21 with
//! `max_prepared_statements`), and the first migration wants the server itself.

use std::{str::FromStr, time::Duration};

use sqlx::{
    Connection, PgPool, Postgres, Transaction,
    migrate::Migrator,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
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

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");

/// The server gives a statement up after this time, so that none is carried out long after its caller left.
const STATEMENT_TIMEOUT: &str = "SET statement_timeout = 2000";

/// Longest wait for a connection from the pool.
const ACQUIRE_DEADLINE: Duration = Duration::from_millis(1_000);

/// A connection that was used so recently is taken for alive.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// Longest wait for one step.
const STEP_DEADLINE: Duration = Duration::from_millis(3_500);

/// Longest wait for the migrations of a start.
const MIGRATION_DEADLINE: Duration = Duration::from_secs(60);

/// A pool of connections to a PostgreSQL database that this crate's migrations have been run on.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: PgPool,
    heartbeat: heartbeat::Line,
}

impl PostgresStore {
    /// Connects with at most `connections`, and one for the heartbeat, and brings the schema up to date. Any number of instances may start at once.
    ///
    /// # Errors
    /// A URL that does not parse, a server that does not answer, a migration that fails.
    pub async fn open(url: &str, connections: u32) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)?.application_name("stanchion-booking");
        within(MIGRATION_DEADLINE, migrate(options.clone())).await?;
        Ok(Self { heartbeat: heartbeat::Line::new(options.clone()), pool: pool(options, connections) })
    }

    /// A connection. Where there is none, nothing was changed: that is worth telling from a lost answer.
    async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.pool.acquire().await.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.pool.begin().await.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    async fn step<T>(&self, step: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        within(STEP_DEADLINE, step).await
    }
}

/// Runs what is missing. The look before spares a start behind a pooler the migrator's lock, which is the session's and
/// would stay with a connection of the pooler's.
async fn migrate(options: PgConnectOptions) -> Result<(), StoreError> {
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await?;
    if !is_current(&pool).await {
        MIGRATIONS.run(&pool).await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    }
    pool.close().await;
    Ok(())
}

async fn is_current(pool: &PgPool) -> bool {
    let applied = sqlx::query_scalar::<_, i64>("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(pool);
    let Ok(applied) = applied.await else { return false }; // a new database has no such table
    MIGRATIONS.iter().all(|migration| applied.contains(&migration.version))
}

fn pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_DEADLINE)
        .test_before_acquire(false)
        // A connection that has been idle may be dead; found out now, nothing depends on it yet.
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        // Not a startup parameter: poolers refuse those. Behind one, it stays with the server's connection, which is ours too.
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::query(STATEMENT_TIMEOUT).execute(connection).await.map(drop) })
        })
        .connect_lazy_with(options)
}
