//! One subscriber connection to one shard.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ProtocolVersion, PushInfo,
    PushKind, RedisResult, Value, aio::MultiplexedConnection,
};
use tokio::sync::mpsc;

use super::map::Address;
use crate::redis_servers::{CONNECT_DEADLINE, DEADLINE};

/// What an ear says.
#[derive(Debug)]
pub(super) enum Word {
    /// A message on a channel of this lane.
    Message { lane: usize, payload: Vec<u8> },
    /// The ear does not hear everything any more.
    Lost { ear: u64 },
}

/// Where all ears of a listener say it. Bounded: what does not fit is lost, and known to be lost.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    words: mpsc::Sender<Word>,
    missed: Arc<AtomicBool>,
}

impl Inbox {
    pub(super) fn new(capacity: usize) -> (Self, mpsc::Receiver<Word>) {
        let (words, receiver) = mpsc::channel(capacity);
        (
            Self {
                words,
                missed: Arc::default(),
            },
            receiver,
        )
    }

    fn put(&self, word: Word) {
        if self.words.try_send(word).is_err() {
            self.missed.store(true, Ordering::Relaxed);
        }
    }

    /// Was anything lost since this was last asked?
    pub(super) fn has_missed(&self) -> bool {
        self.missed.swap(false, Ordering::Relaxed)
    }
}

/// See the module's documentation. Closed when dropped.
pub(super) struct Ear {
    /// Told apart from its predecessors by this.
    pub(super) name: u64,
    pub(super) address: Address,
    pub(super) lanes: Vec<usize>,
    #[expect(
        dead_code,
        reason = "held for its end: dropping it closes the connection"
    )]
    connection: MultiplexedConnection,
}

static NAMES: AtomicU64 = AtomicU64::new(0);

impl Ear {
    /// Connects to a shard's primary and subscribes to these channels, each of a lane; returns once
    /// the shard has confirmed all.
    pub(super) async fn open(
        servers: &[ConnectionInfo],
        address: Address,
        channels: Vec<(String, usize)>,
        inbox: Inbox,
    ) -> RedisResult<Self> {
        let name = NAMES.fetch_add(1, Ordering::Relaxed);
        let client = Client::open(of_shard(&servers[0], address.clone()))?;
        let lanes: HashMap<Vec<u8>, usize> = channels
            .iter()
            .map(|(channel, lane)| (channel.clone().into_bytes(), *lane))
            .collect();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_DEADLINE))
            .set_response_timeout(Some(DEADLINE))
            .set_push_sender(move |push| -> Result<(), ()> {
                pass_on(name, &lanes, push, &inbox);
                Ok(())
            });
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        for (channel, _) in &channels {
            let (): () = redis::cmd("SSUBSCRIBE")
                .arg(channel)
                .query_async(&mut connection)
                .await?;
        }
        let mut lanes: Vec<usize> = channels.into_iter().map(|(_, lane)| lane).collect();
        lanes.dedup();
        Ok(Self {
            name,
            address,
            lanes,
            connection,
        })
    }
}

/// The user and the password are the same for every server.
fn of_shard(server: &ConnectionInfo, (host, port): Address) -> ConnectionInfo {
    let settings = server
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP3);
    server
        .clone()
        .set_addr(ConnectionAddr::Tcp(host, port))
        .set_redis_settings(settings)
}

fn pass_on(ear: u64, lanes: &HashMap<Vec<u8>, usize>, push: PushInfo, inbox: &Inbox) {
    match (push.kind, &push.data[..]) {
        (PushKind::SMessage, [Value::BulkString(channel), Value::BulkString(payload)]) => {
            if let Some(lane) = lanes.get(channel) {
                inbox.put(Word::Message {
                    lane: *lane,
                    payload: payload.clone(),
                });
            }
        }
        (PushKind::SUnsubscribe | PushKind::Disconnection, _) => inbox.put(Word::Lost { ear }),
        _ => {}
    }
}
