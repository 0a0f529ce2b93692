//! A NATS JetStream of one test's own.

use std::{path::Path, process::Command};

use crate::{
    process::Signal,
    server_process::{Program, ServerProcess},
};

/// See the module's documentation.
pub type NatsServer = ServerProcess<Nats>;

/// With JetStream.
#[derive(Debug)]
pub struct Nats;

impl Program for Nats {
    const NAME: &'static str = "nats";
    const END: Signal = Signal::Kill;

    fn command(folder: &Path, port: u16) -> Command {
        let mut command = Command::new("nats-server");
        command
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
            .arg(folder.join(Self::NAME));
        command
    }

    fn url(port: u16) -> String {
        format!("nats://127.0.0.1:{port}")
    }

    async fn answers(url: &str) -> bool {
        async_nats::connect(url).await.is_ok()
    }
}
