//! The outbox on JetStream.
//!
//! `MESSAGES=100000 cargo test --release -p booking --test servers each_change -- --nocapture`
//! (below `tests/services/run`) tells how fast it is drained.

use std::sync::Arc;

use booking::outbox_publisher::OutboxRelay;
use uuid::Uuid;
use waitingroom_messaging::bus::{NatsBus, nats::NatsConfig};

use crate::{
    databases,
    fixtures::{NOW, later, reservation, stored_event},
};

pub(crate) fn server() -> String {
    std::env::var("STANCHION_TEST_NATS_URL").expect(
        "STANCHION_TEST_NATS_URL is not set: run `make test`, or tests/services/run COMMAND",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_is_in_the_stream_once() {
    let store = databases::postgres().await;
    let messages: u32 = std::env::var("MESSAGES")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(1_000);
    let event = stored_event(&store, &[messages]).await;
    let made: Vec<_> = (0..messages)
        .map(|number| reservation(&event, 0, &format!("u{number}"), 1))
        .collect();

    for some in made.chunks(200) {
        store.insert(some).await.unwrap();
    }

    let name = format!("t{}", Uuid::new_v4().simple());
    let config = NatsConfig {
        stream: name.clone(),
        prefix: name.clone(),
        ..NatsConfig::new(server())
    };

    let bus = Arc::new(NatsBus::connect(config).await.unwrap());

    // One relay dies between publishing and removing: its messages are published again.
    let dead = Uuid::new_v4();
    let batches = store.lease_batches(dead, NOW, later(30), 2).await.unwrap();
    let published_before: Vec<_> = batches
        .iter()
        .flat_map(|batch| &batch.messages)
        .map(|message| waitingroom_messaging::bus::Message {
            subject: format!("{name}.{}", message.topic),
            message_id: message.message_id.clone(),
            payload: message.payload.clone().into(),
        })
        .collect();

    assert!(
        waitingroom_messaging::bus::Bus::publish(bus.as_ref(), &published_before)
            .await
            .iter()
            .all(Result::is_ok)
    );

    let run = |relay: OutboxRelay| async move {
        while relay.publish_pending(later(31)).await.unwrap().published > 0 {}
    };
    let relay = || OutboxRelay::new(store.clone(), bus.clone(), name.clone());
    let began = std::time::Instant::now();

    futures_util::future::join(run(relay()), run(relay())).await;
    println!(
        "{:.0} messages/s by two relays",
        f64::from(messages) / began.elapsed().as_secs_f64()
    );
    assert_eq!(store.backlog().await.unwrap(), (0, None));

    let context = async_nats::jetstream::new(async_nats::connect(server()).await.unwrap());
    let stream = context.get_stream(&name).await.unwrap();

    assert_eq!(stream.cached_info().state.messages, u64::from(messages));
    context.delete_stream(&name).await.unwrap();
}
