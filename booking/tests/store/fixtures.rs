//! A small event and reservations in it.

use std::time::Duration;

use booking::{
    model::{
        appearance::Appearance,
        audit_log::AuditContext,
        booking::{Booking, Idempotency, NewBooking, Status},
        event::{Event, Show, Zone},
        money::{Currency, Money},
        venue::Venue,
    },
    store::{SharedStore, Transition, TransitionRequest},
};
use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, ZoneId},
    queue::QueueSettings,
};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub(crate) fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// An operator acts.
pub(crate) fn operator(at: Timestamp) -> AuditContext {
    AuditContext {
        operator: "olga".parse().unwrap(),
        at,
    }
}

/// One show; one zone for each capacity.
pub(crate) fn event(capacities: &[u32]) -> Event {
    let zone = |capacity: &u32| Zone {
        zone_id: Uuid::new_v4().into(),
        name: "Stalls".into(),
        unit_price: 1_250,
        capacity: *capacity,
    };

    Event {
        event_id: Uuid::new_v4().into(),
        name: "A Night".into(),
        venue: Venue {
            name: Some("The Hall".into()),
            city: Some("Oslo".into()),
            time_zone: "Europe/Oslo".parse().ok(),
        },
        currency: Currency::EUR,
        max_seats_per_user: 10,
        hold_seconds: 600,
        queue: QueueSettings {
            message: Some("hello".into()),
            ..QueueSettings::default()
        },
        appearance: Appearance {
            accent: Some("#0a7f5a".into()),
            ..Appearance::default()
        },
        shows: vec![Show {
            show_id: Uuid::new_v4().into(),
            name: "Friday".into(),
            starts_at: Some(later(86_400)),
            zones: capacities.iter().map(zone).collect(),
        }],
    }
}

pub(crate) async fn stored_event(store: &SharedStore, capacities: &[u32]) -> Event {
    let event = event(capacities);
    store.create_event(&event, &operator(NOW)).await.unwrap();
    event
}

/// A reservation by `user` of `quantity` seats in the event's zone of that number, for ten minutes,
/// with a pass of its own.
pub(crate) fn reservation(event: &Event, zone: usize, user: &str, quantity: u32) -> NewBooking {
    let show = &event.shows[0];
    let booking = Booking {
        booking_id: Uuid::now_v7().into(),
        event_id: event.event_id,
        show_id: show.show_id,
        zone_id: show.zones[zone].zone_id,
        user: user.parse().unwrap(),
        quantity,
        unit_price: Money {
            minor: 1_250,
            currency: event.currency,
        },
        status: Status::Reserved,
        created_at: NOW,
        expires_at: later(600),
        confirmed_at: None,
    };

    NewBooking {
        booking,
        pass_id: Uuid::new_v4().to_string().parse().unwrap(),
        idempotency: None,
    }
}

pub(crate) fn with_key(mut new: NewBooking, key: &str, fingerprint: &str) -> NewBooking {
    new.idempotency = Some(Idempotency {
        key: key.parse().unwrap(),
        fingerprint: fingerprint.into(),
    });
    new
}

pub(crate) fn transition_request(new: &NewBooking, transition: Transition) -> TransitionRequest {
    TransitionRequest {
        booking_id: new.booking.booking_id,
        user: new.booking.user.clone(),
        transition,
    }
}

/// Held and confirmed seats of the event's zone of that number.
pub(crate) async fn counters(store: &SharedStore, event: &Event, zone: usize) -> (u32, u32) {
    let zone_id: ZoneId = event.shows[0].zones[zone].zone_id;
    let counts = store.zone_counts(Some(event.event_id)).await.unwrap();
    let zone = counts
        .iter()
        .find(|count| count.zone_id == zone_id)
        .unwrap();
    (zone.held, zone.confirmed)
}

pub(crate) async fn status(store: &SharedStore, booking: BookingId) -> Status {
    store.booking(booking).await.unwrap().unwrap().status
}

/// Every message that waits, as "status of booking" counts.
pub(crate) async fn messages(store: &SharedStore) -> Vec<String> {
    let batches = store
        .lease_batches(Uuid::new_v4(), NOW, NOW, 100_000)
        .await
        .unwrap();

    batches
        .into_iter()
        .flat_map(|batch| batch.messages)
        .map(|message| message.message_id)
        .collect()
}
