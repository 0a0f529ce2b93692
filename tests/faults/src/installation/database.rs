//! PostgreSQL of an installation: alone or with a standby, behind PgBouncer or not.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use sqlx::{Connection, PgConnection};
use stanchion_tests::{postgres_server::PostgresServer, process::Signal};
use tokio::time::{Instant, sleep};

use super::Shape;
use crate::{
    edge::{Edge, Mode},
    pgbouncer::PgBouncer,
    processes,
};

/// How long a server may take to be back.
const BACK: Duration = Duration::from_secs(40);
/// What the standby is called.
const STANDBY: &str = "standby";

/// What kind of PostgreSQL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PostgresKind {
    /// One server.
    #[default]
    Alone,
    /// A standby follows; commits do not wait for it.
    Asynchronous,
    /// A standby follows; each commit waits for it.
    Synchronous,
}

/// See the module's documentation.
pub struct Database {
    server: PostgresServer,
    standby: Option<PostgresServer>,
    /// Over which the standby follows.
    replication: Option<Edge>,
    /// The standby has taken over.
    is_promoted: bool,
    /// What stands before it.
    pub bouncer: Option<PgBouncer>,
}

impl Database {
    /// Starts it, with its data in a folder.
    ///
    /// # Errors
    /// A standby that does not follow; a PgBouncer that does not start.
    pub async fn start(shape: Shape, folder: &Path, data: &Path) -> Result<Self> {
        let server = PostgresServer::start(data).await;
        let bouncer = match shape.pgbouncer {
            Some(pooling) => Some(PgBouncer::start(folder, server.port(), pooling).await?),
            None => None,
        };
        let mut database = Self {
            server,
            standby: None,
            replication: None,
            is_promoted: false,
            bouncer,
        };

        match shape.stores.postgres {
            PostgresKind::Alone => {}
            PostgresKind::Asynchronous => database.follow(data, "async").await?,
            PostgresKind::Synchronous => database.follow(data, "sync").await?,
        }

        Ok(database)
    }

    async fn follow(&mut self, data: &Path, wanted: &str) -> Result<()> {
        let edge = Edge::to(&[self.server.port()], 0).await?;
        self.standby = Some(PostgresServer::standby(edge.port, &data.join(STANDBY), STANDBY).await);
        self.replication = Some(edge);

        let mut connection = self.connect().await?;
        if wanted == "sync" {
            let names = format!("ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'");
            sqlx::raw_sql(sqlx::AssertSqlSafe(names))
                .execute(&mut connection)
                .await?;
            sqlx::raw_sql("SELECT pg_reload_conf()")
                .execute(&mut connection)
                .await?;
        }

        let until = Instant::now() + BACK;
        loop {
            let state = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'";
            let state: Option<String> = sqlx::query_scalar(state)
                .fetch_optional(&mut connection)
                .await?;
            if state.as_deref() == Some(wanted) {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("the standby does not follow: {state:?}");
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Who serves now.
    fn primary(&self) -> &PostgresServer {
        self.standby
            .as_ref()
            .filter(|_| self.is_promoted)
            .unwrap_or(&self.server)
    }

    /// Where PostgreSQL listens, or PgBouncer before it.
    pub fn port(&self) -> u16 {
        self.bouncer
            .as_ref()
            .map_or_else(|| self.primary().port(), |bouncer| bouncer.port)
    }

    /// The database itself, past every edge.
    pub fn url(&self) -> String {
        self.primary().url.clone()
    }

    /// A connection to the database itself.
    ///
    /// # Errors
    /// A database that does not answer.
    pub async fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.url()).await?)
    }

    /// Sends PostgreSQL's processes a signal: the server and its sessions.
    pub fn signal(&self, signal: Signal) {
        processes::signal_tree(self.server.pid(), signal);
    }

    /// The standby hears nothing from now on.
    pub fn stop_replication(&self) {
        if let Some(edge) = &self.replication {
            edge.set(Mode::HalfOpen);
        }
    }

    /// Kills PostgreSQL with its sessions.
    pub async fn kill(&mut self) {
        self.signal(Signal::Kill);
        self.server.stop(Signal::Kill).await;
    }

    /// Starts PostgreSQL again after its end; it recovers.
    ///
    /// # Errors
    /// A server that is not back in time.
    pub async fn start_again(&mut self) -> Result<()> {
        let lock = self.server.folder().join("postgres").join("postmaster.pid");
        let until = Instant::now() + BACK;

        loop {
            let _ = fs::remove_file(&lock); // of the server that was killed
            if self.server.try_again().await {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("PostgreSQL is not back");
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    /// The standby takes over; its port. Its clients have to be led there.
    ///
    /// # Errors
    /// A standby that does not answer, or goes on following.
    pub async fn promote(&mut self) -> Result<u16> {
        let standby = self.standby.as_ref().context("a standby")?;
        drop(self.replication.take()); // what is on its way does not arrive

        let mut connection = PgConnection::connect(&standby.url).await?;
        let promoted: bool = sqlx::query_scalar("SELECT pg_promote()")
            .fetch_one(&mut connection)
            .await?;

        if !promoted {
            bail!("the standby does not take over");
        }

        let port = standby.port();
        self.is_promoted = true;
        Ok(port)
    }

    /// Kills one session of booking, if there is one, and waits for what follows: PostgreSQL ends
    /// all others and recovers.
    ///
    /// # Errors
    /// A database that is not back in time.
    pub async fn kill_a_session(&self) -> Result<()> {
        let mut witness = self.connect().await?;
        let one = "SELECT pid FROM pg_stat_activity WHERE application_name = 'stanchion-booking' ORDER BY random() LIMIT 1";
        let Some(pid) = sqlx::query_scalar::<_, i32>(one)
            .fetch_optional(&mut witness)
            .await?
        else {
            return Ok(());
        };

        processes::signal(u32::try_from(pid)?, Signal::Kill);
        let until = Instant::now() + BACK;

        while witness.ping().await.is_ok() || self.connect().await.is_err() {
            if Instant::now() > until {
                bail!("PostgreSQL is not back after one of its sessions died");
            }
            sleep(Duration::from_millis(20)).await;
        }

        Ok(())
    }

    /// Does PostgreSQL still run?
    pub fn runs(&self) -> bool {
        processes::is_alive(self.server.pid())
    }
}
