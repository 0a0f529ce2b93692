//! Where Redis is, one server or a cluster, and a process's command connection to it.

mod connection;

use std::time::Duration;

use futures_util::{StreamExt, stream::FuturesUnordered};
use redis::{
    Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
    cluster::ClusterClientBuilder,
    io::tcp::TcpSettings,
};
use tokio::time::timeout;

use self::connection::Link;
pub use self::connection::RedisConnection;

/// Deadline of every call, its wait for a connection included.
pub const REDIS_TIMEOUT: Duration = Duration::from_secs(2);
/// Deadline of one attempt to connect.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Attempts to connect again after the first, before waiting calls fail; the next call tries anew.
const MAX_RECONNECTS: usize = 3;
/// Attempts in a cluster to find the server that has a slot now, or to reach it again.
const MAX_REDIRECTS: u32 = 5;
/// Calls that wait to be written; more wait their turn, each with its own deadline.
const SEND_BUFFER: usize = 1_024;
/// Calls to one server of a cluster that wait for their answers; more wait their turn.
const MAX_IN_FLIGHT: usize = 4_096;

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
    /// Reads `redis://[user:password@]host:port`, or
    /// `redis+cluster://[user:password@]host:port,host:port,…` with one or more servers of a
    /// cluster.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(url: &str) -> RedisResult<Self> {
        let Some(rest) = url.strip_prefix(CLUSTER_SCHEME) else {
            return connection_info(url).map(Self::One);
        };
        let (user, hosts) = rest
            .rsplit_once('@')
            .map_or(("", rest), |(user, hosts)| (user, hosts));
        let at = if user.is_empty() { "" } else { "@" };
        let servers = hosts.split(',').map(|host| {
            let host = host.trim_end_matches('/');
            if host.is_empty() {
                return Err(RedisError::from((
                    ErrorKind::InvalidClientConfig,
                    "a server of the cluster has no name",
                )));
            }
            connection_info(&format!("redis://{user}{at}{host}"))
        });

        servers.collect::<RedisResult<_>>().map(Self::Cluster)
    }

    /// A process's one command connection: to the server, or to each primary of the cluster. It
    /// reconnects by itself, and in a cluster follows the slots.
    ///
    /// # Errors
    /// No server answers.
    pub async fn connect(&self) -> RedisResult<RedisConnection> {
        Ok(RedisConnection::new(self.clone(), self.open_link().await?))
    }

    async fn open_link(&self) -> RedisResult<Link> {
        match self {
            Self::One(server) => {
                let client = Client::open(server.clone())?;
                ConnectionManager::new_with_config(client, manager_config())
                    .await
                    .map(Link::One)
            }
            Self::Cluster(servers) => {
                let client = ClusterClientBuilder::new(servers.iter().cloned())
                    .tcp_settings(tcp_settings())
                    .connection_timeout(CONNECT_TIMEOUT)
                    .response_timeout(REDIS_TIMEOUT)
                    .retries(MAX_REDIRECTS)
                    .min_retry_wait(20)
                    .max_retry_wait(500)
                    .connection_concurrency_limit(MAX_IN_FLIGHT)
                    .build()?;
                client.get_async_connection().await.map(Link::Cluster)
            }
        }
    }

    /// Does any of the servers answer to a connection of its own?
    async fn is_any_reachable(&self) -> bool {
        let servers = match self {
            Self::One(server) => std::slice::from_ref(server),
            Self::Cluster(servers) => servers,
        };
        let mut pings: FuturesUnordered<_> = servers.iter().map(ping).collect();

        while let Some(answers) = pings.next().await {
            if answers {
                return true;
            }
        }

        false
    }
}

async fn ping(server: &ConnectionInfo) -> bool {
    let ping = async {
        let mut connection = Client::open(server.clone())?
            .get_multiplexed_async_connection()
            .await?;
        redis::cmd("PING").query_async::<()>(&mut connection).await
    };
    matches!(timeout(CONNECT_TIMEOUT, ping).await, Ok(Ok(())))
}

fn connection_info(url: &str) -> RedisResult<ConnectionInfo> {
    Ok(url.into_connection_info()?.set_tcp_settings(tcp_settings()))
}

fn tcp_settings() -> TcpSettings {
    let tcp = TcpSettings::default().set_nodelay(true);
    // A connection whose other end has vanished is given up after this time, not after TCP's
    // quarter of an hour.
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(REDIS_TIMEOUT);
    tcp
}

fn manager_config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(REDIS_TIMEOUT))
        .set_number_of_retries(MAX_RECONNECTS)
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(Duration::from_millis(500))
        .set_pipeline_buffer_size(SEND_BUFFER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(url: &str) -> Option<Vec<String>> {
        match RedisServers::parse(url) {
            Ok(RedisServers::Cluster(servers)) => {
                Some(servers.iter().map(|one| one.addr().to_string()).collect())
            }
            _ => None,
        }
    }

    #[test]
    fn a_cluster_is_named_by_some_of_its_servers() {
        assert!(matches!(
            RedisServers::parse("redis://127.0.0.1:6379"),
            Ok(RedisServers::One(_))
        ));
        assert_eq!(
            addresses("redis+cluster://a:7000,b:7001").unwrap(),
            ["a:7000", "b:7001"]
        );
        assert_eq!(
            addresses("redis+cluster://user:p%40ss@a:7000,b/").unwrap(),
            ["a:7000", "b:6379"]
        );

        for nonsense in [
            "redis+cluster://",
            "redis+cluster://a,,b",
            "cluster://a",
            "a:1",
        ] {
            assert!(RedisServers::parse(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn every_server_gets_the_password() {
        let Ok(RedisServers::Cluster(servers)) =
            RedisServers::parse("redis+cluster://u:secret@a:1,b:2")
        else {
            panic!("a cluster")
        };

        assert!(
            servers
                .iter()
                .all(|server| server.redis_settings().password() == Some("secret"))
        );
    }
}
