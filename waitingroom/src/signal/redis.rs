//! Signals over Redis Pub/Sub: one channel a node, one for everyone, and one subscriber connection a node.
//!
//! The subscriber connection is our own: the client library resubscribes in silence and may fail in silence, so here every
//! subscription is confirmed, and after a reconnect a gap is reported before the first signal.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use redis::{Client, ConnectionInfo, aio::PubSub};
use tokio::time::{sleep, timeout};

use super::{Heard, Listener, Recipient, Signal, SignalError, Signals};
use crate::{
    ids::NodeId,
    redis_servers::{DEADLINE, RedisConnection},
};

/// Pause before another attempt to connect.
const RETRY: Duration = Duration::from_millis(250);
/// Without any message for this long the connection is taken for dead: a node's own probes arrive each half second.
const SILENCE: Duration = Duration::from_millis(1_500);

/// See the module's documentation.
#[derive(Clone)]
pub struct RedisSignals {
    client: Client,
    commands: RedisConnection,
    prefix: String,
}

impl RedisSignals {
    /// Signals under `prefix`, sent over `commands` (shared with the engine).
    ///
    /// # Errors
    /// A server that cannot be named so.
    pub fn new(server: ConnectionInfo, commands: RedisConnection, prefix: &str) -> Result<Self, SignalError> {
        Ok(Self { client: Client::open(server).map_err(failed)?, commands, prefix: prefix.to_owned() })
    }

    fn channel(&self, recipient: &Recipient) -> String {
        match recipient {
            Recipient::Node(node) => format!("{}:node:{node}", self.prefix),
            Recipient::Everyone => format!("{}:everyone", self.prefix),
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
            let payload = serde_json::to_vec(signal).map_err(|error| SignalError(error.to_string()))?;
            pipeline.publish(self.channel(recipient), payload);
        }
        let mut commands = self.commands.clone();
        let sent = timeout(DEADLINE, pipeline.query_async(&mut commands)).await;
        sent.map_err(|_| SignalError("Redis did not answer in time".into()))?.map_err(failed)
    }

    async fn listen(&self, node: &NodeId) -> Result<Box<dyn Listener>, SignalError> {
        let channels = [self.channel(&Recipient::Node(node.clone())), self.channel(&Recipient::Everyone)];
        let subscription = subscribe(&self.client, &channels).await?;
        Ok(Box::new(RedisListener { client: self.client.clone(), channels, subscription: Some(subscription) }))
    }
}

struct RedisListener {
    client: Client,
    channels: [String; 2],
    subscription: Option<PubSub>,
}

#[async_trait]
impl Listener for RedisListener {
    async fn next(&mut self) -> Heard {
        loop {
            let Some(subscription) = &mut self.subscription else {
                self.resubscribe().await;
                return Heard::Gap;
            };
            let message = timeout(SILENCE, subscription.on_message().next()).await;
            let Ok(Some(message)) = message else {
                tracing::warn!("the subscription to Redis fell silent; subscribing again");
                self.subscription = None;
                continue;
            };
            match serde_json::from_slice(message.get_payload_bytes()) {
                Ok(signal) => return Heard::Signal(Box::new(signal)),
                Err(error) => tracing::warn!(%error, "a signal could not be read"),
            }
        }
    }
}

impl RedisListener {
    async fn resubscribe(&mut self) {
        while self.subscription.is_none() {
            match subscribe(&self.client, &self.channels).await {
                Ok(subscription) => self.subscription = Some(subscription),
                Err(error) => {
                    tracing::warn!(%error, "cannot subscribe to Redis");
                    sleep(RETRY).await;
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
    timeout(DEADLINE, connect).await.map_err(|_| SignalError("Redis did not answer in time".into()))?.map_err(failed)
}

fn failed(error: redis::RedisError) -> SignalError {
    SignalError(error.to_string())
}
