//! NATS of an installation: one server, or three.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use stanchion_tests::{nats_cluster::NatsCluster, nats_server::NatsServer, process::Signal};

/// What kind of NATS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NatsKind {
    /// One server.
    #[default]
    Alone,
    /// Three, with three copies of the stream; without edges.
    Cluster,
}

/// See the module's documentation.
pub enum Bus {
    /// One server.
    Alone(NatsServer),
    /// Three.
    Cluster(NatsCluster),
}

impl Bus {
    /// Starts it, with its data in the folder.
    pub async fn start(kind: NatsKind, folder: &Path) -> Self {
        match kind {
            NatsKind::Alone => Self::Alone(NatsServer::start(folder).await),
            NatsKind::Cluster => Self::Cluster(NatsCluster::start(folder).await),
        }
    }

    /// Where it listens; `None` of a cluster.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Alone(server) => Some(server.port()),
            Self::Cluster(_) => None,
        }
    }

    /// Where it answers; servers are separated by commas.
    pub fn url(&self) -> String {
        match self {
            Self::Alone(server) => server.url.clone(),
            Self::Cluster(cluster) => cluster.url.clone(),
        }
    }

    /// The one server.
    ///
    /// # Errors
    /// There are three.
    pub fn server(&mut self) -> Result<&mut NatsServer> {
        let Self::Alone(server) = self else {
            anyhow::bail!("it is a cluster")
        };
        Ok(server)
    }

    /// The three servers.
    ///
    /// # Errors
    /// There is one.
    pub fn cluster(&mut self) -> Result<&mut NatsCluster> {
        let Self::Cluster(cluster) = self else {
            anyhow::bail!("it is no cluster")
        };
        Ok(cluster)
    }

    /// Kills the server, and throws away what it has stored.
    ///
    /// # Errors
    /// It is a cluster.
    pub async fn kill_and_forget(&mut self) -> Result<()> {
        let server = self.server()?;
        server.stop(Signal::Kill).await;
        fs::remove_dir_all(server.folder().join("nats")).context("it had stored something")
    }
}
