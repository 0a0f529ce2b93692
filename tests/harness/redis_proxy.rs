//! A wire between a process and a server, that can die without a word (bytes stop, and nobody is
//! told) or be cut: every connection ends, and new ones are refused until it is mended.

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

/// What a client of Redis says to listen.
const SUBSCRIBE: &[u8] = b"SUBSCRIBE";

/// See the module's documentation. Ends with the runtime of its test.
pub struct RedisWire {
    /// Where it leads to Redis.
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
    listens: AtomicBool,
    dead: AtomicBool,
}

impl RedisWire {
    /// A wire to this Redis.
    pub async fn to(url: &str) -> Self {
        let server = url.trim_start_matches("redis://").trim_end_matches('/');
        let server: SocketAddr = server.parse().expect("the tests' Redis is an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("redis://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared::default());
        let mut work = JoinSet::new();
        work.spawn(carry(listener, server, Arc::clone(&shared)));
        Self {
            url,
            shared,
            _work: work,
        }
    }

    /// Kills every connection that listens by now; how many there were. Later connections live.
    pub fn silence_listeners(&self) -> usize {
        let connections = self.shared.connections.lock();
        let listening = connections
            .iter()
            .filter(|one| one.listens.load(Ordering::Acquire));
        listening
            .filter(|one| !one.dead.swap(true, Ordering::AcqRel))
            .count()
    }

    /// Ends every connection; whoever connects is turned away.
    pub fn cut(&self) {
        self.shared.is_cut.send_replace(true);
    }

    /// Lets them connect again.
    pub fn mend(&self) {
        self.shared.is_cut.send_replace(false);
    }
}

async fn carry(listener: TcpListener, server: SocketAddr, shared: Arc<Shared>) {
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

/// Carries bytes one way. On a dead wire they vanish; the ends stay open.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    connection: Arc<Connection>,
    watches: bool,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if watches
            && bytes[..count]
                .windows(SUBSCRIBE.len())
                .any(|word| word.eq_ignore_ascii_case(SUBSCRIBE))
        {
            connection.listens.store(true, Ordering::Release);
        }
        if !connection.dead.load(Ordering::Acquire) && to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
    if connection.dead.load(Ordering::Acquire) {
        std::future::pending::<()>().await; // no FIN crosses a dead wire
    }
}
