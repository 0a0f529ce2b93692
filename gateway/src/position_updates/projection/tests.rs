//! The projection of one position, without a room: against the plain definition of a rank, and which
//! updates it leads to.

use std::collections::BTreeSet;

use proptest::prelude::*;
use waitingroom_domain::queue::{QueueSettings, SaleState};
use waitingroom_server::protocol::WaitReason;

use super::*;

fn epoch() -> Epoch {
    "e1".parse().unwrap()
}

fn place(number: u64, position: u64, revision: u64) -> Place {
    Place {
        number,
        epoch: epoch(),
        position,
        total: position,
        revision,
        grant: None,
        counting: false,
        last_position: LastPosition::NotSent,
    }
}

fn progress(from: u64, removed: Vec<u64>) -> Progress {
    Progress {
        event_id: uuid::Uuid::nil().into(),
        epoch: epoch(),
        from,
        to: from + removed.len() as u64,
        removed,
        total: 9,
        active: 0,
        seats_left: 10,
        settings: QueueSettings::default(),
        share: 1.0,
        released: None,
        present: None,
        passed_over: 0,
        counting: false,
        seats_known: true,
    }
}

/// Applies a message as the room does.
fn apply(projection: &mut Projection, progress: &Progress) {
    let mut removed = progress.removed.clone();
    removed.sort_unstable();
    projection.apply_removals(progress, &removed);
}

proptest! {
    /// The place is read after any of the removals, and all messages arrive, also those that the
    /// place counts in part.
    #[test]
    fn position_is_the_rank(
        removals in Just((1..=40u64).filter(|number| *number != 20).collect::<Vec<_>>()).prop_shuffle(),
        removed in 0usize..39,
        read_after in 0usize..39,
        batch in 1usize..8,
    ) {
        let removals = &removals[..removed];
        let rank_after = |count: usize| {
            let gone: BTreeSet<u64> = removals[..count].iter().copied().collect();
            (1..=20).filter(|number| !gone.contains(number)).count() as u64
        };

        let read_after = read_after.min(removed);
        let mut projection = Projection::new(&place(20, rank_after(read_after), read_after as u64));
        for (index, batch_removals) in removals.chunks(batch).enumerate() {
            apply(&mut projection, &progress((index * batch) as u64, batch_removals.to_vec()));
        }
        prop_assert_eq!(projection.position(), rank_after(removed));
    }
}

#[test]
fn ignores_older_place() {
    let mut projection = Projection::new(&place(9, 5, 4));
    let no_messages = |_: &Epoch| None;

    assert!(!projection.apply_place(&place(9, 9, 0), no_messages));
    assert_eq!(projection.position(), 5);
    assert!(!projection.apply_place(&place(9, 6, 5), no_messages));
    assert_eq!(projection.position(), 6, "a user came back in front");
    assert!(projection.apply_place(&place(12, 11, 0), no_messages));
    assert_eq!(projection.ticket(), Some((epoch(), 12)), "another place");
}

#[test]
fn ignores_place_from_before_the_pass() {
    let mut projection = Projection::new(&place(2, 1, 1));
    projection.end_with_pass();

    assert!(!projection.apply_place(&place(2, 1, 1), |_| Some(2)));
    assert!(!projection.is_waiting() && projection.ticket().is_none());
    projection.apply_place(&place(2, 3, 3), |_| Some(2));
    assert!(projection.is_waiting(), "unclaimed, and read later");
}

#[test]
fn knows_whether_messages_are_missing() {
    let projection = Projection::new(&place(9, 9, 1));
    assert!(!projection.has_gap_before(&progress(1, vec![5])));
    assert!(projection.has_gap_before(&progress(2, vec![5])));

    let bound = Place {
        counting: true,
        ..place(9, 9, 1)
    };
    let projection = Projection::new(&bound);
    assert!(projection.has_gap_before(&progress(1, vec![])));
    assert!(!projection.follows(&progress(1, vec![])));
}

#[test]
fn never_sends_worse_position() {
    let mut projection = Projection::new(&place(9, 5, 0));
    let (view, now) = (RoomView::default(), Timestamp::from_millis(10_000));

    assert_eq!(
        projection.next_update(9, &view, now, now).unwrap().position,
        5
    );
    projection.position = 7;
    assert_eq!(projection.next_update(9, &view, now, now), None);
    projection.position = 4;

    assert_eq!(
        projection.next_update(9, &view, now, now).unwrap().position,
        4
    );
}

#[test]
fn sends_longer_wait_with_reason() {
    let mut projection = Projection::new(&place(9, 100, 0));
    let mut second = 0;
    let mut next = |projection: &mut Projection, rate_per_second: f64, state: SaleState| {
        second += 10;
        let settings = QueueSettings {
            rate_per_second,
            state,
            ..QueueSettings::default()
        };
        let (last, now) = (
            Timestamp::from_millis((second - 10) * 1_000),
            Timestamp::from_millis(second * 1_000),
        );
        let update = projection.next_update(
            200,
            &RoomView {
                settings,
                ..RoomView::default()
            },
            last,
            now,
        );
        update.map(|update| {
            (
                update.position,
                update.estimate.wait_seconds,
                update.estimate.reason,
            )
        })
    };

    assert_eq!(
        next(&mut projection, 10.0, SaleState::Open),
        Some((100, 10, None))
    );
    assert_eq!(
        next(&mut projection, 8.0, SaleState::Open),
        None,
        "a wobble"
    );
    assert_eq!(
        next(&mut projection, 4.0, SaleState::Open),
        Some((100, 25, Some(WaitReason::Slowed)))
    );
    assert_eq!(
        next(&mut projection, 4.0, SaleState::Open),
        None,
        "sent once"
    );
    projection.position = 99;
    assert_eq!(
        next(&mut projection, 4.0, SaleState::Open),
        Some((99, 25, None))
    );
    projection.position = 180;
    assert_eq!(
        next(&mut projection, 4.0, SaleState::Open),
        Some((99, 45, Some(WaitReason::Returned)))
    );
    assert_eq!(
        next(&mut projection, 4.0, SaleState::Paused),
        Some((99, 45, Some(WaitReason::Paused)))
    );
    assert_eq!(
        next(&mut projection, 4.0, SaleState::Paused),
        None,
        "sent once"
    );
}

#[test]
fn skips_next_update_once_when_pass_imminent() {
    let updates = |rate_per_second| {
        let settings = QueueSettings {
            state: SaleState::Open,
            rate_per_second,
            ..QueueSettings::default()
        };
        let view = RoomView {
            settings,
            seats_left: 10,
            seats_known: true,
            known: true,
            ..RoomView::default()
        };
        let mut projection = Projection::new(&place(1_000, 1_000, 0));
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let mut look = |from| {
            projection
                .next_update(2_000, &view, at(from), at(from + 2))
                .map(|update| update.position)
        };
        [look(0), look(2), look(4)]
    };
    assert_eq!(
        updates(500.0),
        [Some(1_000), None, None],
        "two seconds are to come"
    );
    assert_eq!(
        updates(5_000.0),
        [None, Some(1_000), None],
        "the pass should have been there by then"
    );
}

#[test]
fn sends_length_of_a_queue_that_stands() {
    let mut projection = Projection::new(&place(9, 5, 0));
    let view = RoomView::default();
    let mut look = |total, from: i64, to: i64| {
        let (last, now) = (
            Timestamp::from_millis(from * 1_000),
            Timestamp::from_millis(to * 1_000),
        );
        projection
            .next_update(total, &view, last, now)
            .map(|update| (update.position, update.total))
    };

    assert_eq!(look(5, 0, 1), Some((5, 5)));
    assert_eq!(look(5, 1, 60), None, "nothing is new");
    let within_one_interval: Vec<_> = (60..64).filter_map(|at| look(17, at, at + 1)).collect();
    assert_eq!(within_one_interval, [(5, 17)], "sent once");
    assert_eq!(look(17, 64, 120), None);
}
