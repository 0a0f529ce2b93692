//! Many at once.

use std::collections::HashSet;

use booking::{
    model::booking::{NewBooking, Status},
    store::{AsOf::Fixed, InsertOutcome, SharedStore, Transition, TransitionOutcome},
};
use futures_util::future::join_all;

use super::fixtures::{
    NOW, counters, later, messages, reservation, status, stored_event, transition_request,
};

pub(crate) async fn seats_are_never_oversold(store: SharedStore) {
    let event = stored_event(&store, &[50, 30]).await;
    let batch = |number: usize| -> Vec<NewBooking> {
        (0..10)
            .map(|row| reservation(&event, row % 2, &format!("u{number}-{row}"), 1))
            .collect()
    };

    let batches: Vec<_> = (0..20).map(batch).collect();
    let answers = join_all(batches.iter().map(|batch| store.insert(batch))).await;
    let mut sold = [0, 0];

    for (batch, answers) in batches.iter().zip(answers) {
        for (new, answer) in batch.iter().zip(answers.unwrap()) {
            let zone = usize::from(new.booking.zone_id == event.shows[0].zones[1].zone_id);
            sold[zone] += u32::from(answer == InsertOutcome::Stored);
        }
    }

    assert_eq!(sold, [50, 30]);
    assert_eq!(counters(&store, &event, 0).await, (50, 0));
    assert_eq!(counters(&store, &event, 1).await, (30, 0));
    assert_eq!(messages(&store).await.len(), 80);
}

pub(crate) async fn confirm_against_expiry_has_one_winner(store: SharedStore) {
    let event = stored_event(&store, &[200]).await;
    let made: Vec<_> = (0..100)
        .map(|number| reservation(&event, 0, &format!("u{number}"), 2))
        .collect();

    store.insert(&made).await.unwrap();

    // One instance's clock is a second behind the other's.
    let wishes: Vec<_> = made
        .iter()
        .map(|new| vec![transition_request(new, Transition::Confirm)])
        .collect();
    let confirms = join_all(
        wishes
            .iter()
            .map(|batch| store.apply_transitions(batch, Fixed(later(599)))),
    );

    let expiries = join_all((0..10).map(|_| store.expire_due(Fixed(later(600)), 20)));
    let (confirms, expiries) = futures_util::future::join(confirms, expiries).await;
    let confirmed: HashSet<_> = confirms
        .into_iter()
        .flat_map(|outcomes| outcomes.unwrap())
        .filter_map(|outcome| {
            if let TransitionOutcome::Changed(booking) = outcome {
                Some(booking.booking_id)
            } else {
                None
            }
        })
        .collect();

    let expired: HashSet<_> = expiries
        .into_iter()
        .flat_map(|expired| expired.unwrap())
        .map(|booking| booking.booking_id)
        .collect();
    assert!(confirmed.is_disjoint(&expired));
    assert_eq!(confirmed.len() + expired.len(), 100);

    for id in &confirmed {
        assert_eq!(status(&store, *id).await, Status::Confirmed);
    }

    assert_eq!(
        counters(&store, &event, 0).await,
        (0, 2 * confirmed.len() as u32)
    );
    assert_eq!(messages(&store).await.len(), 200);
}

pub(crate) async fn confirm_against_cancel_has_one_winner(store: SharedStore) {
    let event = stored_event(&store, &[100]).await;
    let made: Vec<_> = (0..50)
        .map(|number| reservation(&event, 0, &format!("u{number}"), 2))
        .collect();

    store.insert(&made).await.unwrap();
    let wishes: Vec<_> = made
        .iter()
        .flat_map(|new| {
            [Transition::Confirm, Transition::Cancel]
                .map(|transition| vec![transition_request(new, transition)])
        })
        .collect();

    let outcomes = join_all(
        wishes
            .iter()
            .map(|batch| store.apply_transitions(batch, Fixed(NOW))),
    )
    .await;
    let changed: Vec<_> = outcomes
        .into_iter()
        .map(|outcomes| matches!(outcomes.unwrap()[0], TransitionOutcome::Changed(_)))
        .collect();

    for pair in changed.chunks(2) {
        assert!(
            pair[0] != pair[1],
            "exactly one of confirm and cancel must win"
        );
    }

    let confirmed = changed.chunks(2).filter(|pair| pair[0]).count() as u32;
    assert_eq!(counters(&store, &event, 0).await, (0, 2 * confirmed));
}

pub(crate) async fn instances_expire_each_hold_once(store: SharedStore) {
    let event = stored_event(&store, &[200]).await;
    let made: Vec<_> = (0..150)
        .map(|number| reservation(&event, 0, &format!("u{number}"), 1))
        .collect();

    store.insert(&made).await.unwrap();
    let mut expired = Vec::new();

    while expired.len() < 150 {
        let steps = join_all((0..4).map(|_| store.expire_due(Fixed(later(600)), 20))).await;
        let found: Vec<_> = steps.into_iter().flat_map(|step| step.unwrap()).collect();
        assert!(!found.is_empty(), "what is due is found");
        expired.extend(found.into_iter().map(|booking| booking.booking_id));
    }

    assert_eq!(expired.iter().collect::<HashSet<_>>().len(), 150);
    assert_eq!(counters(&store, &event, 0).await, (0, 0));
}

/// Batches that touch the same zones, passes and bookings in opposite orders.
pub(crate) async fn crossing_batches_do_not_deadlock(store: SharedStore) {
    let event = stored_event(&store, &[1_000, 1_000]).await;
    let there: Vec<_> = (0..40)
        .map(|number| reservation(&event, number % 2, &format!("u{number}"), 1))
        .collect();
    let mut back: Vec<_> = (0..40)
        .map(|number| NewBooking {
            pass_id: there[number].pass_id.clone(),
            ..reservation(&event, (number + 1) % 2, &format!("v{number}"), 1)
        })
        .collect();

    back.reverse();
    let (first, second) =
        futures_util::future::join(store.insert(&there), store.insert(&back)).await;
    let stored = [first.unwrap(), second.unwrap()]
        .concat()
        .iter()
        .filter(|a| **a == InsertOutcome::Stored)
        .count();

    assert_eq!(stored, 40);
    let wishes: Vec<_> = there
        .iter()
        .chain(&back)
        .map(|new| transition_request(new, Transition::Confirm))
        .collect();

    let reversed: Vec<_> = wishes.iter().rev().cloned().collect();
    let (first, second) = futures_util::future::join(
        store.apply_transitions(&wishes, Fixed(NOW)),
        store.apply_transitions(&reversed, Fixed(NOW)),
    )
    .await;

    let outcomes = [first.unwrap(), second.unwrap()].concat();
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| matches!(outcome, TransitionOutcome::Changed(_)))
            .count(),
        40
    );
}

/// Everything at once, in an order that nobody knows; then the books are checked.
pub(crate) async fn counters_agree_with_bookings(store: SharedStore) {
    let event = stored_event(&store, &[60, 20]).await;
    let made: Vec<_> = (0..120u32)
        .map(|number| {
            let mut new = reservation(
                &event,
                (number % 2) as usize,
                &format!("u{}", number % 5),
                1 + number % 3,
            );
            new.booking.expires_at = later(u64::from(number % 7) * 100);
            new
        })
        .collect();

    let act = |number: usize| {
        let (store, made) = (&store, &made);
        async move {
            let batch = &made[number * 10..number * 10 + 10];
            store.insert(batch).await.unwrap();
            let wishes: Vec<_> = batch
                .iter()
                .zip(
                    [Transition::Confirm, Transition::Cancel, Transition::Confirm]
                        .into_iter()
                        .cycle(),
                )
                .map(|(new, transition)| transition_request(new, transition))
                .collect();
            store
                .apply_transitions(&wishes[..5], Fixed(later(50 * number as u64)))
                .await
                .unwrap();
            store
                .expire_due(Fixed(later(40 * number as u64)), 7)
                .await
                .unwrap();
            store
                .apply_transitions(&wishes[3..], Fixed(later(50 * number as u64)))
                .await
                .unwrap();
        }
    };
    join_all((0..12).map(act)).await;

    let mut told = 0;
    for zone in 0..2 {
        let mut expected = (0, 0);
        for new in made
            .iter()
            .filter(|new| new.booking.zone_id == event.shows[0].zones[zone].zone_id)
        {
            let Some(booking) = store.booking(new.booking.booking_id).await.unwrap() else {
                continue;
            };
            match booking.status {
                Status::Reserved => expected.0 += booking.quantity,
                Status::Confirmed => expected.1 += booking.quantity,
                Status::Cancelled | Status::Expired => {}
            }
            told += if booking.status == Status::Reserved {
                1
            } else {
                2
            };
        }
        assert_eq!(counters(&store, &event, zone).await, expected);
    }

    assert_eq!(messages(&store).await.len(), told);
}
