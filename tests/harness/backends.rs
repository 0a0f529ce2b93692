//! The servers of a stack: a database, a key prefix of Redis and a subject prefix of NATS, for one
//! test.

use crate::{
    bus::PublishedMessages,
    database::{Database, at_port},
    delay::Delay,
    environment,
    nats_cluster::NatsCluster,
    nats_server::NatsServer,
    postgres_server::PostgresServer,
    redis_cluster::RedisCluster,
    redis_server::*,
    scratch::Scratch,
    stack::Shape,
};

/// See the module's documentation. Removes what it made when dropped.
pub struct Backends {
    /// PostgreSQL.
    pub database: Database,
    /// The URL of Redis.
    pub redis_url: String,
    /// The URL of NATS.
    pub nats_url: String,
    /// First part of keys and subjects.
    pub prefix: String,
    own_redis: Option<RedisServer>,
    own_nats: Option<NatsServer>,
    nats_cluster: Option<NatsCluster>,
    own_postgres: Option<PostgresServer>,
    cluster: Option<RedisCluster>,
    delay: Option<Delay>,
}

impl Backends {
    /// Creates them; with servers of its own and a delay before the database if the shape asks for
    /// them.
    pub async fn prepare(name: &str, shape: &Shape, scratch: &Scratch) -> Self {
        let own_nats = if shape.own_nats {
            Some(NatsServer::start(scratch.path()).await)
        } else {
            None
        };
        let shared_nats = || environment::server("STANCHION_TEST_NATS_URL");
        let nats_cluster = if shape.nats_cluster {
            Some(NatsCluster::start(scratch.path()).await)
        } else {
            None
        };

        let own_nats_url = own_nats
            .as_ref()
            .map(|server| &server.url)
            .or(nats_cluster.as_ref().map(|cluster| &cluster.url));
        let nats_url = own_nats_url.cloned().unwrap_or_else(shared_nats);
        let shared_redis = environment::server("STANCHION_TEST_REDIS_URL");
        let own_postgres = if shape.own_postgres {
            Some(PostgresServer::start(scratch.path()).await)
        } else {
            None
        };

        let shared_postgres = || environment::server("STANCHION_TEST_DATABASE_URL");
        let postgres_url = own_postgres
            .as_ref()
            .map_or_else(shared_postgres, |server| server.url.clone());
        let database = Database::create(&postgres_url, name).await;
        let own_redis = if shape.own_redis {
            Some(RedisServer::start(scratch.path()).await)
        } else {
            None
        };

        let cluster = shape.redis_cluster.map(RedisCluster::start);
        let own_url = own_redis
            .as_ref()
            .map(|server| &server.url)
            .or(cluster.as_ref().map(|cluster| &cluster.url));
        let redis_url = own_url.unwrap_or(&shared_redis).clone();
        let delay = if shape.delayed_database {
            Some(Delay::before(database.address()).await)
        } else {
            None
        };

        let prefix = name.to_owned();
        Self {
            database,
            redis_url,
            nats_url,
            prefix,
            own_redis,
            own_nats,
            nats_cluster,
            own_postgres,
            cluster,
            delay,
        }
    }

    /// The URL of the database for booking: behind the delay, if there is one.
    pub fn database_url(&self) -> String {
        self.delay.as_ref().map_or_else(
            || self.database.url.clone(),
            |delay| at_port(&self.database.url, delay.port),
        )
    }

    /// The delay before the database.
    pub fn delay(&self) -> &Delay {
        self.delay
            .as_ref()
            .expect("this stack's shape asks for a delayed database")
    }

    /// The cluster, if the shape asks for one.
    pub fn cluster(&self) -> &RedisCluster {
        self.cluster.as_ref().expect("this stack runs on a cluster")
    }

    /// What booking published.
    pub fn published(&self) -> PublishedMessages {
        PublishedMessages::new(&self.nats_url, &self.prefix)
    }

    /// A connection that inspects Redis.
    pub async fn redis(&self) -> Inspector {
        Inspector::open(&self.redis_url)
            .await
            .expect("Redis answers")
    }

    /// Its own Redis.
    pub fn redis_server(&mut self) -> &mut RedisServer {
        self.own_redis
            .as_mut()
            .expect("this stack's shape asks for a Redis of its own")
    }

    /// Its own NATS.
    pub fn nats_server(&mut self) -> &mut NatsServer {
        self.own_nats
            .as_mut()
            .expect("this stack's shape asks for a NATS of its own")
    }

    /// Its own NATS cluster.
    pub fn nats_cluster(&self) -> &NatsCluster {
        self.nats_cluster
            .as_ref()
            .expect("this stack runs on a NATS cluster")
    }

    /// The same, to start its servers again.
    pub fn nats_cluster_mut(&mut self) -> &mut NatsCluster {
        self.nats_cluster
            .as_mut()
            .expect("this stack runs on a NATS cluster")
    }

    /// Its own PostgreSQL.
    pub fn postgres_server(&mut self) -> &mut PostgresServer {
        self.own_postgres
            .as_mut()
            .expect("this stack's shape asks for a PostgreSQL of its own")
    }

    async fn remove(&self) {
        if self.own_postgres.is_none() {
            self.database.remove().await;
        }

        if self.own_nats.is_none() && self.nats_cluster.is_none() {
            self.published().remove().await;
        }

        if self.own_redis.is_none() && self.cluster.is_none() {
            self.redis().await.delete(&self.prefix).await;
        }
    }
}

impl Drop for Backends {
    fn drop(&mut self) {
        // The test's runtime may be about to end, and a drop cannot wait for it.
        std::thread::scope(|scope| {
            let removal = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.expect("a runtime").block_on(async {
                    let _ = tokio::time::timeout(std::time::Duration::from_secs(10), self.remove())
                        .await;
                });
            });
            let _ = removal.join(); // remains do not matter: the servers are for tests only
        });
    }
}
