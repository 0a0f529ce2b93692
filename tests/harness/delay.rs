//! A proxy between a process and its server that delays requests: a slow network, or a slow server.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// See the module's documentation. Ends when dropped.
#[derive(Debug)]
pub struct Delay {
    /// Where it listens.
    pub port: u16,
    delay: Arc<watch::Sender<Duration>>,
    listening: JoinHandle<()>,
}

impl Delay {
    /// In front of this server (`host:port`), letting nothing wait.
    pub async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener
            .local_addr()
            .expect("a bound listener has an address")
            .port();
        let delay = Arc::new(watch::Sender::new(Duration::ZERO));
        let listening = tokio::spawn(listen(listener, server, Arc::clone(&delay)));

        Self {
            port,
            delay,
            listening,
        }
    }

    /// Lets everything that is asked from now on wait for this long; what waits already goes on at
    /// once when it is less.
    pub fn set(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, server: String, delay: Arc<watch::Sender<Duration>>) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&server).await else {
            continue;
        };
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        tokio::spawn(carry(from_client, to_server, Some(delay.subscribe())));
        tokio::spawn(carry(from_server, to_client, None));
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut delay: Option<watch::Receiver<Duration>>,
) {
    let mut bytes = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if let Some(delay) = &mut delay {
            wait(delay).await;
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

async fn wait(delay: &mut watch::Receiver<Duration>) {
    let began = tokio::time::Instant::now();
    loop {
        let until = began + *delay.borrow_and_update();
        tokio::select! {
            () = tokio::time::sleep_until(until) => return,
            changed = delay.changed() => if changed.is_err() { return },
        }
    }
}
