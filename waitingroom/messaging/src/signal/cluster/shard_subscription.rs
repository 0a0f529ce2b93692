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
use waitingroom_engine::redis_connection::{CONNECT_TIMEOUT, REDIS_TIMEOUT};

use super::slots::Address;

/// What an subscription says.
#[derive(Debug)]
pub(super) enum ShardEvent {
    /// A message on a channel of this partition.
    Message { partition: usize, payload: Vec<u8> },
    /// The subscription may miss messages from now on.
    Lost { subscription: u64 },
}

/// The inbox of all subscriptions of a listener. Bounded: what does not fit is lost, and known to
/// be lost.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    events: mpsc::Sender<ShardEvent>,
    missed: Arc<AtomicBool>,
}

impl Inbox {
    pub(super) fn new(capacity: usize) -> (Self, mpsc::Receiver<ShardEvent>) {
        let (events, receiver) = mpsc::channel(capacity);
        (
            Self {
                events,
                missed: Arc::default(),
            },
            receiver,
        )
    }

    fn push(&self, event: ShardEvent) {
        if self.events.try_send(event).is_err() {
            self.missed.store(true, Ordering::Relaxed);
        }
    }

    /// Was anything lost since this was last asked?
    pub(super) fn take_missed(&self) -> bool {
        self.missed.swap(false, Ordering::Relaxed)
    }
}

/// See the module's documentation. Closed when dropped.
pub(super) struct ShardSubscription {
    /// Distinguishes it from its predecessors.
    pub(super) id: u64,
    pub(super) address: Address,
    pub(super) partitions: Vec<usize>,
    #[expect(
        dead_code,
        reason = "held for its end: dropping it closes the connection"
    )]
    connection: MultiplexedConnection,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl ShardSubscription {
    /// Connects to a shard's primary and subscribes to these channels, each of a partition; returns
    /// once the shard has confirmed all.
    pub(super) async fn open(
        servers: &[ConnectionInfo],
        address: Address,
        channels: Vec<(String, usize)>,
        inbox: Inbox,
    ) -> RedisResult<Self> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let client = Client::open(shard_address(&servers[0], address.clone()))?;
        let partitions: HashMap<Vec<u8>, usize> = channels
            .iter()
            .map(|(channel, partition)| (channel.clone().into_bytes(), *partition))
            .collect();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(REDIS_TIMEOUT))
            .set_push_sender(move |push| -> Result<(), ()> {
                forward(id, &partitions, push, &inbox);
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

        let mut partitions: Vec<usize> = channels
            .into_iter()
            .map(|(_, partition)| partition)
            .collect();
        partitions.dedup();

        Ok(Self {
            id,
            address,
            partitions,
            connection,
        })
    }
}

/// The user and the password are the same for every server.
fn shard_address(server: &ConnectionInfo, (host, port): Address) -> ConnectionInfo {
    let settings = server
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP3);
    server
        .clone()
        .set_addr(ConnectionAddr::Tcp(host, port))
        .set_redis_settings(settings)
}

fn forward(subscription: u64, partitions: &HashMap<Vec<u8>, usize>, push: PushInfo, inbox: &Inbox) {
    match (push.kind, &push.data[..]) {
        (PushKind::SMessage, [Value::BulkString(channel), Value::BulkString(payload)]) => {
            if let Some(partition) = partitions.get(channel) {
                inbox.push(ShardEvent::Message {
                    partition: *partition,
                    payload: payload.clone(),
                });
            }
        }
        (PushKind::SUnsubscribe | PushKind::Disconnection, _) => {
            inbox.push(ShardEvent::Lost { subscription })
        }
        _ => {}
    }
}
