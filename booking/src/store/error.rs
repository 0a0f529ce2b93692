//! How an operation of the store fails, and the names of constraints.

use std::time::Duration;

/// Why an operation of the store failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Nothing was changed: no connection, no lock, or the database rolled back.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The answer was lost: the change may be committed.
    #[error("the database did not answer: {0}")]
    Uncertain(String),
    /// A row was locked for too long; nothing was changed.
    #[error("a row is locked: {0}")]
    Locked(String),
    /// The value is not the one that the caller expects; nothing was changed.
    #[error("the value was changed meanwhile")]
    PreconditionFailed,
    /// A row of that id is there already.
    #[error("{0} is there already")]
    Exists(&'static str),
    /// A constraint refused one of the rows; nothing was changed.
    #[error("the database refused: {0}")]
    Rejected(String),
    /// The database holds something that this release does not understand.
    #[error("the database holds {0}")]
    Corrupt(String),
}

impl StoreError {
    /// True if the change may be committed all the same.
    pub fn may_be_committed(&self) -> bool {
        matches!(self, Self::Uncertain(_))
    }
}

/// Constraint names, as the migrations give them, and what they guard.
const PRIMARY_KEYS: [(&str, &str); 6] = [
    ("events_pkey", "event_id"),
    ("shows_pkey", "show_id"),
    ("zones_pkey", "zone_id"),
    ("events.event_id", "event_id"),
    ("shows.show_id", "show_id"),
    ("zones.zone_id", "zone_id"),
];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(error) => classify(error.as_ref()),
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
                Self::Unavailable(error.to_string())
            }

            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_) => Self::Corrupt(error.to_string()),
            _ => Self::Uncertain(error.to_string()),
        }
    }
}

fn classify(error: &dyn sqlx::error::DatabaseError) -> StoreError {
    let text = error.message().to_owned();
    if error.is_unique_violation() {
        // PostgreSQL names the constraint, SQLite the column in its message.
        let name = error.constraint().unwrap_or(&text);
        let taken = PRIMARY_KEYS
            .into_iter()
            .find(|(constraint, _)| name.contains(constraint));
        return taken.map_or(StoreError::Rejected(text), |(_, field)| {
            StoreError::Exists(field)
        });
    }

    if error.is_check_violation() || error.is_foreign_key_violation() {
        return StoreError::Rejected(text);
    }

    match error.code().as_deref() {
        // The database rolled back to resolve a deadlock; the same operation may succeed alone.
        Some("40001" | "40P01") => StoreError::Rejected(text),
        Some("55P03") => StoreError::Locked(text),
        // The disk failed under SQLite: what was written of a commit may be found by the next
        // start.
        Some(code) if code.len() < 5 && code.parse::<u32>().is_ok_and(|code| code & 0xff == 10) => {
            StoreError::Uncertain(text)
        }

        // The connection ended, by the server's will or its death: perhaps between the commit and
        // its report.
        Some(code) if CONNECTION_ENDED.iter().any(|class| code.starts_with(class)) => {
            StoreError::Uncertain(text)
        }
        _ => StoreError::Unavailable(text),
    }
}

/// Classes of PostgreSQL's codes: connection exceptions, operator intervention, internal errors.
const CONNECTION_ENDED: [&str; 3] = ["08", "57P", "XX"];

/// Runs an operation with a timeout.
///
/// # Errors
/// Those of the operation; [`StoreError::Uncertain`] after the timeout.
pub(super) async fn with_store_timeout<T>(
    timeout: Duration,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = || StoreError::Uncertain(format!("no answer in {} ms", timeout.as_millis()));
    tokio::time::timeout(timeout, operation)
        .await
        .unwrap_or_else(|_| Err(late()))
}
