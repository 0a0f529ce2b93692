//! The limit of seats a user: the database's, whatever the engine counted.

use booking::{
    model::{booking::NewBooking, event::Event},
    store::{AsOf::Fixed, InsertOutcome, SharedStore, Transition},
};
use futures_util::future::join_all;

use super::fixtures::{
    NOW, counters, event as drafted, later, operator, reservation, stored_event,
    transition_request, with_key,
};

/// An event in which a user may have `limit` seats.
async fn limited(store: &SharedStore, limit: u32) -> Event {
    let event = Event {
        max_seats_per_user: limit,
        ..drafted(&[500, 500])
    };
    store.create_event(&event, &operator(NOW)).await.unwrap();
    event
}

pub(crate) async fn no_user_exceeds_limit(store: SharedStore) {
    let event = limited(&store, 10).await;
    let first = reservation(&event, 0, "ann", 5);

    assert_eq!(
        store.insert(std::slice::from_ref(&first)).await.unwrap(),
        [InsertOutcome::Stored]
    );

    let batch = [
        reservation(&event, 0, "bob", 10),
        reservation(&event, 1, "ann", 6),
        reservation(&event, 1, "cy", 2),
        first.clone(),
    ];
    let answers = store.insert(&batch).await.unwrap();

    assert_eq!(
        answers,
        [
            InsertOutcome::Stored,
            InsertOutcome::OverLimit(5),
            InsertOutcome::Stored,
            InsertOutcome::Duplicate
        ]
    );

    let rest = [
        reservation(&event, 1, "ann", 5),
        reservation(&event, 0, "bob", 1),
    ];
    assert_eq!(
        store.insert(&rest).await.unwrap(),
        [InsertOutcome::Stored, InsertOutcome::OverLimit(0)]
    );
    assert_eq!(
        (
            counters(&store, &event, 0).await.0,
            counters(&store, &event, 1).await.0
        ),
        (15, 7)
    );

    let other = stored_event(&store, &[20]).await;
    assert_eq!(
        store
            .insert(&[reservation(&other, 0, "ann", 9)])
            .await
            .unwrap(),
        [InsertOutcome::Stored],
        "of each event"
    );

    let small = limited(&store, 4).await;
    let answers = store
        .insert(&[
            reservation(&small, 0, "dan", 5),
            reservation(&small, 0, "eve", 4),
        ])
        .await
        .unwrap();

    assert_eq!(
        answers,
        [InsertOutcome::OverLimit(4), InsertOutcome::Stored],
        "the first booking as well"
    );
}

pub(crate) async fn repeat_at_limit_is_duplicate(store: SharedStore) {
    let event = limited(&store, 4).await;
    let made = with_key(reservation(&event, 0, "ann", 4), "k", "f");

    assert_eq!(
        store.insert(std::slice::from_ref(&made)).await.unwrap(),
        [InsertOutcome::Stored]
    );

    let same_pass = NewBooking {
        booking: reservation(&event, 0, "ann", 4).booking,
        ..made.clone()
    };
    let same_key = with_key(reservation(&event, 0, "ann", 4), "k", "f");

    for again in [&same_pass, &same_key] {
        for _ in 0..3 {
            assert_eq!(
                store.insert(std::slice::from_ref(again)).await.unwrap(),
                [InsertOutcome::Duplicate]
            );
        }
    }

    assert_eq!(counters(&store, &event, 0).await, (4, 0));
}

pub(crate) async fn released_seats_count_no_more(store: SharedStore) {
    let event = limited(&store, 4).await;
    for round in 0..5 {
        let made = reservation(&event, round % 2, "ann", 3);
        let too_much = reservation(&event, 0, "ann", 2);
        assert_eq!(
            store.insert(std::slice::from_ref(&made)).await.unwrap(),
            [InsertOutcome::Stored],
            "{round}"
        );
        assert_eq!(
            store.insert(std::slice::from_ref(&too_much)).await.unwrap(),
            [InsertOutcome::OverLimit(1)]
        );
        match round % 2 {
            0 => drop(
                store
                    .apply_transitions(&[transition_request(&made, Transition::Cancel)], Fixed(NOW))
                    .await
                    .unwrap(),
            ),
            _ => assert_eq!(
                store.expire_due(Fixed(later(600)), 10).await.unwrap().len(),
                1
            ),
        }
    }

    let kept = reservation(&event, 0, "ann", 3);
    store.insert(std::slice::from_ref(&kept)).await.unwrap();
    store
        .apply_transitions(
            &[transition_request(&kept, Transition::Confirm)],
            Fixed(NOW),
        )
        .await
        .unwrap();

    let answers = store
        .insert(&[reservation(&event, 0, "ann", 2)])
        .await
        .unwrap();
    assert_eq!(
        answers,
        [InsertOutcome::OverLimit(1)],
        "what is bought stays"
    );
    store.reset().await.unwrap();

    assert_eq!(
        store
            .insert(&[reservation(&event, 0, "ann", 4)])
            .await
            .unwrap(),
        [InsertOutcome::Stored]
    );
}

/// Batches of several instances that want seats for the same users at once, in another order each,
/// while some are given back.
pub(crate) async fn concurrent_batches_keep_limits(store: SharedStore) {
    const USERS: usize = 12;
    let event = limited(&store, 6).await;
    let batch = |number: usize| -> Vec<NewBooking> {
        let user = |row: usize| (row * (1 + 2 * (number % 3)) + number) % USERS;
        (0..USERS)
            .map(|row| {
                reservation(
                    &event,
                    row % 2,
                    &format!("u{}", user(row)),
                    1 + (number % 3) as u32,
                )
            })
            .collect()
    };

    let batches: Vec<_> = (0..24).map(batch).collect();
    let stored = join_all(batches.iter().enumerate().map(|(number, batch)| {
        let store = &store;
        async move {
            let answers = store.insert(batch).await.unwrap();
            let stored = batch
                .iter()
                .zip(answers)
                .filter(|(_, answer)| *answer == InsertOutcome::Stored);
            let stored: Vec<_> = stored.map(|(new, _)| new.clone()).collect();
            let given_back: Vec<_> = stored
                .iter()
                .step_by(2)
                .map(|new| transition_request(new, Transition::Cancel))
                .collect();
            if number % 2 == 0 && !given_back.is_empty() {
                store
                    .apply_transitions(&given_back, Fixed(NOW))
                    .await
                    .unwrap();
            }
            stored
        }
    }))
    .await;

    assert!(stored.iter().flatten().count() > USERS);
    let snapshot = store.snapshot(event.event_id).await.unwrap();

    assert!(
        snapshot.users.iter().all(|(_, seats)| *seats <= 6),
        "{:?}",
        snapshot.users
    );

    for user in 0..USERS {
        let has = snapshot
            .users
            .iter()
            .find(|(name, _)| name.to_string() == format!("u{user}"));
        let room = 6 - has.map_or(0, |(_, seats)| *seats);
        let fill: Vec<_> = (0..room)
            .map(|_| reservation(&event, 0, &format!("u{user}"), 1))
            .collect();
        let answers = store.insert(&fill).await.unwrap();
        assert!(
            answers
                .iter()
                .all(|answer| *answer == InsertOutcome::Stored),
            "{room} more: {answers:?}"
        );
        let more = store
            .insert(&[reservation(&event, 0, &format!("u{user}"), 1)])
            .await
            .unwrap();
        assert_eq!(more, [InsertOutcome::OverLimit(0)]);
    }
}
