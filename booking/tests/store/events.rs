//! The catalogue, the snapshot, the checkpoints.

use booking::{
    model::revision::{Precondition, Revision},
    store::{AsOf::Fixed, SharedStore, StoreError, Transition},
};
use waitingroom_domain::{clock::Timestamp, numbers::Numbers, queue::QueuePatch};
use waitingroom_engine::{RecoveryPoint, UnservedNumbers};

use super::fixtures::{NOW, event, later, operator, reservation, stored_event, transition_request};

pub(crate) async fn event_round_trips(store: SharedStore) {
    assert!(store.catalogue().await.unwrap().is_empty());
    let before = store.revision().await.unwrap();
    let (first, second) = (stored_event(&store, &[1, 2, 3]).await, event(&[4]));

    store
        .create_event(&second, &operator(later(1)))
        .await
        .unwrap();
    assert_eq!(store.catalogue().await.unwrap(), [first, second]);
    assert_eq!(store.revision().await.unwrap(), before + 2);
}

pub(crate) async fn ids_are_taken_once(store: SharedStore) {
    let taken = stored_event(&store, &[1]).await;
    assert!(matches!(
        store.create_event(&taken, &operator(NOW)).await,
        Err(StoreError::Exists("event_id"))
    ));

    let mut other = event(&[1]);
    other.shows[0].show_id = taken.shows[0].show_id;
    assert!(matches!(
        store.create_event(&other, &operator(NOW)).await,
        Err(StoreError::Exists("show_id"))
    ));

    let mut other = event(&[1]);
    other.shows[0].zones[0].zone_id = taken.shows[0].zones[0].zone_id;
    assert!(matches!(
        store.create_event(&other, &operator(NOW)).await,
        Err(StoreError::Exists("zone_id"))
    ));
    assert_eq!(
        store.catalogue().await.unwrap(),
        [taken],
        "nothing of a refused event stays"
    );
}

pub(crate) async fn concurrent_patches_keep_each_other(store: SharedStore) {
    let event = stored_event(&store, &[1]).await;
    let rate = QueuePatch {
        rate_per_second: Some(7.5),
        ..QueuePatch::default()
    };
    let cap = QueuePatch {
        max_active: Some(77),
        ..QueuePatch::default()
    };
    let id = event.event_id;
    let act = operator(NOW);
    let both = [&rate, &cap].map(|patch| store.patch_queue(id, patch, &Precondition::None, &act));
    let [first, second]: [_; 2] = futures_util::future::join_all(both)
        .await
        .try_into()
        .unwrap();

    assert!(first.unwrap().is_some() && second.unwrap().is_some());
    let expected = event.queue.with(&rate).unwrap().with(&cap).unwrap();

    assert_eq!(store.catalogue().await.unwrap()[0].queue, expected);
    let nobody = uuid::Uuid::new_v4().into();
    assert_eq!(
        store
            .patch_queue(nobody, &rate, &Precondition::None, &act)
            .await
            .unwrap(),
        None
    );

    let seen = |revision: Revision| Precondition::AnyOf(vec![revision.as_str().to_owned()]);
    let outdated = store
        .patch_queue(id, &cap, &seen(Revision::of(&event.queue)), &act)
        .await;
    assert!(matches!(outdated, Err(StoreError::PreconditionFailed)));
    let entries = store.audit_records(Some(id), i64::MAX, 9).await.unwrap();
    assert_eq!(entries.len(), 3, "nothing was changed or logged");
    let current = seen(Revision::of(&expected));
    let changed = store.patch_queue(id, &rate, &current, &act).await.unwrap();
    assert_eq!(changed, Some(expected), "the same values again");
}

pub(crate) async fn snapshot_has_seats_holds_and_users(store: SharedStore) {
    let event = stored_event(&store, &[10, 20]).await;
    let [held, bought, returned] =
        [("ann", 1), ("ann", 2), ("bob", 4)].map(|(user, n)| reservation(&event, 1, user, n));
    store
        .insert(&[held.clone(), bought.clone(), returned.clone()])
        .await
        .unwrap();
    store
        .apply_transitions(
            &[
                transition_request(&bought, Transition::Confirm),
                transition_request(&returned, Transition::Cancel),
            ],
            Fixed(NOW),
        )
        .await
        .unwrap();
    let snapshot = store.snapshot(event.event_id).await.unwrap();
    let mut available: Vec<_> = snapshot.zones.iter().map(|zone| zone.available).collect();
    available.sort_unstable();
    assert_eq!(available, [10, 17]);
    assert_eq!(snapshot.holds.len(), 1);
    assert_eq!(snapshot.holds[0].booking_id, held.booking.booking_id);
    assert_eq!(snapshot.holds[0].pass_id, held.pass_id);
    assert_eq!(snapshot.users, [("ann".parse().unwrap(), 3)]);

    let users = ["ann", "bob", "nobody"].map(|user| user.parse().unwrap());
    let id = event.event_id;
    assert_eq!(
        store.seats_of_users(id, &users).await.unwrap(),
        [("ann".parse().unwrap(), 3)]
    );
    assert_eq!(store.seats_of_users(id, &users[1..]).await.unwrap(), []);
    assert_eq!(store.seats_of_users(id, &[]).await.unwrap(), []);
    let other = stored_event(&store, &[1]).await.event_id;
    assert_eq!(
        store.seats_of_users(other, &users).await.unwrap(),
        [],
        "of another event"
    );
}

pub(crate) async fn checkpoints_never_move_back(store: SharedStore) {
    let id = stored_event(&store, &[1]).await.event_id;
    assert_eq!(store.checkpoint(id).await.unwrap(), None);
    let opened = RecoveryPoint::default();
    store.save_checkpoint(id, &opened).await.unwrap();
    assert_eq!(store.checkpoint(id).await.unwrap(), Some(opened));

    let reached = |sequence, head, waiting: &[u64], returned: &[u64]| {
        let numbers = |numbers: &[u64]| numbers.iter().copied().collect::<Numbers>();
        let unserved = UnservedNumbers {
            waiting: numbers(waiting),
            unclaimed: numbers(returned),
        };
        RecoveryPoint {
            sequence,
            head,
            unserved,
        }
    };
    let (mark, until) = ("a mark", later(60_000));
    assert_eq!(store.handover(id).await.unwrap(), None);
    store.begin_handover(id, mark, until).await.unwrap();
    assert_eq!(
        store.handover(id).await.unwrap(),
        Some((mark.to_owned(), until))
    );
    store.hasten_handover(id).await.unwrap();
    store.end_handover(id, "another").await.unwrap();
    assert_eq!(
        store.handover(id).await.unwrap(),
        Some((mark.to_owned(), Timestamp::default()))
    );
    store.end_handover(id, mark).await.unwrap();
    assert_eq!(store.handover(id).await.unwrap(), None);

    let first = reached(20, 9, &[3, 4, 8], &[7]);
    store.save_checkpoint(id, &first).await.unwrap();
    assert_eq!(store.checkpoint(id).await.unwrap(), Some(first.clone()));
    for older in [reached(10, 12, &[], &[]), reached(20, 8, &[], &[])] {
        store.save_checkpoint(id, &older).await.unwrap();
        assert_eq!(
            store.checkpoint(id).await.unwrap(),
            Some(first.clone()),
            "what came later"
        );
    }
    // The same head with fewer who wait for their pass; a line that was begun anew, whose head goes
    // back.
    for later in [reached(20, 9, &[3], &[]), reached(1_000_020, 7, &[], &[2])] {
        store.save_checkpoint(id, &later).await.unwrap();
        assert_eq!(store.checkpoint(id).await.unwrap(), Some(later));
    }
    store.clear_checkpoint(id).await.unwrap();
    assert_eq!(store.checkpoint(id).await.unwrap(), None);
}

pub(crate) async fn one_instance_rebuilds_at_a_time(store: SharedStore) {
    let id = stored_event(&store, &[1]).await.event_id;
    assert!(store.lease_sync(id, NOW, later(10)).await.unwrap());
    assert!(!store.lease_sync(id, later(9), later(20)).await.unwrap());
    assert!(
        store.lease_sync(id, later(10), later(20)).await.unwrap(),
        "a lease ends"
    );
    store.release_sync(id).await.unwrap();

    assert!(store.lease_sync(id, later(11), later(20)).await.unwrap());
}
