//! Connections in the hands of one step: nothing that a step leaves behind reaches the next one.
//!
//! A pool takes back whatever still answers, also a connection in the middle of a transaction of
//! which the pool knows nothing. So a connection goes back only if its step has come to a known
//! end: a statement that was answered, or a transaction whose end was confirmed. A step that was
//! dropped, timed out or failed in any other way closes its connection, and the server undoes what
//! is open.
//!
//! A database in memory is its connection: it goes back in any case, and the pool rolls back what
//! is open on the way (`SqliteStore::in_memory`).

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{Database, Error, Pool, SqlSafeStr, pool::PoolConnection};
use tokio::runtime::Handle;

use super::{
    StoreError,
    statement::{Reads, Runs, Statement},
};

/// Longest wait for a connection's last answer on its way back: one that hangs must not keep its
/// place in the pool. As long as a step may take: a database that has become slow must not lose its
/// connections by that, since new ones take it even longer.
const RETURN_TIMEOUT: Duration = Duration::from_millis(3_500);

/// The only way to the connections of a pool.
#[derive(Debug)]
pub(super) struct Connections<DB: Database> {
    pool: Pool<DB>,
    /// What becomes of a connection whose step has no known end.
    on_unfinished: UnfinishedPolicy,
}

/// See [`Connections`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnfinishedPolicy {
    /// It is closed.
    Close,
    /// It is the database itself: the pool makes it usable again.
    Keep,
}

impl<DB: Database> Clone for Connections<DB> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            on_unfinished: self.on_unfinished,
        }
    }
}

impl<DB: Runs> Connections<DB> {
    pub(super) fn new(pool: Pool<DB>, on_unfinished: UnfinishedPolicy) -> Self {
        Self {
            pool,
            on_unfinished,
        }
    }

    /// A connection for one statement. If there is none, nothing was changed: that is worth telling
    /// from a lost answer.
    pub(super) async fn acquire(&self) -> Result<Connection<DB>, StoreError> {
        let pooled = self
            .pool
            .acquire()
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;

        Ok(Connection {
            pooled: Some(pooled),
            on_unfinished: self.on_unfinished,
            is_finished: false,
        })
    }

    pub(super) async fn execute(
        &self,
        statement: Statement<DB>,
    ) -> Result<DB::QueryResult, StoreError> {
        let mut connection = self.acquire().await?;
        let answer = statement.execute(&mut connection).await;
        connection.finish(answer)
    }

    pub(super) async fn fetch_all<R>(&self, statement: Statement<DB>) -> Result<Vec<R>, StoreError>
    where
        DB: Reads<R>,
    {
        let mut connection = self.acquire().await?;
        let answer = statement.fetch_all(&mut connection).await;
        connection.finish(answer)
    }

    pub(super) async fn fetch_optional<R>(
        &self,
        statement: Statement<DB>,
    ) -> Result<Option<R>, StoreError>
    where
        DB: Reads<R>,
    {
        let mut connection = self.acquire().await?;
        let answer = statement.fetch_optional(&mut connection).await;
        connection.finish(answer)
    }

    pub(super) async fn fetch_one<R>(&self, statement: Statement<DB>) -> Result<R, StoreError>
    where
        DB: Reads<R>,
    {
        let mut connection = self.acquire().await?;
        let answer = statement.fetch_one(&mut connection).await;
        connection.finish(answer)
    }

    /// Runs a text without parameters, of one statement or several, which is not prepared.
    pub(super) async fn fetch_all_raw<R>(&self, text: impl SqlSafeStr) -> Result<Vec<R>, StoreError>
    where
        DB: Reads<R>,
    {
        let mut connection = self.acquire().await?;
        let answer = DB::fetch_all_raw(&mut connection, text.into_sql_str()).await;
        let rows = connection.finish(answer)?;
        Ok(rows.iter().map(DB::read).collect::<Result<_, _>>()?)
    }

    /// Begins a transaction by this statement.
    pub(super) async fn begin(
        &self,
        statement: &'static str,
    ) -> Result<Transaction<DB>, StoreError> {
        let mut connection = self.acquire().await?;
        let begun = DB::execute_raw(&mut connection, statement).await;
        begun.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Transaction(connection))
    }
}

/// A connection until its step ends. Dropped before, it is closed.
#[derive(Debug)]
pub(super) struct Connection<DB: Database> {
    /// Until it is dropped.
    pooled: Option<PoolConnection<DB>>,
    on_unfinished: UnfinishedPolicy,
    is_finished: bool,
}

const PRESENT_UNTIL_DROP: &str = "a connection is given up when it is dropped";

impl<DB: Database> Connection<DB> {
    /// The answer to the step's only statement, which gives the connection back unless it leaves
    /// doubts about it.
    pub(super) fn finish<T>(mut self, answer: Result<T, Error>) -> Result<T, StoreError> {
        self.is_finished = answer
            .as_ref()
            .map_or_else(leaves_connection_usable, |_| true);
        Ok(answer?)
    }
}

/// Does this error end a statement and leave its connection as it was? One that is not known to do
/// so costs a connection.
fn leaves_connection_usable(error: &Error) -> bool {
    /// Beside violated constraints: a wait or a statement that took too long, and knots that the
    /// server undid.
    const CODES: [&str; 4] = ["55P03", "57014", "40001", "40P01"];
    match error {
        Error::RowNotFound => true,
        Error::Database(error) => {
            let refused = error.is_unique_violation() || error.is_check_violation();
            let refused = refused || error.is_foreign_key_violation();
            refused || error.code().is_some_and(|code| CODES.contains(&&*code))
        }
        _ => false,
    }
}

impl<DB: Database> Deref for Connection<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        self.pooled.as_ref().expect(PRESENT_UNTIL_DROP)
    }
}

impl<DB: Database> DerefMut for Connection<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.pooled.as_mut().expect(PRESENT_UNTIL_DROP)
    }
}

impl<DB: Database> Drop for Connection<DB> {
    fn drop(&mut self) {
        let Some(mut pooled) = self.pooled.take() else {
            return;
        };

        match (self.on_unfinished, self.is_finished, Handle::try_current()) {
            (UnfinishedPolicy::Keep, _, _) => drop(pooled),
            // What drops a connection by itself asks whether it answers, and waits for that as long
            // as it takes.
            (UnfinishedPolicy::Close, true, Ok(runtime)) => {
                drop(runtime.spawn(tokio::time::timeout(
                    RETURN_TIMEOUT,
                    pooled.return_to_pool(),
                )));
            }

            // Not in good order: that would send what is still unsent of an abandoned step.
            (UnfinishedPolicy::Close, _, _) => drop(pooled.detach()),
        }
    }
}

/// A transaction of several statements. Unless its end is confirmed, its connection is closed, and
/// the transaction with it.
#[derive(Debug)]
pub(super) struct Transaction<DB: Database>(Connection<DB>);

impl<DB: Runs> Transaction<DB> {
    pub(super) async fn execute(
        &mut self,
        statement: Statement<DB>,
    ) -> Result<DB::QueryResult, StoreError> {
        Ok(statement.execute(&mut self.0).await?)
    }

    pub(super) async fn fetch_all<R>(
        &mut self,
        statement: Statement<DB>,
    ) -> Result<Vec<R>, StoreError>
    where
        DB: Reads<R>,
    {
        Ok(statement.fetch_all(&mut self.0).await?)
    }

    pub(super) async fn fetch_optional<R>(
        &mut self,
        statement: Statement<DB>,
    ) -> Result<Option<R>, StoreError>
    where
        DB: Reads<R>,
    {
        Ok(statement.fetch_optional(&mut self.0).await?)
    }

    pub(super) async fn fetch_one<R>(&mut self, statement: Statement<DB>) -> Result<R, StoreError>
    where
        DB: Reads<R>,
    {
        Ok(statement.fetch_one(&mut self.0).await?)
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.end("COMMIT").await
    }

    /// For a transaction that turned out to have nothing to do.
    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        self.end("ROLLBACK").await
    }

    /// Any error closes the connection: whether the transaction is still open is not known.
    async fn end(mut self, statement: &'static str) -> Result<(), StoreError> {
        DB::execute_raw(&mut self.0, statement).await?;
        self.0.is_finished = true;
        Ok(())
    }
}
