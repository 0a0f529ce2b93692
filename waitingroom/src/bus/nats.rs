//! The bus on NATS JetStream. The stream drops what arrives twice with one message id within its duplicate window.

use std::{
    str::FromStr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_nats::{
    ConnectOptions, ServerAddr,
    jetstream::{
        self,
        context::PublishAckFuture,
        message::PublishMessage,
        stream::{Config, DiscardPolicy},
    },
};
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use percent_encoding::percent_decode_str;

use super::{Bus, BusError, Message};

/// Longest wait for the acknowledgement of a publication, and for the server in general.
const DEADLINE: Duration = Duration::from_secs(5);

/// Publications that wait for their acknowledgement at once.
const WINDOW: usize = 1_000;

/// How long the stream tells repetitions: longer than any relay holds a message before another takes it over.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(300);

/// How long the stream keeps messages for consumers that come later.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Which stream messages go to.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// `nats://host:port`, credentials included.
    pub url: String,
    /// The stream; created where it is missing.
    pub stream: String,
    /// The first token of every subject; the stream takes `prefix.>`.
    pub prefix: String,
    /// Copies of the stream that it is created with: 1, or 3 on a cluster.
    pub replicas: usize,
}

impl NatsConfig {
    /// The usual stream, `STANCHION`, of subjects `stanchion.>`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), stream: "STANCHION".into(), prefix: "stanchion".into(), replicas: 1 }
    }
}

/// See the module's documentation. Reconnects by itself; while it is cut off, publications fail at their deadline.
#[derive(Debug)]
pub struct NatsBus {
    config: NatsConfig,
    context: jetstream::Context,
    /// Seen, and nothing has failed since.
    stream_is_there: AtomicBool,
}

impl NatsBus {
    /// A bus that connects as soon as the server is there: a start does not depend on it.
    ///
    /// # Errors
    /// A URL that does not parse.
    pub async fn connect(config: NatsConfig) -> Result<Self, BusError> {
        let options = ConnectOptions::new()
            .name("stanchion")
            .retry_on_initial_connect()
            .connection_timeout(DEADLINE)
            .client_capacity(WINDOW * 2)
            .reconnect_delay_callback(|attempt| Duration::from_millis((100 << attempt.min(5)) as u64));
        let address = ServerAddr::from_str(&config.url).map_err(|error| BusError(error.to_string()))?;
        let options = with_credentials(options, &address);
        let client = options.connect(address).await.map_err(|error| BusError(error.to_string()))?;
        let context = jetstream::context::ContextBuilder::new()
            .timeout(DEADLINE)
            .ack_timeout(DEADLINE)
            .max_ack_inflight(WINDOW * 2)
            .build(client);
        Ok(Self { config, context, stream_is_there: AtomicBool::new(false) })
    }

    /// Makes sure that the stream is there: at first, and after each failure, which may be its absence.
    async fn ensure_stream(&self) -> Result<(), BusError> {
        if self.stream_is_there.load(Ordering::Relaxed) {
            return Ok(());
        }
        let created = tokio::time::timeout(DEADLINE, self.context.get_or_create_stream(self.stream_config())).await;
        created.map_err(|_| late())?.map_err(|error| BusError(error.to_string()))?;
        self.stream_is_there.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn stream_config(&self) -> Config {
        Config {
            name: self.config.stream.clone(),
            subjects: vec![format!("{}.>", self.config.prefix)],
            duplicate_window: DUPLICATE_WINDOW,
            max_age: MAX_AGE,
            discard: DiscardPolicy::Old,
            num_replicas: self.config.replicas,
            ..Config::default()
        }
    }

    async fn publish_window(&self, window: &[Message]) -> Vec<Result<(), BusError>> {
        let mut sent = Vec::with_capacity(window.len());
        for message in window {
            if sent.last().is_some_and(Result::is_err) {
                sent.push(Err(BusError("not tried after a failure".into()))); // each would wait for the deadline
                continue;
            }
            sent.push(tokio::time::timeout(DEADLINE, self.send(message)).await.unwrap_or_else(|_| Err(late())));
        }
        stream::iter(sent).map(acknowledged).buffered(WINDOW).collect().await
    }

    async fn send(&self, message: &Message) -> Result<PublishAckFuture, BusError> {
        let publish = PublishMessage::build()
            .payload(message.payload.clone())
            .message_id(&message.message_id)
            .expected_stream(&self.config.stream);
        let sent = self.context.send_publish(message.subject.clone(), publish).await;
        sent.map_err(|error| BusError(error.to_string()))
    }
}

fn late() -> BusError {
    BusError(format!("no answer in {} ms", DEADLINE.as_millis()))
}

/// Sending resolves before the server has the message: only its acknowledgement counts.
async fn acknowledged(sent: Result<PublishAckFuture, BusError>) -> Result<(), BusError> {
    let acknowledged = tokio::time::timeout(DEADLINE, sent?.into_future()).await.map_err(|_| late())?;
    acknowledged.map(drop).map_err(|error| BusError(error.to_string()))
}

#[async_trait]
impl Bus for NatsBus {
    async fn publish(&self, messages: &[Message]) -> Vec<Result<(), BusError>> {
        if let Err(error) = self.ensure_stream().await {
            return vec![Err(error); messages.len()];
        }
        let mut answers = Vec::with_capacity(messages.len());
        for window in messages.chunks(WINDOW) {
            answers.extend(self.publish_window(window).await);
            if answers.last().is_some_and(Result::is_err) {
                self.stream_is_there.store(false, Ordering::Relaxed);
                break; // cut off: the rest would each wait for the deadline
            }
        }
        answers.resize(messages.len(), Err(BusError("not tried after a failure".into())));
        answers
    }
}

/// The client library leaves user and password of a URL unread.
fn with_credentials(options: ConnectOptions, address: &ServerAddr) -> ConnectOptions {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    match (address.username(), address.password()) {
        (Some(user), Some(password)) => options.user_and_password(plain(user), plain(password)),
        (Some(token), None) => options.token(plain(token)),
        _ => options,
    }
}

#[cfg(test)]
mod tests;
