//! What is committed is told, once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use booking::{
    outbox_publisher::{OutboxRelay, RelayReport},
    store::{AsOf::Fixed, SharedStore, Transition},
};
use uuid::Uuid;
use waitingroom_messaging::bus::{Bus, BusError, InMemoryBus, Message};

use super::fixtures::{NOW, later, reservation, stored_event, transition_request};

fn relay(store: &SharedStore, bus: &Arc<InMemoryBus>) -> OutboxRelay {
    OutboxRelay::new(store.clone(), bus.clone(), "test".into())
}

async fn reserve(store: &SharedStore, count: usize) {
    let event = stored_event(store, &[count as u32]).await;
    let made: Vec<_> = (0..count)
        .map(|number| reservation(&event, 0, &format!("u{number}"), 1))
        .collect();
    for some in made.chunks(7) {
        store.insert(some).await.unwrap();
    }
}

pub(crate) async fn two_relays_publish_each_message_once(store: SharedStore) {
    reserve(&store, 600).await;
    let bus = Arc::new(InMemoryBus::default());
    let mut ear = bus.listen();
    let (one, other) = (relay(&store, &bus), relay(&store, &bus));

    loop {
        let (first, second) =
            futures_util::future::join(one.publish_pending(NOW), other.publish_pending(NOW)).await;
        if first.unwrap().published + second.unwrap().published == 0 {
            break;
        }
    }

    let mut heard = HashMap::<String, u32>::new();
    while let Ok(message) = ear.try_recv() {
        assert_eq!(message.subject, "test.bookings.reserved");
        *heard.entry(message.message_id).or_default() += 1;
    }

    assert_eq!(heard.len(), 600);
    assert!(heard.values().all(|times| *times == 1));
    assert_eq!(store.backlog().await.unwrap(), (0, None));
}

pub(crate) async fn takes_over_dead_relays_messages(store: SharedStore) {
    reserve(&store, 3).await;
    let dead = Uuid::new_v4();

    assert_eq!(
        store.lease_batches(dead, NOW, later(30), 10).await.unwrap()[0]
            .messages
            .len(),
        3
    );

    let bus = Arc::new(InMemoryBus::default());
    let alive = relay(&store, &bus);

    assert_eq!(
        alive.publish_pending(later(29)).await.unwrap(),
        RelayReport::default()
    );
    assert_eq!(
        alive.publish_pending(later(30)).await.unwrap(),
        RelayReport {
            published: 3,
            ..RelayReport::default()
        }
    );
    store.delete_batches(&[1]).await.unwrap(); // back from the dead: it is gone already
}

/// Takes every second message.
struct Moody;

#[async_trait]
impl Bus for Moody {
    async fn publish(&self, messages: &[Message]) -> Vec<Result<(), BusError>> {
        let answer = |number: usize| {
            if number.is_multiple_of(2) {
                Ok(())
            } else {
                Err(BusError("no".into()))
            }
        };
        (0..messages.len()).map(answer).collect()
    }
}

pub(crate) async fn unacknowledged_messages_stay(store: SharedStore) {
    reserve(&store, 4).await;
    let relay = OutboxRelay::new(store.clone(), Arc::new(Moody), "test".into());

    assert_eq!(
        relay.publish_pending(NOW).await.unwrap(),
        RelayReport {
            published: 2,
            failed: 2,
            was_full: false
        }
    );
    assert_eq!(store.backlog().await.unwrap(), (2, Some(NOW)));

    // A relay need not wait for its own lease.
    let soon = NOW.plus(Duration::from_millis(100));
    assert_eq!(
        relay.publish_pending(soon).await.unwrap(),
        RelayReport {
            published: 1,
            failed: 1,
            was_full: false
        }
    );
}

pub(crate) async fn messages_describe_booking(store: SharedStore) {
    let event = stored_event(&store, &[5]).await;
    let new = reservation(&event, 0, "ann", 2);

    store.insert(std::slice::from_ref(&new)).await.unwrap();
    store
        .apply_transitions(
            &[transition_request(&new, Transition::Confirm)],
            Fixed(later(3)),
        )
        .await
        .unwrap();

    let rows = store
        .lease_batches(Uuid::new_v4(), later(3), later(9), 10)
        .await
        .unwrap();
    let id = new.booking.booking_id;
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.messages[0].message_id.as_str(),
                row.messages[0].topic.as_str(),
            )
        })
        .collect();

    assert_eq!(
        told,
        [
            (format!("{id}:reserved").as_str(), "bookings.reserved"),
            (format!("{id}:confirmed").as_str(), "bookings.confirmed")
        ]
    );
    assert_eq!((rows[0].created_at, rows[1].created_at), (NOW, later(3)));

    let payload: serde_json::Value = serde_json::from_str(&rows[1].messages[0].payload).unwrap();
    assert_eq!(payload["booking_id"], id.to_string());
    assert_eq!(payload["total_price"], 2_500);
    assert_eq!(payload["status"], "confirmed");
}

/// Whoever writes them, a statement or this crate: to the letter.
pub(crate) async fn sql_messages_match_bookings(store: SharedStore) {
    let event = stored_event(&store, &[9]).await;
    let made: Vec<_> = [
        ("a\"b\\c", 0),
        ("d€ö|e@f.example", 7),
        ("\u{1f3ab}", 120),
        ("gus", 345),
    ]
    .map(|(user, millis)| {
        let mut new = reservation(&event, 0, user, 2);
        new.booking.created_at = NOW.plus(Duration::from_millis(millis));
        new.booking.expires_at = later(600).plus(Duration::from_millis(millis));
        new
    })
    .into();

    store.insert(&made).await.unwrap();
    let moment = later(3).plus(Duration::from_millis(40));
    let wishes = [
        transition_request(&made[0], Transition::Confirm),
        transition_request(&made[1], Transition::Cancel),
        transition_request(&made[2], Transition::Confirm),
    ];

    store
        .apply_transitions(&wishes, Fixed(moment))
        .await
        .unwrap();
    store.expire_due(Fixed(later(900)), 10).await.unwrap();

    let batches = store
        .lease_batches(Uuid::new_v4(), NOW, NOW, 10)
        .await
        .unwrap();
    let told: HashMap<_, _> = batches
        .into_iter()
        .flat_map(|batch| batch.messages)
        .map(|told| (told.message_id.clone(), told))
        .collect();

    assert_eq!(told.len(), 8, "the beginning and the end of each");

    for new in &made {
        let booking = store
            .booking(new.booking.booking_id)
            .await
            .unwrap()
            .unwrap();
        for message in [new.booking.message(), booking.message()] {
            assert_eq!(told.get(&message.message_id), Some(&message));
        }
    }
}
