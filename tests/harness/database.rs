//! A PostgreSQL database of one test.

use std::str::FromStr;

use sqlx::{
    AssertSqlSafe, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// See the module's documentation.
#[derive(Debug)]
pub struct Database {
    /// Its URL.
    pub url: String,
    name: String,
    server: String,
    pool: PgPool,
}

impl Database {
    /// Creates one on this server.
    pub async fn create(server: &str, name: &str) -> Self {
        run(server, format!("CREATE DATABASE {name}")).await;
        let options = PgConnectOptions::from_str(server)
            .expect("the URL of a PostgreSQL")
            .database(name);
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .connect_lazy_with(options);

        Self {
            url: renamed(server, name),
            name: name.to_owned(),
            server: server.to_owned(),
            pool,
        }
    }

    /// Its server's `host:port`.
    pub fn address(&self) -> String {
        let options = PgConnectOptions::from_str(&self.url).expect("the URL of a PostgreSQL");
        format!("{}:{}", options.get_host(), options.get_port())
    }

    /// The number that a query answers with.
    pub async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query)
            .fetch_one(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// The texts that a query answers with, one in a row.
    pub async fn texts(&self, query: &'static str) -> Vec<String> {
        sqlx::query_scalar(query)
            .fetch_all(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// Removes it, together with its connections.
    pub async fn remove(&self) {
        run(
            &self.server,
            format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name),
        )
        .await;
    }
}

async fn run(server: &str, statement: String) {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect(server)
        .await
        .expect("PostgreSQL answers");
    sqlx::query(AssertSqlSafe(statement.clone()))
        .execute(&pool)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
    pool.close().await;
}

/// The URL at another port of this machine.
pub fn at_port(url: &str, port: u16) -> String {
    let mut url = reqwest::Url::parse(url).expect("the URL of a PostgreSQL");
    url.set_host(Some("127.0.0.1")).expect("a URL with a host");
    url.set_port(Some(port)).expect("a URL with a port");
    url.into()
}

/// The URL with another database.
fn renamed(url: &str, name: &str) -> String {
    let (address, parameters) = url
        .split_once('?')
        .map_or((url, None), |(a, p)| (a, Some(p)));
    let (address, _) = address.rsplit_once('/').expect("a URL names a database");
    match parameters {
        Some(parameters) => format!("{address}/{name}?{parameters}"),
        None => format!("{address}/{name}"),
    }
}
