//! Storing, deciding, reading.

use booking::{
    model::booking::Status,
    store::{AsOf::Fixed, InsertOutcome, SharedStore, Transition, TransitionOutcome},
};
use waitingroom_domain::ids::IdempotencyKey;

use super::fixtures::{
    NOW, counters, later, messages, reservation, status, stored_event, transition_request, with_key,
};

pub(crate) async fn rejected_row_leaves_others_stored(store: SharedStore) {
    let event = stored_event(&store, &[10, 3]).await;
    let first = reservation(&event, 0, "ann", 4);
    let same_pass = booking::model::booking::NewBooking {
        pass_id: first.pass_id.clone(),
        ..reservation(&event, 0, "bob", 1)
    };
    let mut nowhere = reservation(&event, 0, "eve", 1);

    nowhere.booking.zone_id = uuid::Uuid::new_v4().into();
    let batch = [
        first,
        same_pass,
        reservation(&event, 1, "cat", 4),
        nowhere,
        reservation(&event, 1, "dan", 3),
        reservation(&event, 0, "fay", 6),
    ];

    use InsertOutcome::{Duplicate, NoSeats, Stored};
    let answers = store.insert(&batch).await.unwrap();

    assert_eq!(
        answers,
        [Stored, Duplicate, NoSeats, NoSeats, Stored, Stored]
    );
    assert_eq!(counters(&store, &event, 0).await, (10, 0));
    assert_eq!(counters(&store, &event, 1).await, (3, 0));
    assert_eq!(messages(&store).await.len(), 3);
    assert_eq!(
        store
            .booking(batch[4].booking.booking_id)
            .await
            .unwrap()
            .as_ref(),
        Some(&batch[4].booking)
    );
    assert_eq!(
        store.booking(batch[2].booking.booking_id).await.unwrap(),
        None
    );
}

pub(crate) async fn a_pass_makes_one_booking(store: SharedStore) {
    let event = stored_event(&store, &[10]).await;
    let first = reservation(&event, 0, "ann", 1);

    assert!(!store.pass_is_used(&first.pass_id).await.unwrap());
    assert_eq!(
        store.insert(std::slice::from_ref(&first)).await.unwrap(),
        [InsertOutcome::Stored]
    );
    assert!(store.pass_is_used(&first.pass_id).await.unwrap());
    store
        .apply_transitions(
            &[transition_request(&first, Transition::Cancel)],
            Fixed(later(1)),
        )
        .await
        .unwrap();

    let again = booking::model::booking::NewBooking {
        pass_id: first.pass_id,
        ..reservation(&event, 0, "ann", 1)
    };
    assert_eq!(
        store.insert(&[again]).await.unwrap(),
        [InsertOutcome::Duplicate]
    );
    assert_eq!(counters(&store, &event, 0).await, (0, 0));
}

pub(crate) async fn a_key_makes_one_booking_for_each_user(store: SharedStore) {
    let event = stored_event(&store, &[10]).await;
    let batch = [
        with_key(reservation(&event, 0, "ann", 1), "k1", "f1"),
        with_key(reservation(&event, 0, "ann", 2), "k1", "f2"),
        with_key(reservation(&event, 0, "bob", 1), "k1", "f1"),
        reservation(&event, 0, "ann", 1),
        reservation(&event, 0, "ann", 1),
    ];

    let answers = store.insert(&batch).await.unwrap();
    assert_eq!(
        answers
            .iter()
            .filter(|answer| **answer == InsertOutcome::Stored)
            .count(),
        4
    );

    let key: IdempotencyKey = "k1".parse().unwrap();
    for user in ["ann", "bob"] {
        let attempt = store
            .find_attempt(&user.parse().unwrap(), &key)
            .await
            .unwrap()
            .unwrap();
        let made = batch
            .iter()
            .find(|new| new.booking == attempt.booking)
            .unwrap();
        assert_eq!(
            attempt.fingerprint,
            made.idempotency
                .as_ref()
                .map(|attempt| attempt.fingerprint.clone())
        );
    }

    assert_eq!(
        store
            .find_attempt(&"cat".parse().unwrap(), &key)
            .await
            .unwrap(),
        None
    );
}

pub(crate) async fn transitions_move_seats_once(store: SharedStore) {
    let event = stored_event(&store, &[10]).await;
    let [kept, bought, returned] =
        ["ann", "bob", "cat"].map(|user| reservation(&event, 0, user, 2));

    store
        .insert(&[kept.clone(), bought.clone(), returned.clone()])
        .await
        .unwrap();

    let batch = [
        transition_request(&bought, Transition::Confirm),
        transition_request(&returned, Transition::Cancel),
    ];

    for round in 0..2 {
        let outcomes = store
            .apply_transitions(&batch, Fixed(later(5)))
            .await
            .unwrap();
        let changed = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, TransitionOutcome::Changed(_)))
            .count();
        assert_eq!(changed, if round == 0 { 2 } else { 0 });
        assert_eq!(counters(&store, &event, 0).await, (2, 2));
    }

    let bought = store
        .booking(bought.booking.booking_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (bought.status, bought.confirmed_at),
        (Status::Confirmed, Some(later(5)))
    );
    assert_eq!(
        status(&store, returned.booking.booking_id).await,
        Status::Cancelled
    );
    assert_eq!(messages(&store).await.len(), 5);
}

pub(crate) async fn other_users_booking_is_not_found(store: SharedStore) {
    let event = stored_event(&store, &[10]).await;
    let anns = reservation(&event, 0, "ann", 2);

    store.insert(std::slice::from_ref(&anns)).await.unwrap();
    let mut stranger = transition_request(&anns, Transition::Cancel);

    stranger.user = "bob".parse().unwrap();
    let outcomes = store
        .apply_transitions(
            &[stranger, transition_request(&anns, Transition::Confirm)],
            Fixed(NOW),
        )
        .await
        .unwrap();

    assert_eq!(outcomes[0], TransitionOutcome::NotFound);
    assert!(
        matches!(&outcomes[1], TransitionOutcome::Changed(booking) if booking.status == Status::Confirmed)
    );
}

pub(crate) async fn first_transition_in_batch_wins(store: SharedStore) {
    let event = stored_event(&store, &[10]).await;
    let new = reservation(&event, 0, "ann", 2);

    store.insert(std::slice::from_ref(&new)).await.unwrap();
    let batch = [
        transition_request(&new, Transition::Confirm),
        transition_request(&new, Transition::Cancel),
        transition_request(&new, Transition::Confirm),
    ];

    let outcomes = store.apply_transitions(&batch, Fixed(NOW)).await.unwrap();
    assert!(matches!(&outcomes[0], TransitionOutcome::Changed(_)));

    for outcome in &outcomes[1..] {
        assert!(
            matches!(outcome, TransitionOutcome::Unchanged(booking) if booking.status == Status::Confirmed)
        );
    }

    assert_eq!(counters(&store, &event, 0).await, (0, 2));
}

pub(crate) async fn overdue_hold_can_only_expire(store: SharedStore) {
    let event = stored_event(&store, &[10]).await;
    let new = reservation(&event, 0, "ann", 2);

    store.insert(std::slice::from_ref(&new)).await.unwrap();
    assert!(
        store
            .expire_due(Fixed(later(599)), 10)
            .await
            .unwrap()
            .is_empty()
    );

    for transition in [Transition::Confirm, Transition::Cancel] {
        let outcomes = store
            .apply_transitions(&[transition_request(&new, transition)], Fixed(later(600)))
            .await
            .unwrap();
        assert!(
            matches!(&outcomes[0], TransitionOutcome::Unchanged(booking) if booking.status == Status::Reserved)
        );
    }

    let expired = store.expire_due(Fixed(later(600)), 10).await.unwrap();
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0].status, Status::Expired);
    assert_eq!(counters(&store, &event, 0).await, (0, 0));
    assert!(
        store
            .expire_due(Fixed(later(700)), 10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn lists_and_summaries(store: SharedStore) {
    let (event, other) = (
        stored_event(&store, &[100]).await,
        stored_event(&store, &[100]).await,
    );
    let mut made = Vec::new();

    for number in 0..5 {
        let mut new = reservation(
            if number == 4 { &other } else { &event },
            0,
            "ann",
            number + 1,
        );
        new.booking.created_at = later(u64::from(number));
        made.push(new);
    }

    store.insert(&made).await.unwrap();
    store
        .insert(&[reservation(&event, 0, "bob", 1)])
        .await
        .unwrap();
    store
        .apply_transitions(
            &[
                transition_request(&made[0], Transition::Confirm),
                transition_request(&made[1], Transition::Cancel),
            ],
            Fixed(later(10)),
        )
        .await
        .unwrap();

    let ann = "ann".parse().unwrap();
    let page = store.list(&ann, Some(event.event_id), 2, 1).await.unwrap();
    let ids: Vec<_> = page
        .bookings
        .iter()
        .map(|booking| booking.booking_id)
        .collect();

    assert_eq!(
        (page.total, ids),
        (
            4,
            vec![made[2].booking.booking_id, made[1].booking.booking_id]
        )
    );
    assert_eq!(
        store.list(&ann, None, 100, 0).await.unwrap().bookings.len(),
        5
    );
    assert_eq!(store.pending(&ann, later(10)).await.unwrap().len(), 3);
    assert!(store.pending(&ann, later(600)).await.unwrap().is_empty());

    let summary = store
        .summary(&ann, Some(event.event_id), later(10))
        .await
        .unwrap()[0];
    assert_eq!(
        (
            summary.reserved_seats,
            summary.confirmed_seats,
            summary.bookings
        ),
        (7, 1, 3)
    );
    assert_eq!(summary.total_spent, 1_250);
    assert_eq!(
        store.summary(&ann, None, later(10)).await.unwrap()[0].reserved_seats,
        12
    );
    assert!(
        store
            .summary(&"cat".parse().unwrap(), None, NOW)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn clears_expired_keys(store: SharedStore) {
    let event = stored_event(&store, &[10]).await;
    store
        .insert(&[with_key(reservation(&event, 0, "ann", 1), "k1", "f1")])
        .await
        .unwrap();
    assert_eq!(store.clear_expired_keys(NOW, 10).await.unwrap(), 0);
    assert_eq!(store.clear_expired_keys(later(1), 10).await.unwrap(), 1);
    assert_eq!(
        store
            .find_attempt(&"ann".parse().unwrap(), &"k1".parse().unwrap())
            .await
            .unwrap(),
        None
    );

    let again = store
        .insert(&[with_key(reservation(&event, 0, "ann", 1), "k1", "f2")])
        .await
        .unwrap();
    assert_eq!(again, [InsertOutcome::Stored]);
}

pub(crate) async fn reset_frees_everything(store: SharedStore) {
    let event = stored_event(&store, &[10]).await;
    let new = reservation(&event, 0, "ann", 4);
    store.insert(std::slice::from_ref(&new)).await.unwrap();
    store.reset().await.unwrap();
    assert_eq!(counters(&store, &event, 0).await, (0, 0));
    assert_eq!(store.booking(new.booking.booking_id).await.unwrap(), None);
    assert_eq!(store.backlog().await.unwrap(), (0, None));
    assert_eq!(store.catalogue().await.unwrap(), [event]);
}
