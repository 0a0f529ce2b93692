//! The network between two parts: a TCP proxy on an own port that can be cut, carry nothing (half
//! open, in either direction), be slow, and lose, double or delay Pub/Sub messages.

mod messages;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

pub use self::messages::MessageFaults;
use self::messages::{Frames, is_message};

/// What a client of Redis says to listen.
const SUBSCRIBE: &[u8] = b"SUBSCRIBE";
/// Read at a time.
const CHUNK: usize = 64 * 1024;
/// Chunks that are under way in one direction; beyond, the sender waits.
const UNDER_WAY: usize = 64;
/// Longest wait for the far end to accept a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// What an edge carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    Whole,
    /// Nothing in either direction, and nobody is told. What was sent arrives once it is whole
    /// again.
    HalfOpen,
    /// No answers: what is asked arrives.
    AnswersLost,
}

impl Mode {
    const fn carries(self, direction: Direction) -> bool {
        match (self, direction) {
            (Self::Whole, _) | (Self::AnswersLost, Direction::Asked) => true,
            (Self::HalfOpen, _) | (Self::AnswersLost, Direction::Answered) => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Asked,
    Answered,
}

/// See the module's documentation. Ends when dropped.
#[derive(Debug)]
pub struct Edge {
    /// Where it listens.
    pub port: u16,
    state: Arc<State>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    targets: Mutex<Vec<u16>>,
    turn: AtomicUsize,
    mode: watch::Sender<Mode>,
    /// Raised to end all connections of the moment.
    cuts: watch::Sender<u64>,
    latency_ms: Mutex<(u64, u64)>,
    messages: Mutex<MessageFaults>,
    random: Mutex<StdRng>,
}

impl Edge {
    /// An edge to these ports of this machine, tried in turn.
    ///
    /// # Errors
    /// No free port.
    pub async fn to(targets: &[u16], seed: u64) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", stanchion_tests::ports::free())).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            targets: Mutex::new(targets.to_vec()),
            turn: AtomicUsize::new(0),
            mode: watch::Sender::new(Mode::Whole),
            cuts: watch::Sender::new(0),
            latency_ms: Mutex::new((0, 0)),
            messages: Mutex::default(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
        });

        let listening = tokio::spawn(listen(listener, Arc::clone(&state)));
        Ok(Self {
            port,
            state,
            listening,
        })
    }

    /// Carries this from now on.
    pub fn set(&self, mode: Mode) {
        self.state.mode.send_replace(mode);
    }

    /// Ends every connection; new ones are accepted.
    pub fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Everything takes at least this long, and at most so much longer, one way.
    pub fn delay(&self, at_least_ms: u64, jitter_ms: u64) {
        *self.state.latency_ms.lock() = (at_least_ms, jitter_ms);
    }

    /// What happens to Pub/Sub messages.
    pub fn disturb(&self, faults: MessageFaults) {
        *self.state.messages.lock() = faults;
    }

    /// Leads elsewhere from now on; the connections end.
    pub fn redirect(&self, targets: &[u16]) {
        *self.state.targets.lock() = targets.to_vec();
        self.cut();
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(carry(client, Arc::clone(&state)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(client: TcpStream, state: Arc<State>) {
    let mut cuts = state.cuts.subscribe();
    cuts.mark_unchanged();

    let mut mode = state.mode.subscribe();
    let carried = async {
        // Who connects while nothing is carried is accepted by the network, and the far end does
        // not hear of it.
        if mode.wait_for(|mode| *mode == Mode::Whole).await.is_err() {
            return;
        }
        let Some(server) = connect(&state).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true)); // slower at worst
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        let subscribed = AtomicBool::new(false);
        tokio::join!(
            way(
                from_client,
                to_server,
                Direction::Asked,
                &state,
                &subscribed
            ),
            way(
                from_server,
                to_client,
                Direction::Answered,
                &state,
                &subscribed
            ),
        );
    };

    tokio::select! {
        () = carried => {}
        _ = cuts.changed() => {}
    }
}

async fn connect(state: &State) -> Option<TcpStream> {
    let targets = state.targets.lock().clone();
    for _ in 0..targets.len() {
        let target = targets[state.turn.fetch_add(1, Ordering::Relaxed) % targets.len()];
        let connected =
            tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(("127.0.0.1", target))).await;
        if let Ok(Ok(server)) = connected {
            return Some(server);
        }
    }

    None
}

/// Carries bytes one way. They arrive in order, each chunk when it is due and the edge carries this
/// way.
async fn way(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    direction: Direction,
    state: &State,
    subscribed: &AtomicBool,
) {
    let (sent, received) = mpsc::channel(UNDER_WAY);
    tokio::join!(
        take(from, sent, direction, state, subscribed),
        deliver(to, received, direction, state)
    );
}

type Chunk = (Instant, Vec<u8>);

async fn take(
    mut from: OwnedReadHalf,
    sent: mpsc::Sender<Chunk>,
    direction: Direction,
    state: &State,
    subscribed: &AtomicBool,
) {
    let mut bytes = vec![0; CHUNK];
    let mut frames = Frames::default();

    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let read = &bytes[..count];
        if direction == Direction::Asked
            && read
                .windows(SUBSCRIBE.len())
                .any(|w| w.eq_ignore_ascii_case(SUBSCRIBE))
        {
            subscribed.store(true, Ordering::Release);
        }
        let due = Instant::now() + state.latency();
        let is_disturbed = direction == Direction::Answered && subscribed.load(Ordering::Acquire);
        let chunks = if is_disturbed {
            state.disturbed(&mut frames, read, due)
        } else {
            vec![(due, read.to_vec())]
        };
        for chunk in chunks {
            if sent.send(chunk).await.is_err() {
                return;
            }
        }
    }
}

async fn deliver(
    mut to: OwnedWriteHalf,
    mut received: mpsc::Receiver<Chunk>,
    direction: Direction,
    state: &State,
) {
    let mut mode = state.mode.subscribe();
    while let Some((due, bytes)) = received.recv().await {
        tokio::time::sleep_until(due).await;
        if mode.wait_for(|mode| mode.carries(direction)).await.is_err()
            || to.write_all(&bytes).await.is_err()
        {
            return;
        }
    }

    // The end of a connection does not cross an edge that carries nothing either.
    if mode.wait_for(|mode| mode.carries(direction)).await.is_ok() {
        let _ = to.shutdown().await; // it may have ended
    }
}

impl State {
    fn latency(&self) -> Duration {
        let (at_least, jitter) = *self.latency_ms.lock();
        let more = if jitter == 0 {
            0
        } else {
            self.random.lock().random_range(0..jitter)
        };
        Duration::from_millis(at_least + more)
    }

    /// What becomes of the messages among these bytes. A late one holds up those behind it, as a
    /// connection does.
    fn disturbed(&self, frames: &mut Frames, read: &[u8], due: Instant) -> Vec<Chunk> {
        let faults = *self.messages.lock();
        let mut random = self.random.lock();
        let mut chunks = Vec::new();

        for frame in frames.add(read) {
            if !is_message(&frame) {
                chunks.push((due, frame));
                continue;
            }
            if random.random_bool(faults.lost) {
                continue;
            }
            let due = if random.random_bool(faults.late) {
                due + faults.late_by
            } else {
                due
            };
            if random.random_bool(faults.doubled) {
                chunks.push((due, frame.clone()));
            }
            chunks.push((due, frame));
        }

        chunks
    }
}

#[cfg(test)]
mod tests;
