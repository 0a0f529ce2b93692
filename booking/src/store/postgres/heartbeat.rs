//! The heartbeat: one small write that can be made only while bookings can be, over a connection of
//! its own, so that a crowd that has all the others does not look like an outage.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::store::{ExtendedHolds, Outage, StoreError, heartbeat as rules};

/// Shorter than the wait of the caller: a statement that waits for a lock ends at the server before
/// its connection is given up.
const STATEMENT_TIMEOUT: &str = "SET statement_timeout = 1500";

/// Most holds of one statement.
const EXTENSION_BATCH: i64 = 5_000;

/// Names every table that a booking is written to: their locks and the rights to them are asked
/// for, and no row is touched. A gap becomes what is owed; one that comes before that has been
/// given back prolongs it. A clock that is set back starts again.
const WRITE_HEARTBEAT: &str = "
WITH time AS MATERIALIZED (
    SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT) AS now_ms
), new_bookings AS (
    INSERT INTO bookings (booking_id) SELECT NULL::uuid WHERE FALSE
), changed_bookings AS (
    UPDATE bookings SET status = status WHERE FALSE
), counted_seats AS (
    UPDATE zones SET held = held WHERE FALSE
), noted AS (
    INSERT INTO outbox (messages) SELECT NULL::text WHERE FALSE
)
UPDATE heartbeat SET
    beat_at_ms = CASE WHEN beat_at_ms > now_ms + $2 THEN now_ms ELSE GREATEST(beat_at_ms, now_ms) END,
    owed_from_ms = CASE WHEN beat_at_ms > 0 AND now_ms - beat_at_ms > $1
        THEN COALESCE(owed_from_ms, beat_at_ms) ELSE owed_from_ms END,
    owed_to_ms = CASE WHEN beat_at_ms > 0 AND now_ms - beat_at_ms > $1 THEN now_ms ELSE owed_to_ms END
FROM time
RETURNING owed_from_ms, owed_to_ms";

/// Gives a part of the holds what they are owed. Locked by their ids, as in every statement.
/// Returns how many were looked at, since another instance may have got to all of them, and the
/// events of those that changed.
const EXTEND_HOLDS: &str = "
WITH chosen AS MATERIALIZED (
    SELECT booking_id FROM bookings
    WHERE status = 'reserved' AND expires_at_ms > $1 AND created_at_ms < $2 AND prolonged_to_ms < $2 AND prolonged_ms < $3
    ORDER BY expires_at_ms LIMIT $4
), locked AS (
    SELECT bookings.booking_id,
        LEAST($2 - GREATEST($1, created_at_ms, prolonged_to_ms), $3 - prolonged_ms) AS given_ms
    FROM bookings JOIN chosen ON chosen.booking_id = bookings.booking_id
    WHERE status = 'reserved' AND prolonged_to_ms < $2 AND prolonged_ms < $3
    ORDER BY bookings.booking_id FOR NO KEY UPDATE OF bookings
), prolonged AS (
    UPDATE bookings SET expires_at_ms = expires_at_ms + given_ms, prolonged_ms = prolonged_ms + given_ms, prolonged_to_ms = $2
    FROM locked WHERE bookings.booking_id = locked.booking_id
    RETURNING event_id
)
SELECT (SELECT count(*) FROM chosen), (SELECT count(*) FROM prolonged), ARRAY(SELECT DISTINCT event_id FROM prolonged)";

/// A connection that is kept between two heartbeats; one whose heartbeat failed, or was dropped, is
/// not.
#[derive(Debug, Clone)]
pub(super) struct HeartbeatConnection {
    options: PgConnectOptions,
    idle: Arc<Mutex<Option<PgConnection>>>,
}

impl HeartbeatConnection {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self {
            options,
            idle: Arc::default(),
        }
    }

    async fn open(&self) -> Result<PgConnection, StoreError> {
        let mut opened = PgConnection::connect_with(&self.options)
            .await
            .map_err(unavailable)?;
        sqlx::query(STATEMENT_TIMEOUT)
            .execute(&mut opened)
            .await
            .map_err(unavailable)?;
        Ok(opened)
    }

    pub(super) async fn write(&self) -> Result<Option<Outage>, StoreError> {
        let mut idle = self.idle.lock().await;
        let mut connection = match idle.take() {
            Some(connection) => connection,
            None => self.open().await?,
        };

        let query = sqlx::query_as::<_, (Option<i64>, Option<i64>)>(WRITE_HEARTBEAT)
            .bind(millis(rules::OUTAGE_GAP));
        let owed = query
            .bind(millis(rules::CLOCK_SET_BACK))
            .fetch_optional(&mut connection)
            .await?;
        // Without its row the database does not count as reachable.
        let owed = owed.ok_or_else(|| StoreError::Corrupt("no heartbeat".into()))?;
        *idle = Some(connection);
        Ok(rules::outage(owed))
    }

    pub(super) async fn extend_holds(&self, outage: Outage) -> Result<ExtendedHolds, StoreError> {
        let mut idle = self.idle.lock().await;
        let mut connection = match idle.take() {
            Some(connection) => connection,
            None => self.open().await?,
        };

        // Planned each time, as the expiry is: a plan for an empty table reads all of it.
        let (seen, holds, events): (i64, i64, Vec<Uuid>) = sqlx::query_as(EXTEND_HOLDS)
            .bind(outage.from.millis())
            .bind(outage.to.millis())
            .bind(millis(rules::MAX_EXTENSION))
            .bind(EXTENSION_BATCH)
            .persistent(false)
            .fetch_one(&mut connection)
            .await?;
        if seen == 0 {
            sqlx::query(rules::CLEAR_OUTAGE)
                .bind(outage.to.millis())
                .execute(&mut connection)
                .await?;
        }
        *idle = Some(connection);
        let events = events.into_iter().map(Into::into).collect();
        Ok(ExtendedHolds {
            holds: holds.max(0) as u64,
            events,
            is_complete: seen == 0,
        })
    }
}

fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn millis(span: Duration) -> i64 {
    span.as_millis() as i64
}
