//! The books as somebody keeps them who knows nothing but the messages: of each booking what became
//! of it, of each zone what was sold.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_nats::jetstream::{self, consumer::pull::OrderedConfig, stream::Stream};
use booking::model::booking::Status;
use futures_util::StreamExt;
use serde::Deserialize;
use uuid::Uuid;
use waitingroom_messaging::bus::{Bus, NatsBus, nats::NatsConfig};

/// A stream of one test's own.
pub(crate) struct Publication {
    /// Of the stream, and of its subjects.
    pub(crate) name: String,
    pub(crate) bus: Arc<dyn Bus>,
    context: jetstream::Context,
}

/// What a message says of a booking.
#[derive(Debug, Deserialize)]
struct Entry {
    booking_id: Uuid,
    zone_id: Uuid,
    quantity: u32,
    status: Status,
}

/// One booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) zone: Uuid,
    pub(crate) quantity: u32,
    /// Nothing while it is only reserved.
    pub(crate) end: Option<Status>,
    was_reserved: bool,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) bookings: HashMap<Uuid, Kept>,
    /// How many messages tell of each status.
    pub(crate) told: BTreeMap<&'static str, u64>,
}

impl Publication {
    pub(crate) async fn open(server: &str) -> Self {
        let name = format!("t{}", Uuid::new_v4().simple());
        let config = NatsConfig {
            stream: name.clone(),
            prefix: name.clone(),
            ..NatsConfig::new(server)
        };

        let bus = Arc::new(NatsBus::connect(config).await.unwrap());
        let context = jetstream::new(async_nats::connect(server).await.unwrap());
        Self { name, bus, context }
    }

    async fn stream(&self) -> Option<Stream> {
        self.context.get_stream(&self.name).await.ok()
    }

    /// How many messages there are.
    pub(crate) async fn len(&self) -> u64 {
        self.stream()
            .await
            .map_or(0, |stream| stream.cached_info().state.messages)
    }

    /// Reads everything from the first message on.
    pub(crate) async fn ledger(&self) -> Ledger {
        let stream = self.stream().await.expect("something was published");
        let mut left = stream.cached_info().state.messages;
        let consumer = stream
            .create_consumer(OrderedConfig::default())
            .await
            .unwrap();
        let (mut messages, mut ledger) = (consumer.messages().await.unwrap(), Ledger::default());

        while left > 0 {
            let message = messages.next().await.expect("the stream goes on").unwrap();
            let entry: Entry = serde_json::from_slice(&message.payload).unwrap();
            let subject = format!("{}.bookings.{}", self.name, entry.status.as_str());
            assert_eq!(message.subject.as_str(), subject, "{entry:?}");
            ledger.enter(&entry);
            left -= 1;
        }

        ledger
    }

    pub(crate) async fn remove(&self) {
        self.context.delete_stream(&self.name).await.unwrap();
    }
}

impl Ledger {
    /// Two relays may tell of the end before they tell of the beginning; nobody tells anything
    /// twice.
    fn enter(&mut self, entry: &Entry) {
        *self.told.entry(entry.status.as_str()).or_default() += 1;
        let new = Kept {
            zone: entry.zone_id,
            quantity: entry.quantity,
            end: None,
            was_reserved: false,
        };

        let kept = self.bookings.entry(entry.booking_id).or_insert(new);
        assert_eq!(
            (kept.zone, kept.quantity),
            (entry.zone_id, entry.quantity),
            "{entry:?}"
        );

        if entry.status == Status::Reserved {
            assert!(
                !std::mem::replace(&mut kept.was_reserved, true),
                "reserved twice: {entry:?}"
            );
        } else {
            assert_eq!(
                kept.end.replace(entry.status),
                None,
                "it ended twice: {entry:?}"
            );
        }
    }

    /// Seats of each zone that were sold; every booking began, and none is left open.
    pub(crate) fn sold(&self) -> HashMap<Uuid, u64> {
        let mut sold = HashMap::new();
        for (booking, kept) in &self.bookings {
            assert!(
                kept.was_reserved && kept.end.is_some(),
                "{booking}: {kept:?}"
            );
            if kept.end == Some(Status::Confirmed) {
                *sold.entry(kept.zone).or_default() += u64::from(kept.quantity);
            }
        }

        sold
    }
}
