//! A database of each test's own.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use booking::store::{SharedStore, postgres::PostgresStore, sqlite::SqliteStore};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// Removes the files of a database at the end of its test.
pub(crate) struct Files(PathBuf);

impl Files {
    /// Of a database that is not there yet.
    pub(crate) fn new() -> Self {
        let name = format!("stanchion-{}.db", Uuid::new_v4().simple());
        Self(std::env::temp_dir().join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where whoever comes past the store finds it.
    pub(crate) fn url(&self) -> String {
        format!("sqlite://{}", self.0.display())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for ending in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{ending}", self.0.display()));
        }
    }
}

pub(crate) async fn sqlite_memory() -> SharedStore {
    Arc::new(SqliteStore::in_memory().await.unwrap())
}

pub(crate) async fn sqlite_file() -> (SharedStore, Files) {
    let file = Files::new();
    (
        Arc::new(SqliteStore::open(file.path()).await.unwrap()),
        file,
    )
}

pub(crate) async fn postgres() -> SharedStore {
    Arc::new(PostgresStore::open(&own_database().await, 8).await.unwrap())
}

/// The URL of a new, empty database.
pub(crate) async fn own_database() -> String {
    let server = std::env::var("STANCHION_TEST_DATABASE_URL").expect(
        "STANCHION_TEST_DATABASE_URL is not set: run `make test`, or tests/services/run COMMAND",
    );
    let name = format!("t{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap();

    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .unwrap();

    let (address, options) = server
        .split_once('?')
        .map_or((server.as_str(), None), |(a, o)| (a, Some(o)));
    let host_ends = address.find("://").map_or(0, |at| at + 3);
    let path = address[host_ends..]
        .find('/')
        .map_or(address.len(), |at| host_ends + at);
    let options = options
        .map(|options| format!("?{options}"))
        .unwrap_or_default();

    format!("{}/{name}{options}", &address[..path])
}
