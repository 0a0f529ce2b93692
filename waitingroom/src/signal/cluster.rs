//! Signals over a Redis Cluster: sharded Pub/Sub, and for each node one subscriber connection to
//! each shard.
//!
//! Channels are laid out in 16 lanes. A lane is a hash tag, so its channels lie in one slot and on
//! one shard; an event's signals take the lane that its id names, whichever shard the event itself
//! is on. A node listens to two channels of each lane, its own and everyone's. Probes take every
//! lane. A lane that is silent, unsubscribed by its shard, or cut off is subscribed again where its
//! slot is then, while the others are heard; afterwards a gap is reported.

mod ear;
mod map;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::{BoxFuture, join_all, try_join_all};
use parking_lot::Mutex;
use redis::ConnectionInfo;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};

use self::{
    ear::{Ear, Inbox, Word},
    map::{Address, addresses_of},
};
use super::{Heard, Listener, Recipient, Signal, SignalError, Signals};
use crate::{
    ids::{EventId, NodeId},
    redis_servers::{DEADLINE, RedisConnection},
};

/// Enough that each shard carries some of the events; each costs a node two subscriptions and two
/// probes a second.
const LANES: usize = 16;
/// Pause before another attempt to subscribe.
const RETRY: Duration = Duration::from_millis(250);
/// Longest wait for a lane before another one is taken, and how many are tried.
const PATIENCE: Duration = Duration::from_millis(500);
const DETOURS: usize = 4;
/// A lane that did not answer is not tried again for this long.
const AVOIDED: Duration = Duration::from_secs(2);
/// A lane without any message for this long is taken for dead: probes arrive twice a second.
const SILENCE: Duration = Duration::from_millis(2_000);
/// Messages that wait to be read; beyond it, a shard is subscribed to anew, and a gap reported.
const UNREAD: usize = 4_096;

/// See the module's documentation.
#[derive(Clone)]
pub struct ClusterSignals {
    servers: Vec<ConnectionInfo>,
    commands: RedisConnection,
    prefix: String,
    /// Until when each lane is left alone, because its shard did not answer.
    dead: Arc<Mutex<[Option<Instant>; LANES]>>,
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

    fn channel(&self, lane: usize, recipient: &Recipient) -> String {
        match recipient {
            Recipient::Node(node) => format!("{}:{{lane-{lane}}}:node:{node}", self.prefix),
            Recipient::Everyone => format!("{}:{{lane-{lane}}}:everyone", self.prefix),
        }
    }

    /// Publishes messages of one lane, in order; how many nodes each reached. Every node listens to
    /// every lane: while the shard of this one does not answer, the next lanes carry its messages.
    async fn publish(
        &self,
        lane: usize,
        messages: &[(&Recipient, Vec<u8>)],
    ) -> Result<Vec<u64>, SignalError> {
        let mut last = SignalError("no lane of the cluster answers".into());
        let lanes = (0..LANES)
            .map(|further| (lane + further) % LANES)
            .filter(|lane| self.is_alive(*lane));
        for lane in lanes.collect::<Vec<_>>().into_iter().take(DETOURS) {
            match self.publish_on(lane, messages, PATIENCE).await {
                Ok(reached) => return Ok(reached),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn publish_on(
        &self,
        lane: usize,
        messages: &[(&Recipient, Vec<u8>)],
        patience: Duration,
    ) -> Result<Vec<u64>, SignalError> {
        let mut pipeline = redis::pipe();
        for (recipient, payload) in messages {
            pipeline
                .cmd("SPUBLISH")
                .arg(self.channel(lane, recipient))
                .arg(payload);
        }
        let mut commands = self.commands.clone();
        let sent = timeout(patience, pipeline.query_async(&mut commands)).await;
        let sent = sent
            .unwrap_or_else(|_| Err((redis::ErrorKind::Io, "Redis did not answer in time").into()));
        self.dead.lock()[lane] = sent.is_err().then(|| Instant::now() + AVOIDED);
        sent.map_err(failed)
    }

    fn is_alive(&self, lane: usize) -> bool {
        self.dead.lock()[lane].is_none_or(|until| until <= Instant::now())
    }

    /// Over every lane; the most nodes that one of them reached.
    async fn probe(&self, recipient: &Recipient, signal: &Signal) -> Result<u64, SignalError> {
        let payload = serde_json::to_vec(signal).map_err(|error| SignalError(error.to_string()))?;
        let messages = [(recipient, payload)];
        let lanes = (0..LANES).map(|lane| self.publish_on(lane, &messages, DEADLINE));
        let mut most = Err(SignalError("no lane of the cluster answers".into()));
        for reached in join_all(lanes).await {
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

    /// Subscribes to these lanes, each where its slot is now. A shard that is listened to already
    /// gets one new connection for all of its lanes, so that it never has two for long.
    async fn subscribe(
        self,
        node: NodeId,
        lanes: Vec<usize>,
        listening: Vec<(Address, Vec<usize>)>,
        inbox: Inbox,
    ) -> Result<Vec<Ear>, SignalError> {
        let tags: Vec<String> = lanes.iter().map(|lane| format!("lane-{lane}")).collect();
        let addresses = addresses_of(&tags, &self.commands).await.map_err(failed)?;
        let mut shards: BTreeMap<Address, Vec<usize>> = BTreeMap::new();
        for (lane, address) in lanes.into_iter().zip(addresses) {
            shards.entry(address).or_default().push(lane);
        }
        for (address, lanes) in listening {
            shards
                .entry(address)
                .and_modify(|shard| shard.extend(lanes));
        }
        let recipients = [Recipient::Node(node), Recipient::Everyone];
        let ears = shards.into_iter().map(|(address, lanes)| {
            let both = lanes.into_iter().flat_map(|lane| {
                recipients
                    .each_ref()
                    .map(|recipient| (self.channel(lane, recipient), lane))
            });
            Ear::open(&self.servers, address, both.collect(), inbox.clone())
        });
        try_join_all(ears).await.map_err(failed)
    }
}

/// The lane of a signal; none for a probe, which takes all.
fn lane_of(signal: &Signal) -> Option<usize> {
    let lane = |event: &EventId| (event.uuid().as_u128() % LANES as u128) as usize;
    match signal {
        Signal::Passes { event_id, .. }
        | Signal::Lapsed { event_id, .. }
        | Signal::Sale { event_id, .. } => Some(lane(event_id)),
        Signal::Progress(progress) => Some(lane(&progress.event_id)),
        Signal::Probe { .. } => None,
    }
}

#[async_trait]
impl Signals for ClusterSignals {
    /// In the order of one sender for each event. A probe takes every lane, and reaches a node that
    /// it reaches on any: a node whose other lanes are silent subscribes to them again, while
    /// senders go around those whose shard is away.
    async fn send(&self, signals: &[(Recipient, Signal)]) -> Result<Vec<u64>, SignalError> {
        let mut lanes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut reached = vec![0; signals.len()];
        for (index, (recipient, signal)) in signals.iter().enumerate() {
            match lane_of(signal) {
                Some(lane) => lanes.entry(lane).or_default().push(index),
                None => reached[index] = self.probe(recipient, signal).await?,
            }
        }
        let sending = lanes.into_iter().map(|(lane, indexes)| async move {
            let message = |index: &usize| {
                let (recipient, signal) = &signals[*index];
                Ok((
                    recipient,
                    serde_json::to_vec(signal).map_err(|error| SignalError(error.to_string()))?,
                ))
            };
            let messages = indexes
                .iter()
                .map(message)
                .collect::<Result<Vec<_>, SignalError>>()?;
            Ok::<_, SignalError>((self.publish(lane, &messages).await?, indexes))
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
        let (inbox, words) = Inbox::new(UNREAD);
        let lanes = (0..LANES).collect();
        let ears = self
            .clone()
            .subscribe(node.clone(), lanes, Vec::new(), inbox.clone());
        let ears = timeout(DEADLINE, ears)
            .await
            .map_err(|_| SignalError("Redis did not answer in time".into()))??;
        let (signals, node) = (self.clone(), node.clone());
        let heard_at = [Instant::now(); LANES];
        Ok(Box::new(ClusterListener {
            signals,
            node,
            inbox,
            words,
            ears,
            heard_at,
            mending: None,
        }))
    }
}

type Mending = BoxFuture<'static, Result<Vec<Ear>, SignalError>>;

struct ClusterListener {
    signals: ClusterSignals,
    node: NodeId,
    inbox: Inbox,
    words: mpsc::Receiver<Word>,
    ears: Vec<Ear>,
    heard_at: [Instant; LANES],
    mending: Option<Mending>,
}

#[async_trait]
impl Listener for ClusterListener {
    async fn next(&mut self) -> Heard {
        loop {
            self.mend();
            let silence = self.first_silence();
            tokio::select! {
                Some(word) = self.words.recv() => if let Some(signal) = self.hear(word) {
                    return signal;
                },
                mended = mended(&mut self.mending) => {
                    self.mending = None;
                    match mended {
                        Ok(ears) => {
                            self.take(ears);
                            return Heard::Gap;
                        }
                        Err(error) => tracing::warn!(%error, "cannot subscribe to the cluster"),
                    }
                }
                () = sleep_until(silence) => self.give_up_silent(),
            }
        }
    }
}

async fn mended(mending: &mut Option<Mending>) -> Result<Vec<Ear>, SignalError> {
    match mending {
        Some(mending) => mending.await,
        None => std::future::pending().await,
    }
}

impl ClusterListener {
    fn hear(&mut self, word: Word) -> Option<Heard> {
        if self.inbox.has_missed() {
            return Some(Heard::Gap);
        }
        match word {
            Word::Message { lane, payload } => {
                self.heard_at[lane] = Instant::now();
                match serde_json::from_slice(&payload) {
                    Ok(signal) => return Some(Heard::Signal(Box::new(signal))),
                    Err(error) => tracing::warn!(%error, "a signal could not be read"),
                }
            }
            Word::Lost { ear } => self.ears.retain(|known| known.name != ear),
        }
        None
    }

    /// Lanes that nobody listens to.
    fn missing(&self) -> Vec<usize> {
        (0..LANES)
            .filter(|lane| !self.ears.iter().any(|ear| ear.lanes.contains(lane)))
            .collect()
    }

    /// Begins to subscribe to what is missing, unless that is under way.
    fn mend(&mut self) {
        let missing = self.missing();
        if self.mending.is_some() || missing.is_empty() {
            return;
        }
        tracing::warn!(
            lanes = missing.len(),
            "lanes of the cluster fell silent; subscribing again"
        );
        let listening = self
            .ears
            .iter()
            .map(|ear| (ear.address.clone(), ear.lanes.clone()))
            .collect();
        let (signals, node, inbox) = (self.signals.clone(), self.node.clone(), self.inbox.clone());
        self.mending = Some(Box::pin(async move {
            sleep(RETRY).await;
            let ears = timeout(DEADLINE, signals.subscribe(node, missing, listening, inbox)).await;
            ears.unwrap_or_else(|_| Err(SignalError("Redis did not answer in time".into())))
        }));
    }

    /// New ears take the place of those that listened to the same lanes.
    fn take(&mut self, ears: Vec<Ear>) {
        for ear in ears {
            ear.lanes
                .iter()
                .for_each(|lane| self.heard_at[*lane] = Instant::now());
            self.ears
                .retain(|known| !known.lanes.iter().any(|lane| ear.lanes.contains(lane)));
            self.ears.push(ear);
        }
    }

    fn first_silence(&self) -> Instant {
        let heard = self
            .ears
            .iter()
            .flat_map(|ear| &ear.lanes)
            .map(|lane| self.heard_at[*lane])
            .min();
        heard.unwrap_or_else(Instant::now) + SILENCE
    }

    fn give_up_silent(&mut self) {
        let heard_at = self.heard_at;
        self.ears.retain(|ear| {
            ear.lanes
                .iter()
                .all(|lane| heard_at[*lane].elapsed() < SILENCE)
        });
    }
}

fn failed(error: redis::RedisError) -> SignalError {
    SignalError(error.to_string())
}
