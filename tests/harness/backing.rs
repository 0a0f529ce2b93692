//! The servers under a stack: a database, a part of Redis and a part of NATS that are this test's alone.

use crate::{
    bus::PublishedMessages,
    database::{Database, at_port},
    delay::Delay,
    environment,
    redis_cluster::RedisCluster,
    redis_server::*,
    scratch::Scratch,
    stack::Shape,
};

/// See the module's documentation. Removes what it made when dropped.
pub struct Backing {
    /// PostgreSQL.
    pub database: Database,
    /// Where Redis answers.
    pub redis_url: String,
    /// Where NATS answers.
    pub nats_url: String,
    /// First part of keys and subjects.
    pub prefix: String,
    own_redis: Option<RedisServer>,
    cluster: Option<RedisCluster>,
    delay: Option<Delay>,
}

impl Backing {
    /// Makes it all; with a Redis or a cluster of its own, and a delay before the database, where the shape asks for it.
    pub async fn prepare(name: &str, shape: &Shape, scratch: &Scratch) -> Self {
        let nats_url = environment::server("STANCHION_TEST_NATS_URL");
        let shared_redis = environment::server("STANCHION_TEST_REDIS_URL");
        let database = Database::create(&environment::server("STANCHION_TEST_DATABASE_URL"), name).await;
        let own_redis = if shape.own_redis { Some(RedisServer::start(scratch.path()).await) } else { None };
        let cluster = shape.redis_cluster.then(RedisCluster::start);
        let own_url = own_redis.as_ref().map(|server| &server.url).or(cluster.as_ref().map(|cluster| &cluster.url));
        let redis_url = own_url.unwrap_or(&shared_redis).clone();
        let delay = if shape.delayed_database { Some(Delay::before(database.address()).await) } else { None };
        Self { database, redis_url, nats_url, prefix: name.to_owned(), own_redis, cluster, delay }
    }

    /// Where booking finds the database: behind the delay, where there is one.
    pub fn database_url(&self) -> String {
        self.delay.as_ref().map_or_else(|| self.database.url.clone(), |delay| at_port(&self.database.url, delay.port))
    }

    /// The delay before the database.
    pub fn delay(&self) -> &Delay {
        self.delay.as_ref().expect("this stack's shape asks for a delayed database")
    }

    /// The cluster, where there is one.
    pub fn cluster(&self) -> &RedisCluster {
        self.cluster.as_ref().expect("this stack runs on a cluster")
    }

    /// What booking published.
    pub fn published(&self) -> PublishedMessages {
        PublishedMessages::new(&self.nats_url, &self.prefix)
    }

    /// A look into Redis.
    pub async fn redis(&self) -> Inspector {
        Inspector::open(&self.redis_url).await.expect("Redis answers")
    }

    /// Its own Redis loses what was not saved.
    pub async fn roll_redis_back(&mut self) {
        self.own_redis.as_mut().expect("a Redis of its own").lose_what_was_not_saved().await;
    }

    async fn remove(&self) {
        self.database.remove().await;
        self.published().remove().await;
        if self.own_redis.is_none() && self.cluster.is_none() {
            self.redis().await.delete(&self.prefix).await;
        }
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        // The test's runtime may be about to end, and a drop cannot wait for it.
        std::thread::scope(|scope| {
            let removal = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async {
                    let _ = tokio::time::timeout(std::time::Duration::from_secs(10), self.remove()).await;
                });
            });
            let _ = removal.join(); // the servers are there for tests; what is left does not matter to others
        });
    }
}
