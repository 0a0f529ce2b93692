//! Statements that run on either database.
//!
//! sqlx says what a database can bind and read by bounds on the values, which each generic function
//! would have to repeat. [`Binds`] and [`Reads`] say the same of the database, so that a trait can
//! require them once: see `dialect::Dialect`.

use futures_util::{StreamExt, TryStreamExt, future::BoxFuture, stream::BoxStream};
use sqlx::{
    Database, Encode, Error, Executor, FromRow, IntoArguments, SqlSafeStr, SqlStr, Type,
    query::Query,
};

type PreparedQuery<DB> = Query<'static, DB, <DB as Database>::Arguments>;

/// A database that takes a `T` as a parameter.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known to take `{T}` as a parameter",
    note = "name the type among the bounds of `Dialect`"
)]
pub(super) trait Binds<T>: Database {
    fn bind(query: PreparedQuery<Self>, value: T) -> PreparedQuery<Self>;
}

#[diagnostic::do_not_recommend]
impl<'t, DB: Database, T: Encode<'t, DB> + Type<DB>> Binds<T> for DB {
    fn bind(query: PreparedQuery<Self>, value: T) -> PreparedQuery<Self> {
        query.bind(value)
    }
}

/// A database whose rows can be read as `R`.
#[diagnostic::on_unimplemented(
    message = "a row of `{Self}` is not known to be readable as `{R}`",
    note = "name the type among the bounds of `Dialect`"
)]
pub(super) trait Reads<R>: Database {
    fn read(row: &Self::Row) -> Result<R, Error>;
}

#[diagnostic::do_not_recommend]
impl<DB: Database, R: for<'r> FromRow<'r, DB::Row>> Reads<R> for DB {
    fn read(row: &DB::Row) -> Result<R, Error> {
        R::from_row(row)
    }
}

/// A database whose connections run statements: all that sqlx supports.
pub(super) trait Runs: Database {
    fn execute<'c>(
        on: &'c mut Self::Connection,
        query: PreparedQuery<Self>,
    ) -> BoxFuture<'c, Result<Self::QueryResult, Error>>;

    /// Runs a text without parameters, which is not prepared.
    fn execute_raw<'c>(
        on: &'c mut Self::Connection,
        text: &'static str,
    ) -> BoxFuture<'c, Result<Self::QueryResult, Error>>;

    /// The same, for its rows.
    fn fetch_all_raw<'c>(
        on: &'c mut Self::Connection,
        text: SqlStr,
    ) -> BoxFuture<'c, Result<Vec<Self::Row>, Error>>;

    fn fetch<'c>(
        on: &'c mut Self::Connection,
        query: PreparedQuery<Self>,
    ) -> BoxStream<'c, Result<Self::Row, Error>>;

    fn fetch_optional<'c>(
        on: &'c mut Self::Connection,
        query: PreparedQuery<Self>,
    ) -> BoxFuture<'c, Result<Option<Self::Row>, Error>>;
}

impl<DB: Database> Runs for DB
where
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    fn execute<'c>(
        on: &'c mut DB::Connection,
        query: PreparedQuery<DB>,
    ) -> BoxFuture<'c, Result<DB::QueryResult, Error>> {
        on.execute(query)
    }

    fn execute_raw<'c>(
        on: &'c mut DB::Connection,
        text: &'static str,
    ) -> BoxFuture<'c, Result<DB::QueryResult, Error>> {
        on.execute(sqlx::raw_sql(text))
    }

    fn fetch_all_raw<'c>(
        on: &'c mut DB::Connection,
        text: SqlStr,
    ) -> BoxFuture<'c, Result<Vec<DB::Row>, Error>> {
        on.fetch_all(sqlx::raw_sql(text))
    }

    fn fetch<'c>(
        on: &'c mut DB::Connection,
        query: PreparedQuery<DB>,
    ) -> BoxStream<'c, Result<DB::Row, Error>> {
        on.fetch(query)
    }

    fn fetch_optional<'c>(
        on: &'c mut DB::Connection,
        query: PreparedQuery<DB>,
    ) -> BoxFuture<'c, Result<Option<DB::Row>, Error>> {
        on.fetch_optional(query)
    }
}

/// A statement and its parameters. It is prepared once for each connection.
#[must_use = "a statement does nothing until it is run"]
pub(super) struct Statement<DB: Database>(PreparedQuery<DB>);

pub(super) fn statement<DB: Database>(text: impl SqlSafeStr) -> Statement<DB> {
    Statement(sqlx::query(text))
}

impl<DB: Runs> Statement<DB> {
    /// The next parameter.
    pub(super) fn bind<T>(self, value: T) -> Self
    where
        DB: Binds<T>,
    {
        Self(DB::bind(self.0, value))
    }

    pub(super) async fn execute(self, on: &mut DB::Connection) -> Result<DB::QueryResult, Error> {
        DB::execute(on, self.0).await
    }

    pub(super) async fn fetch_all<R>(self, on: &mut DB::Connection) -> Result<Vec<R>, Error>
    where
        DB: Reads<R>,
    {
        DB::fetch(on, self.0)
            .map(|row| DB::read(&row?))
            .try_collect()
            .await
    }

    pub(super) async fn fetch_optional<R>(self, on: &mut DB::Connection) -> Result<Option<R>, Error>
    where
        DB: Reads<R>,
    {
        let row = DB::fetch_optional(on, self.0).await?;
        row.map(|row| DB::read(&row)).transpose()
    }

    pub(super) async fn fetch_one<R>(self, on: &mut DB::Connection) -> Result<R, Error>
    where
        DB: Reads<R>,
    {
        self.fetch_optional(on).await?.ok_or(Error::RowNotFound)
    }
}
