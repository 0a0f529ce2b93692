//! The texts of shared queries that differ between the databases, side by side.

use sqlx::{Postgres, Sqlite, postgres::PgQueryResult, sqlite::SqliteQueryResult};
use uuid::Uuid;

use super::{
    row::{
        BookingRow, CheckpointRow, HoldRow, OutboxBatchRow, SummaryRow, UserSeatsRow, ZoneCountRow,
        audit::AuditRow,
        catalogue::{EventRow, ShowRow, ZoneRow},
    },
    statement::{Binds, Reads, Runs},
};

/// A database that runs the shared queries: the types of their parameters and rows, and the texts
/// that differ.
pub(super) trait Dialect:
    Runs
    + Binds<Uuid>
    + Binds<Option<Uuid>>
    + Binds<i32>
    + Binds<i64>
    + Binds<Option<i64>>
    + for<'t> Binds<&'t str>
    + Binds<String>
    + Binds<Option<String>>
    + Binds<Vec<u8>>
    + Reads<(i64,)>
    + Reads<(i64, Option<i64>)>
    + Reads<(String,)>
    + Reads<(String, i64)>
    + Reads<AuditRow>
    + Reads<BookingRow>
    + Reads<CheckpointRow>
    + Reads<EventRow>
    + Reads<HoldRow>
    + Reads<OutboxBatchRow>
    + Reads<ShowRow>
    + Reads<SummaryRow>
    + Reads<UserSeatsRow>
    + Reads<ZoneCountRow>
    + Reads<ZoneRow>
{
    /// Begins a transaction that writes.
    const BEGIN: &'static str;

    /// Begins a transaction that reads as of one moment.
    const BEGIN_SNAPSHOT: &'static str;

    /// The queue settings of event `$1`, which nothing else changes until the transaction ends.
    const LOCK_SETTINGS: &'static str;

    /// The appearance of event `$1`, in the same way.
    const LOCK_APPEARANCE: &'static str;

    /// Clears at most `$2` keys of attempts made before `$1`.
    const CLEAR_EXPIRED_KEYS: &'static str;

    fn rows_affected(result: &Self::QueryResult) -> u64;
}

/// The server ends a transaction whose next statement does not come, and any that waits for longer
/// than its caller would. In the transaction itself, since behind a pooler the session is shared;
/// with its beginning, since that costs no round trip.
macro_rules! begin {
    ($kind:literal) => {
        concat!(
            "BEGIN",
            $kind,
            "; SET LOCAL statement_timeout = 2000; SET LOCAL lock_timeout = 1000; \
             SET LOCAL idle_in_transaction_session_timeout = 2000"
        )
    };
}

impl Dialect for Postgres {
    const BEGIN: &'static str = begin!("");

    const BEGIN_SNAPSHOT: &'static str = begin!(" ISOLATION LEVEL REPEATABLE READ READ ONLY");

    const LOCK_SETTINGS: &'static str =
        "SELECT queue_settings FROM events WHERE event_id = $1 FOR NO KEY UPDATE";

    const LOCK_APPEARANCE: &'static str =
        "SELECT appearance FROM events WHERE event_id = $1 FOR NO KEY UPDATE";

    const CLEAR_EXPIRED_KEYS: &'static str =
        "UPDATE bookings SET idempotency_key = NULL, idempotency_fingerprint = NULL
    WHERE booking_id IN (SELECT booking_id FROM bookings
        WHERE idempotency_key IS NOT NULL AND created_at_ms < $1 LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)";

    fn rows_affected(result: &PgQueryResult) -> u64 {
        result.rows_affected()
    }
}

impl Dialect for Sqlite {
    /// Those before it have ended, even if their answers were lost.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";

    const BEGIN_SNAPSHOT: &'static str = "BEGIN";

    const LOCK_SETTINGS: &'static str = "SELECT queue_settings FROM events WHERE event_id = $1";

    const LOCK_APPEARANCE: &'static str = "SELECT appearance FROM events WHERE event_id = $1";

    const CLEAR_EXPIRED_KEYS: &'static str =
        "UPDATE bookings SET idempotency_key = NULL, idempotency_fingerprint = NULL
    WHERE booking_id IN (SELECT booking_id FROM bookings
        WHERE idempotency_key IS NOT NULL AND created_at_ms < $1 LIMIT $2)";

    fn rows_affected(result: &SqliteQueryResult) -> u64 {
        result.rows_affected()
    }
}
