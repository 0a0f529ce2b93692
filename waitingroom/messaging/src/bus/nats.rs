//! The bus on NATS JetStream, one server or a cluster. The stream drops what arrives twice with one
//! message id within its duplicate window.

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
        publish::PublishAck,
        stream::{Config, DiscardPolicy},
    },
};
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use percent_encoding::percent_decode_str;

use super::{Bus, BusError, Message};

/// Longest wait for the acknowledgement of a publication, and for the server in general.
const NATS_TIMEOUT: Duration = Duration::from_secs(5);

/// Publications that wait for their acknowledgement at once.
const MAX_IN_FLIGHT: usize = 1_000;

/// How long the stream tells repetitions: longer than any relay holds a message before another
/// takes it over.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(300);

/// How long the stream keeps messages for consumers that come later.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Which stream messages go to.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// `nats://host:port`, credentials included; several servers of a cluster are separated by
    /// commas.
    pub url: String,
    /// The stream; created where it is missing.
    pub stream: String,
    /// The first token of every subject; the stream takes `prefix.>`.
    pub prefix: String,
    /// Copies of the stream, 1 to 5. A stream that is there with another number is changed to it;
    /// if nothing is said here, such a stream keeps its number and a new one has 1.
    pub replicas: Option<usize>,
}

impl NatsConfig {
    /// The usual stream, `STANCHION`, of subjects `stanchion.>`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            stream: "STANCHION".into(),
            prefix: "stanchion".into(),
            replicas: None,
        }
    }
}

/// See the module's documentation. Reconnects by itself; while it is cut off, publications fail at
/// their deadline.
#[derive(Debug)]
pub struct NatsBus {
    config: NatsConfig,
    context: jetstream::Context,
    /// Seen, and nothing has failed since.
    stream_is_there: AtomicBool,
}

impl NatsBus {
    /// A bus that connects as soon as one of the servers is there: a start does not depend on it.
    ///
    /// # Errors
    /// A URL that does not parse.
    pub async fn connect(config: NatsConfig) -> Result<Self, BusError> {
        let options = ConnectOptions::new()
            .name("stanchion")
            .retry_on_initial_connect()
            .connection_timeout(NATS_TIMEOUT)
            .client_capacity(MAX_IN_FLIGHT * 2)
            .reconnect_delay_callback(|attempt| {
                Duration::from_millis((100 << attempt.min(5)) as u64)
            });
        let servers = servers(&config.url)?;
        let options = with_credentials(options, &servers);
        let client = options
            .connect(servers)
            .await
            .map_err(|error| BusError(error.to_string()))?;
        let context = jetstream::context::ContextBuilder::new()
            .timeout(NATS_TIMEOUT)
            .ack_timeout(NATS_TIMEOUT)
            .max_ack_inflight(MAX_IN_FLIGHT * 2)
            .build(client);

        Ok(Self {
            config,
            context,
            stream_is_there: AtomicBool::new(false),
        })
    }

    /// Makes sure that the stream is there: at first, and after each failure, which may be its
    /// absence.
    async fn ensure_stream(&self) -> Result<(), BusError> {
        if self.stream_is_there.load(Ordering::Relaxed) {
            return Ok(());
        }

        let created = tokio::time::timeout(
            NATS_TIMEOUT,
            self.context.get_or_create_stream(self.stream_config()),
        )
        .await;
        let stream = created
            .map_err(|_| timeout_error())?
            .map_err(|error| BusError(error.to_string()))?;

        self.ensure_replicas(&stream.cached_info().config).await?;
        self.stream_is_there.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Changes the number of copies of a stream that was made with another.
    async fn ensure_replicas(&self, found: &Config) -> Result<(), BusError> {
        let Some(replicas) = self
            .config
            .replicas
            .filter(|wanted| *wanted != found.num_replicas)
        else {
            return Ok(());
        };
        tracing::info!(
            stream = found.name,
            from = found.num_replicas,
            to = replicas,
            "changing the copies of the stream"
        );

        let change = Config {
            num_replicas: replicas,
            ..found.clone()
        };
        let changed = tokio::time::timeout(NATS_TIMEOUT, self.context.update_stream(change)).await;

        changed
            .map_err(|_| timeout_error())?
            .map(drop)
            .map_err(|error| BusError(error.to_string()))
    }

    fn stream_config(&self) -> Config {
        Config {
            name: self.config.stream.clone(),
            subjects: vec![format!("{}.>", self.config.prefix)],
            duplicate_window: DUPLICATE_WINDOW,
            max_age: MAX_AGE,
            discard: DiscardPolicy::Old,
            num_replicas: self.config.replicas.unwrap_or(1),
            ..Config::default()
        }
    }

    async fn publish_batch(&self, window: &[Message]) -> Vec<Result<(), BusError>> {
        let mut sent = Vec::with_capacity(window.len());
        for message in window {
            if sent.last().is_some_and(Result::is_err) {
                sent.push(Err(BusError("not tried after a failure".into()))); // each would wait for the deadline
                continue;
            }
            sent.push(
                tokio::time::timeout(NATS_TIMEOUT, self.send(message))
                    .await
                    .unwrap_or_else(|_| Err(timeout_error())),
            );
        }

        stream::iter(sent)
            .map(await_acknowledgement)
            .buffered(MAX_IN_FLIGHT)
            .collect()
            .await
    }

    async fn send(&self, message: &Message) -> Result<PublishAckFuture, BusError> {
        let publish = PublishMessage::build()
            .payload(message.payload.clone())
            .message_id(&message.message_id)
            .expected_stream(&self.config.stream);
        let sent = self
            .context
            .send_publish(message.subject.clone(), publish)
            .await;
        sent.map_err(|error| BusError(error.to_string()))
    }
}

fn timeout_error() -> BusError {
    BusError(format!("no answer in {} ms", NATS_TIMEOUT.as_millis()))
}

/// Sending resolves before the server has the message: only its acknowledgement counts.
async fn await_acknowledgement(sent: Result<PublishAckFuture, BusError>) -> Result<(), BusError> {
    let acknowledged = tokio::time::timeout(NATS_TIMEOUT, sent?.into_future())
        .await
        .map_err(|_| timeout_error())?;
    check_stored(&acknowledged.map_err(|error| BusError(error.to_string()))?)
}

/// A stream numbers its messages from 1. nats-server 2.10.26 answers the repetition of a
/// publication that still waits for the other copies `{"seq":0,"duplicate":true}`, although nothing
/// is stored and may never be; 2.11 and later refuse it.
fn check_stored(acknowledgement: &PublishAck) -> Result<(), BusError> {
    if acknowledgement.sequence == 0 {
        return Err(BusError(
            "an acknowledgement without a sequence number: the message is not stored yet".into(),
        ));
    }
    Ok(())
}

#[async_trait]
impl Bus for NatsBus {
    async fn publish(&self, messages: &[Message]) -> Vec<Result<(), BusError>> {
        if let Err(error) = self.ensure_stream().await {
            return vec![Err(error); messages.len()];
        }

        let mut answers = Vec::with_capacity(messages.len());
        for window in messages.chunks(MAX_IN_FLIGHT) {
            answers.extend(self.publish_batch(window).await);
            if answers.last().is_some_and(Result::is_err) {
                self.stream_is_there.store(false, Ordering::Relaxed);
                break; // cut off: the rest would each wait for the deadline
            }
        }

        answers.resize(
            messages.len(),
            Err(BusError("not tried after a failure".into())),
        );
        answers
    }
}

/// Does this name servers, as [`NatsConfig::url`] does?
///
/// # Errors
/// A server that is not named right.
pub fn check_url(urls: &str) -> Result<(), BusError> {
    servers(urls).map(drop)
}

/// The servers of a comma-separated list; the scheme may be left out.
fn servers(urls: &str) -> Result<Vec<ServerAddr>, BusError> {
    let parse = |url: &str| {
        // The text of a URL is not repeated: it may hold a password. The library takes an empty one.
        let server = ServerAddr::from_str(url.trim())
            .map_err(|error| BusError(format!("one of the servers is not named right: {error}")))?;
        match server.host().is_empty() {
            false => Ok(server),
            true => Err(BusError("one of the servers has no name".to_owned())),
        }
    };
    urls.split(',').map(parse).collect()
}

/// The client library leaves user and password of a URL unread. One client has one identity: that
/// of the first server that names one.
fn with_credentials(options: ConnectOptions, servers: &[ServerAddr]) -> ConnectOptions {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let Some(server) = servers.iter().find(|server| server.username().is_some()) else {
        return options;
    };

    match (server.username(), server.password()) {
        (Some(user), Some(password)) => options.user_and_password(plain(user), plain(password)),
        (Some(token), None) => options.token(plain(token)),
        _ => options,
    }
}

#[cfg(test)]
mod tests;
