//! Rows and counters, out of PostgreSQL or SQLite.

use std::path::Path;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection, Row, SqliteConnection, sqlite::SqliteConnectOptions};

use super::in_time;
use crate::world::{Booking, Database, Status, Zone};

const ZONES: &str = "SELECT zone_id, CAST(capacity AS BIGINT), CAST(held AS BIGINT), CAST(confirmed AS BIGINT) FROM zones";
/// Rows of the status `void` are no bookings: `docs/postgresql.md` says so.
const BOOKINGS: &str = "SELECT booking_id, zone_id, user_id, CAST(quantity AS BIGINT), status, pass_jti, created_at_ms, \
                        expires_at_ms FROM bookings WHERE status <> 'void'";
const WAITING: &str = "SELECT CAST(COALESCE(sum(size), 0) AS BIGINT) FROM outbox";

/// The same look into either kind of database: their rows are different types.
macro_rules! read {
    ($connection:expr) => {{
        let mut database = Database::default();
        for row in sqlx::query(ZONES).fetch_all($connection).await? {
            database.zones.push(Zone {
                zone_id: row.try_get(0)?,
                capacity: row.try_get(1)?,
                held: row.try_get(2)?,
                confirmed: row.try_get(3)?,
            });
        }
        for row in sqlx::query(BOOKINGS).fetch_all($connection).await? {
            let status: String = row.try_get(4)?;
            database.bookings.push(Booking {
                booking_id: row.try_get(0)?,
                zone_id: row.try_get(1)?,
                user_id: row.try_get(2)?,
                quantity: row.try_get(3)?,
                status: Status::named(&status).with_context(|| format!("a booking is {status}"))?,
                pass_id: row.try_get(5)?,
                created_at_ms: row.try_get(6)?,
                expires_at_ms: row.try_get(7)?,
            });
        }
        let waiting: i64 = sqlx::query_scalar(WAITING).fetch_one($connection).await?;
        database.messages_waiting = u64::try_from(waiting).unwrap_or(0);
        database
    }};
}

/// Reads a PostgreSQL database at one moment.
///
/// # Errors
/// A database that does not answer in time.
pub async fn postgres(url: &str) -> Result<Database> {
    in_time("PostgreSQL", async {
        let mut connection = PgConnection::connect(url).await?;
        let mut transaction = connection
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        let database = read!(&mut *transaction);
        transaction.rollback().await?;
        connection.close().await?;
        Ok(database)
    })
    .await
}

/// Reads a SQLite file, whose process may run or have ended.
///
/// # Errors
/// A file that cannot be read.
pub async fn sqlite(file: &Path) -> Result<Database> {
    in_time("SQLite", async {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(false);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let mut transaction = connection.begin().await?;
        let database = read!(&mut *transaction);
        transaction.rollback().await?;
        connection.close().await?;
        Ok(database)
    })
    .await
}
