//! A Redis server of one test, for counts that need an exclusive server; and a connection that
//! inspects Redis.

use std::{collections::BTreeMap, path::Path, process::Command};

use redis::{Client, aio::MultiplexedConnection};

use crate::{
    process::Signal,
    server_process::{Program, ServerProcess},
    wait::eventually,
};

/// See the module's documentation.
pub type RedisServer = ServerProcess<Redis>;

/// A Redis without persistence, except by [`Inspector::save`] and [`RedisServer::append`].
#[derive(Debug)]
pub struct Redis;

/// Further settings, which persist over a restart.
const SETTINGS: &str = "settings.conf";

impl Program for Redis {
    const NAME: &'static str = "redis";
    const END: Signal = Signal::Kill;

    fn command(folder: &Path, port: u16) -> Command {
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        command.arg("--dir").arg(folder);

        let settings = folder.join(SETTINGS);
        if settings.exists() {
            command.arg("--include").arg(settings);
        }

        command
    }

    fn url(port: u16) -> String {
        format!("redis://127.0.0.1:{port}")
    }

    async fn answers(url: &str) -> bool {
        Inspector::open(url).await.is_some()
    }
}

impl RedisServer {
    /// Kills it and restarts it from the last snapshot.
    pub async fn restart_from_snapshot(&mut self) {
        self.stop(Signal::Kill).await;
        self.start_again().await;
    }

    /// Deletes the snapshot of the stopped server.
    pub fn delete_snapshot(&self) {
        std::fs::remove_file(self.folder().join("dump.rdb")).expect("something was saved");
    }

    /// Keeps everything in an append-only file from now on.
    pub async fn append(&self) {
        std::fs::write(
            self.folder().join(SETTINGS),
            "appendonly yes\nappendfsync everysec\n",
        )
        .expect("a file");

        let inspector = Inspector::open(&self.url).await.expect("Redis answers");
        inspector.set("appendonly", "yes").await;

        eventually("the append-only file", || async {
            let info = inspector.info("persistence").await;
            let is_written = info.contains("aof_rewrite_in_progress:0")
                && info.contains("aof_rewrite_scheduled:0");
            (is_written && info.contains("aof_last_bgrewrite_status:ok")).then_some(())
        })
        .await;
    }

    /// A replica beside it, which has copied everything and follows.
    pub async fn replica(&self) -> Self {
        let folder = self.folder().join("replica");
        std::fs::create_dir(&folder).expect("a folder");

        let replica = Self::start(&folder).await;
        let inspector = Inspector::open(&replica.url).await.expect("Redis answers");

        inspector
            .ask(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(self.port()))
            .await;
        eventually("a replica that follows", || async {
            inspector
                .info("replication")
                .await
                .contains("master_link_status:up")
                .then_some(())
        })
        .await;
        replica
    }

    /// Hands over to this replica, which answers at this server's address from then on. This server
    /// is gone.
    pub async fn fail_over(&self, replica: &Self) {
        let [own, other] = [&self.url, &replica.url];
        let own = Inspector::open(own).await.expect("Redis answers");
        let other = Inspector::open(other).await.expect("Redis answers");

        own.ask(
            redis::cmd("FAILOVER")
                .arg("TO")
                .arg("127.0.0.1")
                .arg(replica.port()),
        )
        .await;
        eventually("the replica to take over", || async {
            other
                .info("replication")
                .await
                .contains("role:master")
                .then_some(())
        })
        .await;
        self.stop(Signal::Kill).await;

        other.set("port", &self.port().to_string()).await;
    }
}

/// A connection for looking at the server and its data.
pub struct Inspector(MultiplexedConnection);

/// One line of `CLIENT LIST`.
#[derive(Debug, Clone)]
pub struct RedisClient(BTreeMap<String, String>);

impl RedisClient {
    /// Does the connection listen to channels?
    pub fn subscribes(&self) -> bool {
        let count = |name: &str| {
            self.0
                .get(name)
                .and_then(|count| count.parse::<u64>().ok())
                .unwrap_or(0)
        };
        count("sub") + count("psub") + count("ssub") > 0
    }

    /// Is it another server of a cluster, that copies or is copied?
    pub fn replicates(&self) -> bool {
        self.0
            .get("flags")
            .is_some_and(|flags| flags.contains(['S', 'M']))
    }

    /// Is it an [`Inspector`]?
    fn is_ours(&self) -> bool {
        self.0.get("name").is_some_and(|name| name == INSPECTOR)
    }
}

const INSPECTOR: &str = "inspector";

impl Inspector {
    /// Connects, if the server answers.
    pub async fn open(url: &str) -> Option<Self> {
        let client = Client::open(url).expect("the URL of a Redis");
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        let named = redis::cmd("CLIENT")
            .arg("SETNAME")
            .arg(INSPECTOR)
            .query_async::<()>(&mut connection)
            .await;
        named.ok().map(|()| Self(connection))
    }

    async fn ask(&self, command: &redis::Cmd) {
        command
            .query_async::<()>(&mut self.0.clone())
            .await
            .expect("a Redis that does as it is told");
    }

    async fn set(&self, name: &str, value: &str) {
        self.ask(redis::cmd("CONFIG").arg("SET").arg(name).arg(value))
            .await;
    }

    async fn info(&self, section: &str) -> String {
        redis::cmd("INFO")
            .arg(section)
            .query_async(&mut self.0.clone())
            .await
            .expect("INFO")
    }

    /// Every connection but this one.
    pub async fn clients(&self) -> Vec<RedisClient> {
        let list: String = redis::cmd("CLIENT")
            .arg("LIST")
            .query_async(&mut self.0.clone())
            .await
            .expect("CLIENT LIST");
        let field = |field: &str| {
            field
                .split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };

        let client = |line: &str| RedisClient(line.split(' ').filter_map(field).collect());
        list.lines()
            .map(client)
            .filter(|client| !client.is_ours())
            .collect()
    }

    /// How often a command was called since the server started.
    pub async fn calls(&self, command: &str) -> u64 {
        let info = self.info("commandstats").await;
        let line = info.lines().find_map(|line| {
            line.strip_prefix(&format!("cmdstat_{command}:calls="))
                .map(str::to_owned)
        });
        line.and_then(|line| line.split(',').next().and_then(|calls| calls.parse().ok()))
            .unwrap_or(0)
    }

    /// How many keys there are.
    pub async fn keys(&self) -> u64 {
        redis::cmd("DBSIZE")
            .query_async(&mut self.0.clone())
            .await
            .expect("DBSIZE")
    }

    /// How many elements every key holds: a key per event would hide a field per user.
    pub async fn elements(&self) -> BTreeMap<String, u64> {
        let names: Vec<String> = redis::cmd("KEYS")
            .arg("*")
            .query_async(&mut self.0.clone())
            .await
            .expect("KEYS");
        let mut elements = BTreeMap::new();

        for name in names {
            let count = self.count(&name).await;
            elements.insert(name, count);
        }

        elements
    }

    async fn count(&self, name: &str) -> u64 {
        let kind: String = redis::cmd("TYPE")
            .arg(name)
            .query_async(&mut self.0.clone())
            .await
            .expect("TYPE");
        let command = match kind.as_str() {
            "hash" => "HLEN",
            "set" => "SCARD",
            "zset" => "ZCARD",
            "list" => "LLEN",
            "stream" => "XLEN",
            _ => return 1,
        };

        redis::cmd(command)
            .arg(name)
            .query_async(&mut self.0.clone())
            .await
            .expect("a count")
    }

    /// Writes everything to disk: what a Redis that is killed has when it starts again.
    pub async fn save(&self) {
        redis::cmd("SAVE")
            .query_async::<()>(&mut self.0.clone())
            .await
            .expect("a Redis that saves");
    }

    /// Deletes everything at once, as a Redis that lost its memory.
    pub async fn lose_everything(&self) {
        redis::cmd("FLUSHALL")
            .query_async::<()>(&mut self.0.clone())
            .await
            .expect("a Redis that flushes");
    }

    /// Ends the replication to this replica, for good: it is made to introduce itself in a way that
    /// is refused.
    pub async fn part_with(&self, replica: &Self) {
        replica.set("masterauth", "nobody").await;
        let mut kill = redis::cmd("CLIENT");

        kill.arg("KILL").arg("TYPE").arg("replica");
        kill.query_async::<u32>(&mut self.0.clone())
            .await
            .expect("CLIENT KILL");

        eventually("the end of the replication", || async {
            self.info("replication")
                .await
                .contains("connected_slaves:0")
                .then_some(())
        })
        .await;
    }

    /// Deletes every key that begins with this.
    pub async fn delete(&self, prefix: &str) {
        let names: Vec<String> = redis::cmd("KEYS")
            .arg(format!("{prefix}*"))
            .query_async(&mut self.0.clone())
            .await
            .expect("KEYS");

        for names in names.chunks(500) {
            redis::cmd("DEL")
                .arg(names)
                .query_async::<()>(&mut self.0.clone())
                .await
                .expect("DEL");
        }
    }
}
