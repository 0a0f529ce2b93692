//! The messages that were published on JetStream.

use std::collections::HashMap;

use async_nats::jetstream::{self, stream::Stream};
use serde_json::Value;

/// One message of the stream.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its subject below the installation's prefix, for example `bookings.reserved`.
    pub topic: String,
    /// Its id, by which the stream knows repetitions.
    pub id: String,
    /// Its payload.
    pub body: Value,
}

/// The stream of one installation.
pub struct PublishedMessages {
    url: String,
    prefix: String,
}

impl PublishedMessages {
    /// The messages below this prefix.
    pub fn new(url: &str, prefix: &str) -> Self {
        Self {
            url: url.to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    async fn context(&self) -> jetstream::Context {
        let servers: Vec<_> = self.url.split(',').collect();
        jetstream::new(async_nats::connect(servers).await.expect("NATS answers"))
    }

    async fn stream(&self) -> Option<Stream> {
        self.context()
            .await
            .get_stream(self.prefix.to_uppercase())
            .await
            .ok()
    }

    /// Everything that was published so far, in order.
    pub async fn all(&self) -> Vec<Published> {
        let Some(mut stream) = self.stream().await else {
            return Vec::new();
        };
        let state = stream
            .info()
            .await
            .expect("JetStream describes the stream")
            .state
            .clone();

        let mut published = Vec::new();
        for sequence in state.first_sequence.max(1)..=state.last_sequence {
            let message = stream
                .get_raw_message(sequence)
                .await
                .expect("nothing is deleted from the stream");
            let topic = message
                .subject
                .as_str()
                .trim_start_matches(&self.prefix)
                .trim_start_matches('.')
                .to_owned();
            let body = serde_json::from_slice(&message.payload).expect("messages are JSON");
            let id = message.headers.get("Nats-Msg-Id");
            let id = id.expect("messages have an id").to_string();
            published.push(Published { topic, id, body });
        }

        published
    }

    /// The name of the stream and the subjects that it takes.
    pub async fn stream_config(&self) -> (String, Vec<String>) {
        let mut stream = self.stream().await.expect("booking made the stream");
        let config = &stream
            .info()
            .await
            .expect("JetStream describes the stream")
            .config;
        (config.name.clone(), config.subjects.clone())
    }

    /// How many messages of a topic each booking has.
    pub async fn of_each_booking(&self, topic: &str) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for message in self
            .all()
            .await
            .into_iter()
            .filter(|message| message.topic == topic)
        {
            let booking = message.body["booking_id"]
                .as_str()
                .expect("messages name their booking")
                .to_owned();
            *counts.entry(booking).or_default() += 1;
        }

        counts
    }

    /// Removes the stream.
    pub async fn remove(&self) {
        let _ = self
            .context()
            .await
            .delete_stream(self.prefix.to_uppercase())
            .await; // there may be none
    }
}
