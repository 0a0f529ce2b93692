//! A NATS cluster of one test's own: three servers with JetStream. It ends with the test.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use async_nats::jetstream;
use futures_util::future::join_all;

use crate::{
    ports,
    process::{Process, Signal},
    wait::{TEST_TIMEOUT, within},
};

const SERVERS: usize = 3;

/// See the module's documentation.
#[derive(Debug)]
pub struct NatsCluster {
    /// All of its servers, separated by commas.
    pub url: String,
    servers: Vec<Server>,
    folder: PathBuf,
}

#[derive(Debug)]
struct Server {
    name: String,
    port: u16,
    routes_port: u16,
    process: Process,
}

impl NatsCluster {
    /// Starts one, with its data and logs in the folder, and waits until a stream of three copies
    /// can be made.
    pub async fn start(folder: &Path) -> Self {
        let ports: Vec<_> = (0..SERVERS)
            .map(|_| (ports::free(), ports::free()))
            .collect();
        let routes: Vec<_> = ports.iter().map(|(_, routes)| *routes).collect();
        let servers: Vec<_> = ports
            .iter()
            .enumerate()
            .map(|(number, (port, routes_port))| {
                let name = format!("nats-{number}");
                let process = Self::run(folder, &name, *port, *routes_port, &routes);
                Server {
                    name,
                    port: *port,
                    routes_port: *routes_port,
                    process,
                }
            })
            .collect();

        let urls: Vec<_> = servers.iter().map(Server::url).collect();
        let cluster = Self {
            url: urls.join(","),
            servers,
            folder: folder.to_owned(),
        };

        within(TEST_TIMEOUT, "a cluster with a leader", || {
            cluster.has_leader()
        })
        .await;
        cluster
    }

    /// The server that leads the stream, by its place; nothing while there is none.
    pub async fn leader(&self, stream: &str) -> Option<usize> {
        let info = join_all(self.servers.iter().map(|server| server.stream(stream)))
            .await
            .into_iter()
            .flatten()
            .next()?;
        let leader = info.cluster?.leader?;
        self.servers.iter().position(|server| server.name == leader)
    }

    /// Ends one at once.
    pub async fn kill(&self, server: usize) {
        self.servers[server].process.signal(Signal::Kill);
        self.servers[server].process.ended().await;
    }

    /// Starts one again on what it has stored.
    pub fn start_again(&mut self, server: usize) {
        let routes: Vec<_> = self
            .servers
            .iter()
            .map(|server| server.routes_port)
            .collect();
        let Server {
            name,
            port,
            routes_port,
            ..
        } = &self.servers[server];

        let process = Self::run(&self.folder, name, *port, *routes_port, &routes);
        self.servers[server].process = process;
    }

    fn run(folder: &Path, name: &str, port: u16, routes_port: u16, routes: &[u16]) -> Process {
        let routes: Vec<_> = routes
            .iter()
            .map(|port| format!("nats://127.0.0.1:{port}"))
            .collect();
        let mut command = Command::new("nats-server");

        command
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
            .arg(folder.join(name));
        command.args([
            "-n",
            name,
            "--cluster_name",
            "tests",
            "--routes",
            &routes.join(","),
        ]);
        command.args(["--cluster", &format!("nats://127.0.0.1:{routes_port}")]);

        Process::start(name, &mut command, folder)
    }

    /// A stream of three replicas can be made once the servers have elected a leader.
    async fn has_leader(&self) -> Option<()> {
        let client = async_nats::connect(self.servers[0].url()).await.ok()?;
        let context = jetstream::new(client);
        let probe = jetstream::stream::Config {
            name: "PROBE".into(),
            num_replicas: SERVERS,
            ..Default::default()
        };

        let made = tokio::time::timeout(Duration::from_secs(2), context.create_stream(probe)).await;
        made.ok()?.ok()?;
        context.delete_stream("PROBE").await.ok().map(drop)
    }
}

impl Server {
    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    async fn stream(&self, name: &str) -> Option<jetstream::stream::Info> {
        let asking = async {
            let client = async_nats::connect(self.url()).await.ok()?;
            let stream = jetstream::new(client).get_stream(name).await.ok()?;
            Some(stream.cached_info().clone())
        };
        tokio::time::timeout(Duration::from_secs(2), asking)
            .await
            .ok()?
    }
}
