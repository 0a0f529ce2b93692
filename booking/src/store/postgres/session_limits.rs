//! What the server ends by itself: statements, waits and transactions of those who are gone.
//!
//! Sessions get these settings from their role (`ALTER ROLE … IN DATABASE … SET`), since a setting
//! of the session would be lost, or stay with another client, behind a pooler in transaction mode,
//! and poolers refuse startup parameters. A role may set them for itself: booking does so at its
//! start if they are missing, and says so if it cannot. They are the second line: what must not
//! wait for long says so in its own transaction.

use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};

use crate::store::StoreError;

/// Name, and the value that is set if the session has none. Whatever an operator has chosen stays.
const SETTINGS: [(&str, &str); 7] = [
    ("statement_timeout", "2s"),
    ("lock_timeout", "1s"),
    ("idle_in_transaction_session_timeout", "2s"),
    ("tcp_user_timeout", "4s"),
    ("tcp_keepalives_idle", "2s"),
    ("tcp_keepalives_interval", "1s"),
    ("tcp_keepalives_count", "2"),
];

/// How many of them every session must have; the others are those of a network connection, and the
/// system's own if they are not set.
const REQUIRED_SETTINGS: usize = 3;

/// For migrations, which may take their time.
pub(super) const MIGRATION_SESSION: &str =
    "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0";

const MISSING_SETTINGS: &str =
    "SELECT name FROM pg_settings WHERE name = ANY($1) AND setting = '0'";

/// Any number of instances may start at once.
const SETTINGS_LOCK: &str =
    "SELECT pg_advisory_xact_lock(hashtext('stanchion settings ' || current_user))";

/// Looks whether a new session has the settings; gives them to the role if not, and looks again.
/// What is missing after that is logged with the remedy.
pub(super) async fn ensure(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = PgConnection::connect_with(options).await?;
    if missing(&mut connection).await?.is_empty() {
        let _ = connection.close().await; // nothing depends on it
        return Ok(());
    }

    let remedy = remedy(&mut connection).await?;
    let given = give(&mut connection, &remedy).await;
    let _ = connection.close().await; // nothing depends on it
    let mut fresh = PgConnection::connect_with(options).await?;
    let missing = missing(&mut fresh).await?;
    let _ = fresh.close().await; // nothing depends on it
    if !missing.is_empty() {
        let error = given.err().map(|error| error.to_string());
        tracing::warn!(
            missing = missing.join(", "),
            error,
            remedy = remedy.join("; "),
            "a new session of the database has no time limits: a host that vanishes may keep seats locked. Run the remedy as this role \
             or as a superuser; behind a pooler, have it open its connections anew (PgBouncer: RECONNECT)"
        );
    }

    Ok(())
}

async fn missing(connection: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    let needed: Vec<&str> = SETTINGS[..REQUIRED_SETTINGS]
        .iter()
        .map(|(name, _)| *name)
        .collect();
    Ok(sqlx::query_scalar(MISSING_SETTINGS)
        .bind(needed)
        .fetch_all(connection)
        .await?)
}

/// The statements that give the settings to this role in this database.
async fn remedy(connection: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    let names = "SELECT quote_ident(current_user), quote_ident(current_database())";
    let (role, database): (String, String) = sqlx::query_as(names).fetch_one(connection).await?;
    let statement =
        |(name, value)| format!("ALTER ROLE {role} IN DATABASE {database} SET {name} = '{value}'");
    Ok(SETTINGS.into_iter().map(statement).collect())
}

async fn give(connection: &mut PgConnection, remedy: &[String]) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query(SETTINGS_LOCK)
        .execute(&mut *transaction)
        .await?;
    for statement in remedy {
        // Names come quoted from the server, values from above.
        sqlx::raw_sql(AssertSqlSafe(statement.clone()))
            .execute(&mut *transaction)
            .await?;
    }

    transaction.commit().await
}
