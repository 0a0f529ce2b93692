//! Where Redis is, one server or a cluster, and a process's command connection to it.

use std::time::Duration;

use redis::{
    Client, Cmd, ConnectionInfo, ErrorKind, IntoConnectionInfo, Pipeline, RedisError, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    io::tcp::TcpSettings,
};

/// Deadline of every call, its wait for a connection included.
pub(crate) const DEADLINE: Duration = Duration::from_secs(2);
/// Deadline of one attempt to connect.
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_secs(1);
/// Attempts to connect again after the first, before waiting calls fail; the next call tries anew.
const RECONNECTS: usize = 3;
/// Attempts in a cluster to find the server that has a slot now, or to reach it again.
const REROUTES: u32 = 5;
/// Calls that wait to be written; more wait their turn, each with its own deadline.
const UNWRITTEN_CALLS: usize = 1_024;
/// Calls to one server of a cluster that wait for their answers; more wait their turn.
const UNANSWERED_CALLS: usize = 4_096;

/// Before the scheme's `://`, this names a cluster.
const CLUSTER_SCHEME: &str = "redis+cluster://";

/// See the module's documentation.
#[derive(Debug, Clone)]
pub enum RedisServers {
    /// One server.
    One(ConnectionInfo),
    /// Some servers of a cluster; they know the others.
    Cluster(Vec<ConnectionInfo>),
}

impl RedisServers {
    /// Reads `redis://[user:password@]host:port`, or `redis+cluster://[user:password@]host:port,host:port,…` with one or more
    /// servers of a cluster.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(url: &str) -> RedisResult<Self> {
        let Some(rest) = url.strip_prefix(CLUSTER_SCHEME) else { return info(url).map(Self::One) };
        let (user, hosts) = rest.rsplit_once('@').map_or(("", rest), |(user, hosts)| (user, hosts));
        let at = if user.is_empty() { "" } else { "@" };
        let servers = hosts.split(',').map(|host| {
            let host = host.trim_end_matches('/');
            if host.is_empty() {
                return Err(RedisError::from((ErrorKind::InvalidClientConfig, "a server of the cluster has no name")));
            }
            info(&format!("redis://{user}{at}{host}"))
        });
        servers.collect::<RedisResult<_>>().map(Self::Cluster)
    }

    /// A process's one command connection: to the server, or to each primary of the cluster. It reconnects by itself, and in a
    /// cluster follows the slots.
    ///
    /// # Errors
    /// No server answers.
    pub async fn connect(&self) -> RedisResult<RedisConnection> {
        match self {
            Self::One(server) => {
                let client = Client::open(server.clone())?;
                ConnectionManager::new_with_config(client, manager_config()).await.map(RedisConnection::One)
            }
            Self::Cluster(servers) => {
                let client = ClusterClientBuilder::new(servers.iter().cloned())
                    .tcp_settings(tcp())
                    .connection_timeout(CONNECT_DEADLINE)
                    .response_timeout(DEADLINE)
                    .retries(REROUTES)
                    .min_retry_wait(20)
                    .max_retry_wait(500)
                    .connection_concurrency_limit(UNANSWERED_CALLS)
                    .build()?;
                client.get_async_connection().await.map(RedisConnection::Cluster)
            }
        }
    }
}

fn info(url: &str) -> RedisResult<ConnectionInfo> {
    Ok(url.into_connection_info()?.set_tcp_settings(tcp()))
}

fn tcp() -> TcpSettings {
    let tcp = TcpSettings::default().set_nodelay(true);
    // A connection whose other end has vanished is given up after this time, not after TCP's quarter of an hour.
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(DEADLINE);
    tcp
}

fn manager_config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_DEADLINE))
        .set_response_timeout(Some(DEADLINE))
        .set_number_of_retries(RECONNECTS)
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(Duration::from_millis(500))
        .set_pipeline_buffer_size(UNWRITTEN_CALLS)
}

/// Clones share what they are connections to.
#[derive(Clone)]
pub enum RedisConnection {
    /// To one server.
    One(ConnectionManager),
    /// To each primary of a cluster, multiplexed; calls go to the server that has their key.
    Cluster(ClusterConnection),
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(url: &str) -> Option<Vec<String>> {
        match RedisServers::parse(url) {
            Ok(RedisServers::Cluster(servers)) => Some(servers.iter().map(|one| one.addr().to_string()).collect()),
            _ => None,
        }
    }

    #[test]
    fn a_cluster_is_named_by_some_of_its_servers() {
        assert!(matches!(RedisServers::parse("redis://127.0.0.1:6379"), Ok(RedisServers::One(_))));
        assert_eq!(addresses("redis+cluster://a:7000,b:7001").unwrap(), ["a:7000", "b:7001"]);
        assert_eq!(addresses("redis+cluster://user:p%40ss@a:7000,b/").unwrap(), ["a:7000", "b:6379"]);
        for nonsense in ["redis+cluster://", "redis+cluster://a,,b", "cluster://a", "a:1"] {
            assert!(RedisServers::parse(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn every_server_gets_the_password() {
        let Ok(RedisServers::Cluster(servers)) = RedisServers::parse("redis+cluster://u:secret@a:1,b:2") else {
            panic!("a cluster")
        };
        assert!(servers.iter().all(|server| server.redis_settings().password() == Some("secret")));
    }
}
