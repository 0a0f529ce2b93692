//! Signals over a Redis Cluster: sharded Pub/Sub, and for each node one subscriber connection to
//! each shard.
//!
//! Channels are laid out in 16 partitions. A partition is a hash tag, so its channels lie in one
//! slot and on one shard; an event's signals take the partition that its id names, whichever shard
//! the event itself is on. A node listens to two channels of each partition, its own and
//! everyone's. Probes take every partition. A partition that is silent, unsubscribed by its shard,
//! or cut off is subscribed again where its slot is then, while the others are heard; afterwards a
//! gap is reported.

mod shard_subscription;
mod slots;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::{BoxFuture, join_all, try_join_all};
use parking_lot::Mutex;
use redis::ConnectionInfo;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use waitingroom_domain::ids::{EventId, NodeId};
use waitingroom_engine::redis_connection::{REDIS_TIMEOUT, RedisConnection};

use self::{
    shard_subscription::{Inbox, ShardEvent, ShardSubscription},
    slots::{Address, addresses_of},
};
use super::{Listener, ListenerEvent, Recipient, Signal, SignalError, Signals};

/// Enough that each shard carries some of the events; each costs a node two subscriptions and two
/// probes a second.
const PARTITIONS: usize = 16;
/// Pause before another attempt to subscribe.
const RESUBSCRIBE_PAUSE: Duration = Duration::from_millis(250);
/// Longest wait for a partition before another one is taken, and how many are tried.
const PUBLISH_TIMEOUT: Duration = Duration::from_millis(500);
const MAX_PUBLISH_ATTEMPTS: usize = 4;
/// A partition that did not answer is not tried again for this long.
const RETRY_DEAD_AFTER: Duration = Duration::from_secs(2);
/// A partition without any message for this long is taken for dead: probes arrive twice a second.
const PARTITION_SILENCE_TIMEOUT: Duration = Duration::from_millis(2_000);
/// Messages that wait to be read; beyond it, a shard is subscribed to anew, and a gap reported.
const INBOX_CAPACITY: usize = 4_096;

/// See the module's documentation.
#[derive(Clone)]
pub struct ClusterSignals {
    servers: Vec<ConnectionInfo>,
    commands: RedisConnection,
    prefix: String,
    /// Until when each partition is left alone, because its shard did not answer.
    dead: Arc<Mutex<[Option<Instant>; PARTITIONS]>>,
}

impl ClusterSignals {
    /// Signals under `prefix`, sent over `commands` (shared with the engine), heard from the
    /// cluster of these servers.
    pub fn new(servers: Vec<ConnectionInfo>, commands: RedisConnection, prefix: &str) -> Self {
        Self {
            servers,
            commands,
            prefix: prefix.to_owned(),
            dead: Arc::default(),
        }
    }

    fn channel(&self, partition: usize, recipient: &Recipient) -> String {
        match recipient {
            Recipient::Node(node) => format!("{}:{{lane-{partition}}}:node:{node}", self.prefix),
            Recipient::AllNodes => format!("{}:{{lane-{partition}}}:everyone", self.prefix),
        }
    }

    /// Publishes messages of one partition, in order; how many nodes each reached. Every node
    /// listens to every partition: while the shard of this one does not answer, the next partitions
    /// carry its messages.
    async fn publish(
        &self,
        partition: usize,
        messages: &[(&Recipient, Vec<u8>)],
    ) -> Result<Vec<u64>, SignalError> {
        let mut last = SignalError("no partition of the cluster answers".into());
        let partitions = (0..PARTITIONS)
            .map(|further| (partition + further) % PARTITIONS)
            .filter(|partition| self.is_alive(*partition));

        for partition in partitions
            .collect::<Vec<_>>()
            .into_iter()
            .take(MAX_PUBLISH_ATTEMPTS)
        {
            match self.publish_on(partition, messages, PUBLISH_TIMEOUT).await {
                Ok(reached) => return Ok(reached),
                Err(error) => last = error,
            }
        }

        Err(last)
    }

    async fn publish_on(
        &self,
        partition: usize,
        messages: &[(&Recipient, Vec<u8>)],
        publish_timeout: Duration,
    ) -> Result<Vec<u64>, SignalError> {
        let mut pipeline = redis::pipe();
        for (recipient, payload) in messages {
            pipeline
                .cmd("SPUBLISH")
                .arg(self.channel(partition, recipient))
                .arg(payload);
        }

        let mut commands = self.commands.clone();
        let sent = timeout(publish_timeout, pipeline.query_async(&mut commands)).await;
        let sent = sent
            .unwrap_or_else(|_| Err((redis::ErrorKind::Io, "Redis did not answer in time").into()));

        self.dead.lock()[partition] = sent.is_err().then(|| Instant::now() + RETRY_DEAD_AFTER);
        sent.map_err(failed)
    }

    fn is_alive(&self, partition: usize) -> bool {
        self.dead.lock()[partition].is_none_or(|until| until <= Instant::now())
    }

    /// Over every partition; the most nodes that one of them reached.
    async fn probe(&self, recipient: &Recipient, signal: &Signal) -> Result<u64, SignalError> {
        let payload = serde_json::to_vec(signal).map_err(|error| SignalError(error.to_string()))?;
        let messages = [(recipient, payload)];
        let partitions =
            (0..PARTITIONS).map(|partition| self.publish_on(partition, &messages, REDIS_TIMEOUT));
        let mut most = Err(SignalError("no partition of the cluster answers".into()));

        for reached in join_all(partitions).await {
            match (reached, &most) {
                (Ok(reached), _) => {
                    most = Ok(reached.into_iter().chain(most).max().unwrap_or_default())
                }
                (Err(error), Err(_)) => most = Err(error),
                (Err(_), Ok(_)) => {}
            }
        }

        most
    }

    /// Subscribes to these partitions, each where its slot is now. A shard that is listened to
    /// already gets one new connection for all of its partitions, so that it never has two for
    /// long.
    async fn subscribe(
        self,
        node: NodeId,
        partitions: Vec<usize>,
        listening: Vec<(Address, Vec<usize>)>,
        inbox: Inbox,
    ) -> Result<Vec<ShardSubscription>, SignalError> {
        let tags: Vec<String> = partitions
            .iter()
            .map(|partition| format!("lane-{partition}"))
            .collect();
        let addresses = addresses_of(&tags, &self.commands).await.map_err(failed)?;
        let mut shards: BTreeMap<Address, Vec<usize>> = BTreeMap::new();

        for (partition, address) in partitions.into_iter().zip(addresses) {
            shards.entry(address).or_default().push(partition);
        }

        for (address, partitions) in listening {
            shards
                .entry(address)
                .and_modify(|shard| shard.extend(partitions));
        }

        let recipients = [Recipient::Node(node), Recipient::AllNodes];
        let subscriptions = shards.into_iter().map(|(address, partitions)| {
            let both = partitions.into_iter().flat_map(|partition| {
                recipients
                    .each_ref()
                    .map(|recipient| (self.channel(partition, recipient), partition))
            });
            ShardSubscription::open(&self.servers, address, both.collect(), inbox.clone())
        });
        try_join_all(subscriptions).await.map_err(failed)
    }
}

/// The partition of a signal; none for a probe, which takes all.
fn partition_of(signal: &Signal) -> Option<usize> {
    let partition = |event: &EventId| (event.uuid().as_u128() % PARTITIONS as u128) as usize;
    match signal {
        Signal::Passes { event_id, .. }
        | Signal::Removals { event_id, .. }
        | Signal::Sale { event_id, .. } => Some(partition(event_id)),
        Signal::Progress(progress) => Some(partition(&progress.event_id)),
        Signal::Probe { .. } => None,
    }
}

#[async_trait]
impl Signals for ClusterSignals {
    /// In the order of one sender for each event. A probe takes every partition, and reaches a node
    /// that it reaches on any: a node whose other partitions are silent subscribes to them again,
    /// while senders go around those whose shard is away.
    async fn send(&self, signals: &[(Recipient, Signal)]) -> Result<Vec<u64>, SignalError> {
        let mut partitions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut reached = vec![0; signals.len()];

        for (index, (recipient, signal)) in signals.iter().enumerate() {
            match partition_of(signal) {
                Some(partition) => partitions.entry(partition).or_default().push(index),
                None => reached[index] = self.probe(recipient, signal).await?,
            }
        }

        let sending = partitions
            .into_iter()
            .map(|(partition, indexes)| async move {
                let message = |index: &usize| {
                    let (recipient, signal) = &signals[*index];
                    Ok((
                        recipient,
                        serde_json::to_vec(signal)
                            .map_err(|error| SignalError(error.to_string()))?,
                    ))
                };
                let messages = indexes
                    .iter()
                    .map(message)
                    .collect::<Result<Vec<_>, SignalError>>()?;
                Ok::<_, SignalError>((self.publish(partition, &messages).await?, indexes))
            });

        for (counts, indexes) in try_join_all(sending).await? {
            indexes
                .into_iter()
                .zip(counts)
                .for_each(|(index, count)| reached[index] = count);
        }

        Ok(reached)
    }

    async fn listen(&self, node: &NodeId) -> Result<Box<dyn Listener>, SignalError> {
        let (inbox, events) = Inbox::new(INBOX_CAPACITY);
        let partitions = (0..PARTITIONS).collect();
        let subscriptions =
            self.clone()
                .subscribe(node.clone(), partitions, Vec::new(), inbox.clone());
        let subscriptions = timeout(REDIS_TIMEOUT, subscriptions)
            .await
            .map_err(|_| SignalError("Redis did not answer in time".into()))??;
        let (signals, node) = (self.clone(), node.clone());
        let last_received_at = [Instant::now(); PARTITIONS];

        Ok(Box::new(ClusterListener {
            signals,
            node,
            inbox,
            events,
            subscriptions,
            last_received_at,
            resubscription: None,
        }))
    }
}

type Resubscription = BoxFuture<'static, Result<Vec<ShardSubscription>, SignalError>>;

struct ClusterListener {
    signals: ClusterSignals,
    node: NodeId,
    inbox: Inbox,
    events: mpsc::Receiver<ShardEvent>,
    subscriptions: Vec<ShardSubscription>,
    last_received_at: [Instant; PARTITIONS],
    resubscription: Option<Resubscription>,
}

#[async_trait]
impl Listener for ClusterListener {
    async fn next(&mut self) -> ListenerEvent {
        loop {
            self.resubscribe();
            let silence = self.silence_deadline();
            tokio::select! {
                Some(event) = self.events.recv() => if let Some(signal) = self.on_shard_event(event) {
                    return signal;
                },
                on_resubscribed = on_resubscribed(&mut self.resubscription) => {
                    self.resubscription = None;
                    match on_resubscribed {
                        Ok(subscriptions) => {
                            self.replace_subscriptions(subscriptions);
                            return ListenerEvent::Gap;
                        }
                        Err(error) => tracing::warn!(%error, "cluster subscribe failed"),
                    }
                }
                () = sleep_until(silence) => self.drop_silent_shards(),
            }
        }
    }
}

async fn on_resubscribed(
    resubscription: &mut Option<Resubscription>,
) -> Result<Vec<ShardSubscription>, SignalError> {
    match resubscription {
        Some(resubscription) => resubscription.await,
        None => std::future::pending().await,
    }
}

impl ClusterListener {
    fn on_shard_event(&mut self, event: ShardEvent) -> Option<ListenerEvent> {
        if self.inbox.take_missed() {
            return Some(ListenerEvent::Gap);
        }

        match event {
            ShardEvent::Message { partition, payload } => {
                self.last_received_at[partition] = Instant::now();
                match serde_json::from_slice(&payload) {
                    Ok(signal) => return Some(ListenerEvent::Signal(Box::new(signal))),
                    Err(error) => tracing::warn!(%error, "failed to decode signal"),
                }
            }
            ShardEvent::Lost { subscription } => {
                self.subscriptions.retain(|known| known.id != subscription)
            }
        }

        None
    }

    /// Lanes that unassigned listens to.
    fn missing(&self) -> Vec<usize> {
        (0..PARTITIONS)
            .filter(|partition| {
                !self
                    .subscriptions
                    .iter()
                    .any(|subscription| subscription.partitions.contains(partition))
            })
            .collect()
    }

    /// Begins to subscribe to the missing partitions, unless that is under way.
    fn resubscribe(&mut self) {
        let missing = self.missing();
        if self.resubscription.is_some() || missing.is_empty() {
            return;
        }

        tracing::warn!(
            partitions = missing.len(),
            "no heartbeat on some partitions; resubscribing"
        );

        let listening = self
            .subscriptions
            .iter()
            .map(|subscription| {
                (
                    subscription.address.clone(),
                    subscription.partitions.clone(),
                )
            })
            .collect();
        let (signals, node, inbox) = (self.signals.clone(), self.node.clone(), self.inbox.clone());

        self.resubscription = Some(Box::pin(async move {
            sleep(RESUBSCRIBE_PAUSE).await;
            let subscriptions = timeout(
                REDIS_TIMEOUT,
                signals.subscribe(node, missing, listening, inbox),
            )
            .await;
            subscriptions
                .unwrap_or_else(|_| Err(SignalError("Redis did not answer in time".into())))
        }));
    }

    /// Replaces the subscriptions of the same partitions by new ones.
    fn replace_subscriptions(&mut self, subscriptions: Vec<ShardSubscription>) {
        for subscription in subscriptions {
            subscription
                .partitions
                .iter()
                .for_each(|partition| self.last_received_at[*partition] = Instant::now());
            self.subscriptions.retain(|known| {
                !known
                    .partitions
                    .iter()
                    .any(|partition| subscription.partitions.contains(partition))
            });
            self.subscriptions.push(subscription);
        }
    }

    fn silence_deadline(&self) -> Instant {
        let heard = self
            .subscriptions
            .iter()
            .flat_map(|subscription| &subscription.partitions)
            .map(|partition| self.last_received_at[*partition])
            .min();
        heard.unwrap_or_else(Instant::now) + PARTITION_SILENCE_TIMEOUT
    }

    fn drop_silent_shards(&mut self) {
        let last_received_at = self.last_received_at;
        self.subscriptions.retain(|subscription| {
            subscription
                .partitions
                .iter()
                .all(|partition| last_received_at[*partition].elapsed() < PARTITION_SILENCE_TIMEOUT)
        });
    }
}

fn failed(error: redis::RedisError) -> SignalError {
    SignalError(error.to_string())
}
