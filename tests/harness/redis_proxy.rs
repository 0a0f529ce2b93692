//! A proxy between a process and Redis that can fail silently (bytes stop, connections stay open)
//! or cut its connections: each ends, and new ones are refused until it is restored.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::join;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// The command that makes a connection a subscriber.
const SUBSCRIBE: &[u8] = b"SUBSCRIBE";

/// See the module's documentation. Ends with the runtime of its test.
pub struct RedisProxy {
    /// The address that forwards to Redis.
    pub url: String,
    shared: Arc<Shared>,
    _work: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    connections: parking_lot::Mutex<Vec<Arc<Connection>>>,
    is_cut: watch::Sender<bool>,
}

#[derive(Default)]
struct Connection {
    is_subscriber: AtomicBool,
    is_silent: AtomicBool,
}

impl RedisProxy {
    /// Starts one in front of this Redis.
    pub async fn start(url: &str) -> Self {
        let server = url.trim_start_matches("redis://").trim_end_matches('/');
        let server: SocketAddr = server.parse().expect("the tests' Redis is an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("redis://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared::default());
        let mut work = JoinSet::new();

        work.spawn(accept(listener, server, Arc::clone(&shared)));
        Self {
            url,
            shared,
            _work: work,
        }
    }

    /// Silences every connection that is a subscriber by now; returns how many. Later connections
    /// are forwarded.
    pub fn silence_subscribers(&self) -> usize {
        let connections = self.shared.connections.lock();
        let subscribers = connections
            .iter()
            .filter(|one| one.is_subscriber.load(Ordering::Acquire));
        subscribers
            .filter(|one| !one.is_silent.swap(true, Ordering::AcqRel))
            .count()
    }

    /// Ends every connection, and refuses new ones.
    pub fn cut(&self) {
        self.shared.is_cut.send_replace(true);
    }

    /// Accepts connections again.
    pub fn restore(&self) {
        self.shared.is_cut.send_replace(false);
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, shared: Arc<Shared>) {
    let mut work = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let mut is_cut = shared.is_cut.subscribe();
        if *is_cut.borrow() {
            continue;
        }
        let Ok(server) = TcpStream::connect(server).await else {
            continue;
        };
        let connection = Arc::new(Connection::default());
        shared.connections.lock().push(Arc::clone(&connection));
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        let both = join(
            copy(from_client, to_server, Arc::clone(&connection), true),
            copy(from_server, to_client, connection, false),
        );
        work.spawn(async move {
            tokio::select! { _ = both => {}, _ = is_cut.wait_for(|is_cut| *is_cut) => {} }
        });
    }
}

/// Forwards bytes in one direction. On a silent connection they vanish, and both ends stay open.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    connection: Arc<Connection>,
    is_from_client: bool,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if is_from_client
            && bytes[..count]
                .windows(SUBSCRIBE.len())
                .any(|word| word.eq_ignore_ascii_case(SUBSCRIBE))
        {
            connection.is_subscriber.store(true, Ordering::Release);
        }
        if !connection.is_silent.load(Ordering::Acquire)
            && to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }

    if connection.is_silent.load(Ordering::Acquire) {
        std::future::pending::<()>().await; // a silent connection forwards no FIN
    }
}
