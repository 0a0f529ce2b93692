//! Signals over Redis Pub/Sub: one channel a node, one for everyone, and one subscriber connection
//! a node.
//!
//! The subscriber connection is our own: the client library resubscribes in silence and may fail in
//! silence, so here every subscription is confirmed, and after a reconnect a gap is reported before
//! the first signal. A probe that reaches nobody shows that the subscription is on a server that
//! has lost its role, and that the name leads elsewhere by now.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::StreamExt;
use redis::{Client, ConnectionInfo, aio::PubSub};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use waitingroom_domain::ids::NodeId;
use waitingroom_engine::redis_connection::{REDIS_TIMEOUT, RedisConnection};

use super::{Listener, ListenerEvent, Recipient, Signal, SignalError, Signals};

/// Pause before another attempt to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
/// Without any message for this long the connection is taken for dead: a node's own probes arrive
/// each half second.
const SILENCE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// See the module's documentation.
#[derive(Clone)]
pub struct RedisSignals {
    client: Client,
    commands: RedisConnection,
    prefix: String,
    /// Counts the probes that reached nobody: whoever listens does so on another server than the
    /// one that signals go to.
    undelivered_probes: Arc<watch::Sender<u64>>,
}

impl RedisSignals {
    fn count_undelivered_probes(&self, signals: &[(Recipient, Signal)], reached: &[u64]) {
        let is_undelivered = |((_, signal), count): (&(Recipient, Signal), &u64)| {
            matches!(signal, Signal::Probe { .. }) && *count == 0
        };
        if signals.iter().zip(reached).any(is_undelivered) {
            self.undelivered_probes.send_modify(|count| *count += 1);
        }
    }

    /// Signals under `prefix`, sent over `commands` (shared with the engine).
    ///
    /// # Errors
    /// A server that cannot be named so.
    pub fn new(
        server: ConnectionInfo,
        commands: RedisConnection,
        prefix: &str,
    ) -> Result<Self, SignalError> {
        Ok(Self {
            client: Client::open(server).map_err(failed)?,
            commands,
            prefix: prefix.to_owned(),
            undelivered_probes: Arc::default(),
        })
    }

    fn channel(&self, recipient: &Recipient) -> String {
        match recipient {
            Recipient::Node(node) => format!("{}:node:{node}", self.prefix),
            Recipient::AllNodes => format!("{}:everyone", self.prefix),
        }
    }
}

#[async_trait]
impl Signals for RedisSignals {
    async fn send(&self, signals: &[(Recipient, Signal)]) -> Result<Vec<u64>, SignalError> {
        if signals.is_empty() {
            return Ok(Vec::new());
        }

        let mut pipeline = redis::pipe();
        for (recipient, signal) in signals {
            let payload =
                serde_json::to_vec(signal).map_err(|error| SignalError(error.to_string()))?;
            pipeline.publish(self.channel(recipient), payload);
        }

        let mut commands = self.commands.clone();
        let sent = timeout(REDIS_TIMEOUT, pipeline.query_async(&mut commands)).await;
        let reached: Vec<u64> = sent
            .map_err(|_| SignalError("Redis did not answer in time".into()))?
            .map_err(failed)?;

        self.count_undelivered_probes(signals, &reached);
        Ok(reached)
    }

    async fn listen(&self, node: &NodeId) -> Result<Box<dyn Listener>, SignalError> {
        let channels = [
            self.channel(&Recipient::Node(node.clone())),
            self.channel(&Recipient::AllNodes),
        ];
        let subscription = subscribe(&self.client, &channels).await?;
        let (client, undelivered_probes) =
            (self.client.clone(), self.undelivered_probes.subscribe());

        Ok(Box::new(RedisListener {
            client,
            channels,
            subscription: Some(subscription),
            undelivered_probes,
        }))
    }
}

struct RedisListener {
    client: Client,
    channels: [String; 2],
    subscription: Option<PubSub>,
    undelivered_probes: watch::Receiver<u64>,
}

#[async_trait]
impl Listener for RedisListener {
    async fn next(&mut self) -> ListenerEvent {
        loop {
            let Some(subscription) = &mut self.subscription else {
                self.resubscribe().await;
                return ListenerEvent::Gap;
            };
            let mut messages = subscription.on_message();
            let message = tokio::select! {
                message = timeout(SILENCE_TIMEOUT, messages.next()) => message.ok().flatten(),
                Ok(()) = self.undelivered_probes.changed() => None,
            };
            drop(messages);
            let Some(message) = message else {
                tracing::warn!(
                    silent_ms = SILENCE_TIMEOUT.as_millis() as u64,
                    "no Pub/Sub heartbeat; resubscribing"
                );
                self.subscription = None;
                continue;
            };
            match serde_json::from_slice(message.get_payload_bytes()) {
                Ok(signal) => return ListenerEvent::Signal(Box::new(signal)),
                Err(error) => tracing::warn!(%error, "failed to decode signal"),
            }
        }
    }
}

impl RedisListener {
    async fn resubscribe(&mut self) {
        while self.subscription.is_none() {
            match subscribe(&self.client, &self.channels).await {
                Ok(subscription) => {
                    self.subscription = Some(subscription);
                    self.undelivered_probes.mark_unchanged();
                }
                Err(error) => {
                    tracing::warn!(%error, "subscribe failed; retrying");
                    sleep(RECONNECT_PAUSE).await;
                }
            }
        }
    }
}

/// Connects and subscribes; returns only once Redis has confirmed both channels.
async fn subscribe(client: &Client, channels: &[String; 2]) -> Result<PubSub, SignalError> {
    let connect = async {
        let mut subscription = client.get_async_pubsub().await?;
        subscription.subscribe(channels).await?;
        Ok(subscription)
    };

    timeout(REDIS_TIMEOUT, connect)
        .await
        .map_err(|_| SignalError("Redis did not answer in time".into()))?
        .map_err(failed)
}

fn failed(error: redis::RedisError) -> SignalError {
    SignalError(error.to_string())
}
