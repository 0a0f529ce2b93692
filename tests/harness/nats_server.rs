//! A NATS JetStream of one test's own, that can be stopped and started again on what it has stored.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    ports,
    process::{Process, Signal},
    wait::{PATIENCE, within},
};

const STARTS: usize = 5;

/// See the module's documentation. Ends with the test.
#[derive(Debug)]
pub struct NatsServer {
    /// Where it answers.
    pub url: String,
    port: u16,
    folder: PathBuf,
    process: Process,
}

impl NatsServer {
    /// Starts one.
    pub async fn start(folder: &Path) -> Self {
        for _ in 0..STARTS {
            if let Some(started) = Self::attempt(folder, ports::free()).await {
                return started;
            }
        }
        panic!("nats-server did not start; its log is nats.log in {}", folder.display())
    }

    /// Ends it as the signal does.
    pub async fn stop(&self, signal: Signal) {
        self.process.signal(signal);
        self.process.ended().await;
    }

    /// Starts it where it was.
    pub async fn start_again(&mut self) {
        *self = Self::attempt(&self.folder, self.port).await.expect("the port is free again");
    }

    async fn attempt(folder: &Path, port: u16) -> Option<Self> {
        let mut command = Command::new("nats-server");
        command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(folder.join("nats"));
        let process = Process::start("nats", &mut command, folder);
        let url = format!("nats://127.0.0.1:{port}");
        let up = within(PATIENCE, "an answer of NATS", || async {
            match process.exit() {
                Some(_) => Some(false),
                None => async_nats::connect(&url).await.ok().map(|_| true),
            }
        });
        let up = up.await;
        up.then(|| Self { url, port, folder: folder.to_owned(), process })
    }
}
