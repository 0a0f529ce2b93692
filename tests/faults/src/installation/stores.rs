//! The servers of an installation, all its own.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use stanchion_tests::{
    nats_server::NatsServer,
    own_server::{OwnServer, Program},
    postgres_server::PostgresServer,
    process::{Process, Signal},
    redis_cluster::{RedisCluster, SOON},
    redis_server::{Inspector, Redis, RedisServer},
};
use tokio::time::{Instant, sleep};

use super::Shape;
use crate::{pgbouncer, processes};

/// How long a server may take to be back.
const BACK: Duration = Duration::from_secs(40);

/// What kind of Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RedisKind {
    /// Nothing on disk.
    #[default]
    Memory,
    /// An append-only file, synced each second.
    Appending,
    /// A replica beside the primary.
    Replicated,
    /// Three primaries, each with a replica; without edges.
    Cluster,
}

/// See [`Shape`].
#[derive(Debug, Clone, Copy, Default)]
pub struct StoresShape {
    /// What kind of Redis.
    pub redis: RedisKind,
}

/// A Redis that keeps its data in an append-only file.
#[derive(Debug)]
pub struct AppendingRedis;

impl Program for AppendingRedis {
    const NAME: &'static str = "redis-appending";
    const END: Signal = Signal::Kill;

    fn command(folder: &Path, port: u16) -> Command {
        let mut command = Redis::command(folder, port);
        command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]);
        command
    }

    fn url(port: u16) -> String {
        Redis::url(port)
    }

    async fn answers(url: &str) -> bool {
        // It answers with LOADING first.
        let Ok(client) = redis::Client::open(url) else { return false };
        let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return false };
        redis::cmd("DBSIZE").query_async::<u64>(&mut connection).await.is_ok()
    }
}

/// A replica, once it is told whose.
#[derive(Debug)]
pub struct ReplicaRedis;

impl Program for ReplicaRedis {
    const NAME: &'static str = "redis-replica";
    const END: Signal = Signal::Kill;

    fn command(folder: &Path, port: u16) -> Command {
        let mut command = Redis::command(folder, port);
        command.args(["--dbfilename", "replica.rdb"]);
        command
    }

    fn url(port: u16) -> String {
        Redis::url(port)
    }

    async fn answers(url: &str) -> bool {
        Inspector::open(url).await.is_some()
    }
}

enum RedisStore {
    Memory(RedisServer),
    Appending(OwnServer<AppendingRedis>),
    Cluster(RedisCluster),
}

/// See the module's documentation.
pub struct Stores {
    redis: RedisStore,
    replica: Option<OwnServer<ReplicaRedis>>,
    /// The replica has taken over.
    is_promoted: bool,
    postgres: PostgresServer,
    bouncer: Option<(Process, u16)>,
    /// The bus.
    pub nats: NatsServer,
}

impl Stores {
    /// Starts them; PostgreSQL's data lie in `data`.
    ///
    /// # Errors
    /// A replica that does not follow.
    pub async fn start(shape: Shape, folder: &Path, data: &Path) -> Result<Self> {
        let redis = match shape.stores.redis {
            RedisKind::Memory | RedisKind::Replicated => RedisStore::Memory(RedisServer::start(folder).await),
            RedisKind::Appending => RedisStore::Appending(OwnServer::start(folder).await),
            RedisKind::Cluster => RedisStore::Cluster(RedisCluster::start(SOON)),
        };
        let postgres = PostgresServer::start(data).await;
        let bouncer = if shape.pgbouncer { Some(pgbouncer::start(folder, postgres.port()).await?) } else { None };
        let nats = NatsServer::start(folder).await;
        let mut stores = Self { redis, replica: None, is_promoted: false, postgres, bouncer, nats };
        if shape.stores.redis == RedisKind::Replicated {
            stores.replicate(folder).await?;
        }
        Ok(stores)
    }

    async fn replicate(&mut self, folder: &Path) -> Result<()> {
        let replica = OwnServer::<ReplicaRedis>::start(folder).await;
        let primary = self.redis_port().context("a primary")?;
        let mut follow = redis::cmd("REPLICAOF");
        ask(&replica.url, follow.arg("127.0.0.1").arg(primary)).await?;
        let until = Instant::now() + BACK;
        while !ask(&replica.url, redis::cmd("INFO").arg("replication")).await?.contains("master_link_status:up") {
            if Instant::now() > until {
                bail!("the replica does not follow");
            }
            sleep(Duration::from_millis(100)).await;
        }
        self.replica = Some(replica);
        Ok(())
    }

    /// Where Redis listens; `None` in a cluster.
    pub fn redis_port(&self) -> Option<u16> {
        match &self.redis {
            RedisStore::Memory(server) => Some(server.port()),
            RedisStore::Appending(server) => Some(server.port()),
            RedisStore::Cluster(_) => None,
        }
    }

    /// Where Redis was at the start.
    pub fn redis_url(&self) -> &str {
        match &self.redis {
            RedisStore::Memory(server) => &server.url,
            RedisStore::Appending(server) => &server.url,
            RedisStore::Cluster(cluster) => &cluster.url,
        }
    }

    /// Where Redis is now: at the replica, once it has taken over. Of a cluster, the primaries that are left.
    pub fn redis_now(&self) -> String {
        match &self.replica {
            Some(replica) if self.is_promoted => replica.url.clone(),
            _ => self.redis_url().to_owned(),
        }
    }

    /// Where PostgreSQL listens, or PgBouncer before it.
    pub fn postgres_port(&self) -> u16 {
        self.bouncer.as_ref().map_or_else(|| self.postgres.port(), |(_, port)| *port)
    }

    /// Where NATS listens.
    pub fn nats_port(&self) -> u16 {
        self.nats.port()
    }

    /// The database itself, past every edge.
    pub fn postgres_url(&self) -> String {
        self.postgres.url.clone()
    }

    /// The database behind this port.
    pub fn database_url(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    /// The bus itself.
    pub fn nats_url(&self) -> String {
        self.nats.url.clone()
    }

    /// Sends Redis a signal.
    pub fn signal_redis(&self, signal: Signal) {
        match &self.redis {
            RedisStore::Memory(server) => server.signal(signal),
            RedisStore::Appending(server) => server.signal(signal),
            RedisStore::Cluster(_) => {}
        }
    }

    /// Sends the replica a signal.
    pub fn signal_replica(&self, signal: Signal) {
        if let Some(replica) = &self.replica {
            replica.signal(signal);
        }
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// A Redis that does not answer.
    pub async fn flush_redis(&self) -> Result<()> {
        ask(&self.redis_now(), &redis::cmd("FLUSHALL")).await.map(|_| ())
    }

    /// Kills Redis and lets `down` pass before it starts again: with what it has on disk.
    pub async fn restart_redis(&mut self, down: Duration) {
        match &mut self.redis {
            RedisStore::Memory(server) => {
                server.stop(Signal::Kill).await;
                sleep(down).await;
                server.start_again().await;
            }
            RedisStore::Appending(server) => {
                server.stop(Signal::Kill).await;
                sleep(down).await;
                server.start_again().await;
            }
            RedisStore::Cluster(_) => {}
        }
    }

    /// The replica takes over; its port. Its clients have to be led there.
    ///
    /// # Errors
    /// A replica that does not answer.
    pub async fn promote_replica(&mut self) -> Result<u16> {
        let replica = self.replica.as_ref().context("a replica")?;
        ask(&replica.url, redis::cmd("REPLICAOF").arg("NO").arg("ONE")).await?;
        self.is_promoted = true;
        Ok(replica.port())
    }

    /// Kills the primary that serves the event's slot.
    ///
    /// # Errors
    /// No cluster.
    pub fn kill_primary(&self, at: usize) -> Result<()> {
        let RedisStore::Cluster(cluster) = &self.redis else { bail!("it is no cluster") };
        cluster.primaries().nth(at).context("there are three")?.kill();
        Ok(())
    }

    /// Sends PostgreSQL's processes a signal: the server and its sessions.
    pub fn signal_postgres(&self, signal: Signal) {
        processes::signal_tree(self.postgres.pid(), signal);
    }

    /// Kills PostgreSQL with its sessions, lets `down` pass and starts it again; it recovers.
    ///
    /// # Errors
    /// A server that is not back in time.
    pub async fn restart_postgres(&mut self, down: Duration) -> Result<()> {
        processes::signal_tree(self.postgres.pid(), Signal::Kill);
        self.postgres.stop(Signal::Kill).await;
        sleep(down).await;
        self.start_postgres().await
    }

    /// Starts PostgreSQL again after its end.
    ///
    /// # Errors
    /// A server that is not back in time.
    pub async fn start_postgres(&mut self) -> Result<()> {
        let lock = self.postgres.folder().join("postgres").join("postmaster.pid");
        let until = Instant::now() + BACK;
        loop {
            let _ = fs::remove_file(&lock); // of the server that was killed
            if self.postgres.try_again().await {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("PostgreSQL is not back");
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    /// Does PostgreSQL still run?
    pub fn postgres_runs(&self) -> bool {
        processes::is_alive(self.postgres.pid())
    }

    /// A connection to the database itself.
    ///
    /// # Errors
    /// A database that does not answer.
    pub async fn connect_database(&self) -> Result<sqlx::PgConnection> {
        use sqlx::Connection;
        Ok(sqlx::PgConnection::connect(&self.postgres.url).await?)
    }
}

/// What one Redis answers, as text.
async fn ask(url: &str, command: &redis::Cmd) -> Result<String> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    Ok(command.query_async(&mut connection).await?)
}
