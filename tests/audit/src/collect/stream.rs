//! The stream of messages about bookings.

use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::{
    ServerAddr,
    header::NATS_MESSAGE_ID,
    jetstream::{
        self,
        consumer::{AckPolicy, DeliverPolicy, pull},
        context::GetStreamErrorKind,
    },
};
use futures_util::StreamExt;

use super::in_time;
use crate::world::{Message, Stream};

/// Messages that are asked for at a time.
const BATCH: usize = 1_000;
/// Longest wait for a batch.
const BATCH_MS: u64 = 3_000;

/// Reads the stream of this prefix, from any of the servers at these URLs, which commas separate;
/// an empty one if there is none.
///
/// # Errors
/// A server that does not answer in time; a message without an id.
pub async fn nats(url: &str, prefix: &str) -> Result<Stream> {
    in_time("NATS", async {
        let servers = url
            .split(',')
            .map(str::parse::<ServerAddr>)
            .collect::<Result<Vec<_>, _>>()?;
        let context = jetstream::new(async_nats::connect(servers).await?);
        let stream = match context.get_stream(prefix.to_uppercase()).await {
            Ok(stream) => stream,
            Err(error) if is_missing(error.kind()) => return Ok(Stream::default()),
            Err(error) => return Err(error.into()),
        };
        let wanted = usize::try_from(stream.get_info().await?.state.messages)?;
        let config = pull::Config {
            ack_policy: AckPolicy::None,
            deliver_policy: DeliverPolicy::All,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await?;
        let mut messages = Vec::with_capacity(wanted);
        while messages.len() < wanted {
            let batch = consumer
                .fetch()
                .max_messages(BATCH)
                .expires(Duration::from_millis(BATCH_MS));
            let mut batch = batch.messages().await?;
            let before = messages.len();
            while let Some(message) = batch.next().await {
                messages.push(read(&message.map_err(|error| anyhow::anyhow!(error))?)?);
            }
            anyhow::ensure!(
                messages.len() > before,
                "{before} of {wanted} messages could be read"
            );
        }
        Ok(Stream {
            messages,
            lost: false,
        })
    })
    .await
}

fn is_missing(kind: GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(_))
}

fn read(message: &jetstream::Message) -> Result<Message> {
    let info = message.info().map_err(|error| anyhow::anyhow!(error))?;
    let id = message
        .headers
        .as_ref()
        .and_then(|headers| headers.get(NATS_MESSAGE_ID));
    let id = id.with_context(|| format!("message {} has no id", info.stream_sequence))?;

    Ok(Message {
        sequence: info.stream_sequence,
        id: id.as_str().to_owned(),
    })
}
