//! The servers of an installation, all its own.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use stanchion_tests::{
    process::Signal,
    redis_cluster::{NEVER, RedisCluster, SOON, Server},
    redis_server::{Inspector, Redis, RedisServer},
    server_process::{Program, ServerProcess},
};
use tokio::time::{Instant, sleep};

use super::{
    Shape,
    bus::{Bus, NatsKind},
    database::{Database, PostgresKind},
};

/// Hash slots of a Redis Cluster.
const SLOTS: usize = 16_384;
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
    /// Three primaries, each with a replica, which takes over after a second of silence; without
    /// edges.
    Cluster,
    /// The same, and it never takes over.
    PatientCluster,
}

/// See [`Shape`].
#[derive(Debug, Clone, Copy, Default)]
pub struct StoresShape {
    /// What kind of Redis.
    pub redis: RedisKind,
    /// What kind of PostgreSQL.
    pub postgres: PostgresKind,
    /// What kind of NATS.
    pub nats: NatsKind,
}

/// A Redis that keeps its data in an append-only file.
#[derive(Debug)]
pub struct AppendingRedis;

impl Program for AppendingRedis {
    const NAME: &'static str = "redis-appending";
    const END: Signal = Signal::Kill;

    fn command(folder: &Path, port: u16) -> Command {
        let mut command = Redis::command(folder, port);
        command.args([
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
            "--maxmemory-policy",
            "noeviction",
        ]);
        command
    }

    fn url(port: u16) -> String {
        Redis::url(port)
    }

    async fn answers(url: &str) -> bool {
        // It answers with LOADING first.
        let Ok(client) = redis::Client::open(url) else {
            return false;
        };
        let Ok(mut connection) = client.get_multiplexed_async_connection().await else {
            return false;
        };

        redis::cmd("DBSIZE")
            .query_async::<u64>(&mut connection)
            .await
            .is_ok()
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
    Appending(ServerProcess<AppendingRedis>),
    Cluster(RedisCluster),
}

/// See the module's documentation.
pub struct Stores {
    redis: RedisStore,
    replica: Option<ServerProcess<ReplicaRedis>>,
    /// The replica has taken over.
    is_promoted: bool,
    /// PostgreSQL.
    pub postgres: Database,
    /// The bus.
    pub nats: Bus,
}

impl Stores {
    /// Starts them; PostgreSQL's data lie in `data`.
    ///
    /// # Errors
    /// A replica or a standby that does not follow.
    pub async fn start(shape: Shape, folder: &Path, data: &Path) -> Result<Self> {
        let redis = match shape.stores.redis {
            RedisKind::Memory | RedisKind::Replicated => {
                RedisStore::Memory(RedisServer::start(folder).await)
            }
            RedisKind::Appending => RedisStore::Appending(ServerProcess::start(folder).await),
            RedisKind::Cluster => RedisStore::Cluster(RedisCluster::start(SOON)),
            RedisKind::PatientCluster => RedisStore::Cluster(RedisCluster::start(NEVER)),
        };
        let postgres = Database::start(shape, folder, data).await?;
        let nats = Bus::start(shape.stores.nats, folder).await;
        let mut stores = Self {
            redis,
            replica: None,
            is_promoted: false,
            postgres,
            nats,
        };

        if shape.stores.redis == RedisKind::Replicated {
            stores.replicate(folder).await?;
        }

        Ok(stores)
    }

    async fn replicate(&mut self, folder: &Path) -> Result<()> {
        let replica = ServerProcess::<ReplicaRedis>::start(folder).await;
        let primary = self.redis_port().context("a primary")?;
        let mut follow = redis::cmd("REPLICAOF");

        ask(&replica.url, follow.arg("127.0.0.1").arg(primary)).await?;
        let until = Instant::now() + BACK;

        while !ask(&replica.url, redis::cmd("INFO").arg("replication"))
            .await?
            .contains("master_link_status:up")
        {
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

    /// Where Redis is now: at the replica, once it has taken over. Of a cluster, the primaries that
    /// are left.
    pub fn redis_now(&self) -> String {
        match &self.replica {
            Some(replica) if self.is_promoted => replica.url.clone(),
            _ => self.redis_url().to_owned(),
        }
    }

    /// The database behind this port.
    pub fn database_url(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
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
        ask(&self.redis_now(), &redis::cmd("FLUSHALL"))
            .await
            .map(|_| ())
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

    /// Writes what Redis has to its disk, which a Redis that starts again begins with.
    ///
    /// # Errors
    /// A Redis that does not answer.
    pub async fn save_redis(&self) -> Result<()> {
        ask(&self.redis_now(), &redis::cmd("SAVE"))
            .await
            .map(|_| ())
    }

    /// The primary of a cluster that serves this key, as it was at the start.
    ///
    /// # Errors
    /// No cluster, or one that does not answer.
    pub async fn primary_of(&self, key: &str) -> Result<Server> {
        let RedisStore::Cluster(cluster) = &self.redis else {
            bail!("it is no cluster")
        };
        let primaries: Vec<Server> = cluster.primaries().copied().collect();
        let mut connection = redis::Client::open(primaries[0].url())?
            .get_multiplexed_async_connection()
            .await?;
        let slot: usize = redis::cmd("CLUSTER")
            .arg("KEYSLOT")
            .arg(key)
            .query_async(&mut connection)
            .await?;

        // Slots are shared out in order.
        let at = (0..primaries.len())
            .rev()
            .find(|at| at * SLOTS / primaries.len() <= slot);
        Ok(primaries[at.unwrap_or_default()])
    }
}

/// What one Redis answers, as text.
async fn ask(url: &str, command: &redis::Cmd) -> Result<String> {
    let mut connection = redis::Client::open(url)?
        .get_multiplexed_async_connection()
        .await?;
    Ok(command.query_async(&mut connection).await?)
}
