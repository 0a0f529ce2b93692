//! A Redis Cluster of one test's own: three primaries, each with a replica. It ends with the test.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Failover timeout of a test that kills a primary.
pub const SOON: Duration = Duration::from_secs(1);
/// The same if none dies: a busy machine must not look like a failure.
pub const NEVER: Duration = Duration::from_secs(600);

/// One server of the cluster, as it was at the start.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// Where it answers.
    pub port: u16,
    /// Its process.
    pub pid: u32,
    /// The port of its primary; its own if it is one.
    pub primary: u16,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct RedisCluster {
    /// Where it answers.
    pub url: String,
    /// Primaries first.
    pub servers: Vec<Server>,
    script: Child,
}

impl RedisCluster {
    /// Starts one; it serves every slot. A replica takes over from a primary that is silent for
    /// `failover_timeout`.
    pub fn start(failover_timeout: Duration) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .map(|folder| folder.join("tests/services/redis-cluster"))
            .find(|script| script.exists())
            .expect("packages are below the repository");
        let script = Command::new(script)
            .arg(failover_timeout.as_millis().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();

        let mut script = script.expect("tests/services/redis-cluster can be run");
        let mut lines = BufReader::new(script.stdout.take().expect("it is piped"))
            .lines()
            .map_while(Result::ok);
        let url = lines.next().expect("a cluster that starts");
        let servers = lines.map(|line| {
            let values: Vec<u32> = line
                .split(' ')
                .map(|value| value.parse().expect("a number"))
                .collect();
            let [port, pid, primary] = values[..] else {
                panic!("three numbers: {line}")
            };
            Server {
                port: port as u16,
                pid,
                primary: primary as u16,
            }
        });

        Self {
            url,
            servers: servers.collect(),
            script,
        }
    }

    /// The replica that a primary had at the start.
    pub fn replica_of(&self, primary: &Server) -> Server {
        let is_its =
            |server: &&Server| server.primary == primary.port && server.port != primary.port;
        *self
            .servers
            .iter()
            .find(is_its)
            .expect("each primary has a replica")
    }

    /// The primaries of the start.
    pub fn primaries(&self) -> impl Iterator<Item = &Server> {
        self.servers
            .iter()
            .filter(|server| server.primary == server.port)
    }
}

impl Server {
    /// Where it alone answers.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it at once.
    pub fn kill(&self) {
        self.signal("-KILL");
    }

    /// Sends it a signal, as `kill` names it.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .arg(signal)
            .arg(self.pid.to_string())
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "it was alive");
    }
}

impl Drop for RedisCluster {
    fn drop(&mut self) {
        drop(self.script.stdin.take()); // the script ends the servers
        let _ = self.script.wait(); // and itself
    }
}
