//! A room as a whole: positions against the plain definition of a rank, and what connections are
//! sent.

use std::collections::BTreeSet;

use proptest::prelude::*;
use waitingroom_domain::{
    ids::Epoch,
    queue::{Grant, LastPosition},
};
use waitingroom_server::protocol::WaitReason;

use super::*;

fn epoch() -> Epoch {
    "e1".parse().unwrap()
}

fn event() -> EventId {
    uuid::Uuid::nil().into()
}

fn user(number: u64) -> UserId {
    format!("u{number}").parse().unwrap()
}

fn progress(from: u64, removed: Vec<u64>, total: u64) -> Progress {
    let to = from + removed.len() as u64;
    let settings = QueueSettings::default();

    Progress {
        event_id: event(),
        epoch: epoch(),
        from,
        to,
        removed,
        total,
        active: 0,
        seats_left: 10,
        settings,
        share: 1.0,
        released: None,
        present: None,
        passed_over: 0,
        counting: false,
        seats_known: true,
    }
}

/// A queue that users are removed from, and the places that the engine would return.
struct Model {
    queue: BTreeSet<u64>,
    log: Vec<u64>,
    published: usize,
}

impl Model {
    fn place(&self, number: u64) -> Place {
        Place {
            number,
            epoch: epoch(),
            position: self.queue.range(..=number).count() as u64,
            total: self.queue.len() as u64,
            revision: self.log.len() as u64,
            grant: None,
            counting: false,
            last_position: LastPosition::NotSent,
        }
    }

    fn publish(&mut self) -> Progress {
        let removed = self.log[self.published..].to_vec();
        let progress = progress(self.published as u64, removed, self.queue.len() as u64);
        self.published = self.log.len();
        progress
    }
}

proptest! {
    /// Users attach at any moment, also between a removal and its publication; messages may swap
    /// places.
    #[test]
    fn positions_are_the_ranks(steps in prop::collection::vec((0u8..4, 0usize..40), 1..120)) {
        let room = Room::default();
        let mut model = Model { queue: (1..=40).collect(), log: Vec::new(), published: 0 };
        room.apply_progress(&model.publish(), Timestamp::default());
        let mut held_back = None;
        for (kind, pick) in steps {
            let number = model.queue.iter().nth(pick % model.queue.len().max(1)).copied();
            match (kind, number) {
                (0, Some(number)) => { model.queue.remove(&number); model.log.push(number); }
                (1, Some(number)) => {
                    let current = room.attach(event(), &user(number), &model.place(number), &Arc::new(Mailbox::default())).unwrap_or(true);
                    prop_assert!(current);
                }
                (2, _) => { let next = model.publish(); room.apply_progress(&next, Timestamp::default()); }
                _ if held_back.is_none() => held_back = Some(model.publish()),
                _ => { let late = held_back.take().unwrap(); room.apply_progress(&late, Timestamp::default()); }
            }
        }
        if let Some(late) = held_back { room.apply_progress(&late, Timestamp::default()); }
        room.apply_progress(&model.publish(), Timestamp::default());
        for number in model.queue.iter().copied() {
            if let Some(position) = room.members.position(&user(number)) {
                prop_assert_eq!(position, model.queue.range(..=number).count() as u64);
            }
        }
    }
}

#[test]
fn detects_gap_when_epoch_changes() {
    let room = Room::default();
    room.apply_progress(&progress(0, vec![1], 9), Timestamp::default());

    let other = Progress {
        epoch: "e2".parse().unwrap(),
        ..progress(0, vec![], 0)
    };
    assert_eq!(
        room.apply_progress(&other, Timestamp::default()),
        ProgressOutcome::GapDetected
    );
}

#[test]
fn rejects_place_older_than_last_message() {
    let room = Room::default();
    room.apply_progress(&progress(0, vec![1, 2], 9), Timestamp::default());

    let mailbox = Arc::new(Mailbox::default());
    let stale = Place {
        number: 9,
        epoch: epoch(),
        position: 9,
        total: 9,
        revision: 1,
        grant: None,
        counting: false,
        last_position: LastPosition::NotSent,
    };

    assert_eq!(room.attach(event(), &user(9), &stale, &mailbox), Ok(false));
    assert_eq!(
        room.attach(
            event(),
            &user(9),
            &Place {
                position: 7,
                revision: 2,
                ..stale
            },
            &mailbox
        ),
        Ok(true)
    );
}

#[test]
fn ignores_older_place_when_newer_known() {
    let room = Room::default();
    let now = Timestamp::from_millis(100_000);
    room.apply_progress(&progress(0, vec![1, 2, 3], 20), now);
    let mailbox = Arc::new(Mailbox::default());
    let old = Place {
        number: 9,
        epoch: epoch(),
        position: 9,
        total: 20,
        revision: 0,
        grant: None,
        counting: false,
        last_position: LastPosition::NotSent,
    };
    assert_eq!(room.attach(event(), &user(9), &old, &mailbox), Ok(false));
    room.apply_progress(&progress(3, vec![4], 19), now); // counted on top of the old reading
    let new = Place {
        position: 5,
        revision: 4,
        ..old.clone()
    };
    assert_eq!(room.attach(event(), &user(9), &new, &mailbox), Ok(true));
    assert!(
        mailbox
            .drain()
            .iter()
            .all(|(_, updates)| updates.position.is_none()),
        "5 was sent already"
    );

    // A second tab whose reading took longer.
    assert_eq!(
        room.attach(event(), &user(9), &old, &Arc::new(Mailbox::default())),
        Ok(false)
    );
    room.apply_progress(&progress(4, vec![], 19), now);
    assert!(
        mailbox
            .drain()
            .iter()
            .all(|(_, updates)| updates.position.is_none()),
        "still 5"
    );
    room.apply_progress(&progress(4, vec![5], 18), now);
    let sent = mailbox
        .drain()
        .into_iter()
        .find_map(|(_, updates)| updates.position);
    assert_eq!(sent.map(|update| update.position), Some(4));
}

#[test]
fn sends_no_update_worse_than_first_place() {
    let room = Room::default();
    let now = Timestamp::from_millis(100_000);
    let mailbox = Arc::new(Mailbox::default());
    let place = Place {
        number: 9,
        epoch: epoch(),
        position: 4,
        total: 9,
        revision: 0,
        grant: None,
        counting: false,
        last_position: LastPosition::NotSent,
    };

    assert_eq!(room.attach(event(), &user(9), &place, &mailbox), Ok(true));
    room.refresh_place(
        event(),
        &user(9),
        &Place {
            position: 5,
            ..place
        },
    );
    room.apply_progress(&progress(0, vec![], 9), now);

    assert!(
        mailbox
            .drain()
            .iter()
            .all(|(_, updates)| updates.position.is_none()),
        "5 is not sent"
    );
}

#[test]
fn sends_no_update_worse_than_late_place() {
    let room = Room::default();
    let now = Timestamp::from_millis(100_000);
    let mailbox = Arc::new(Mailbox::default());
    let place = Place {
        number: 9,
        epoch: epoch(),
        position: 4,
        total: 9,
        revision: 1,
        grant: None,
        counting: false,
        last_position: LastPosition::NotSent,
    };

    // The reading of another connection was later, when two had come back in front.
    let later = Place {
        position: 6,
        revision: 3,
        ..place.clone()
    };
    assert_eq!(
        room.attach(event(), &user(9), &later, &Arc::new(Mailbox::default())),
        Ok(true)
    );
    assert_eq!(room.attach(event(), &user(9), &place, &mailbox), Ok(true));
    room.apply_progress(&progress(3, vec![1], 8), now);

    assert!(
        mailbox
            .drain()
            .iter()
            .filter_map(|(_, updates)| updates.position.as_ref())
            .all(|update| (update.position, update.total) == (4, 8)),
        "4 was sent, and 5 is not sent: only the length is news"
    );
}

#[test]
fn detects_gap_before_first_message() {
    let place = Place {
        number: 9,
        epoch: epoch(),
        position: 9,
        total: 9,
        revision: 1,
        grant: None,
        counting: false,
        last_position: LastPosition::NotSent,
    };

    for (from, applied) in [
        (1, ProgressOutcome::Applied),
        (2, ProgressOutcome::GapDetected),
    ] {
        let room = Room::default();
        assert_eq!(
            room.attach(event(), &user(9), &place, &Arc::new(Mailbox::default())),
            Ok(true)
        );
        assert_eq!(
            room.apply_progress(&progress(from, vec![5], 6), Timestamp::default()),
            applied
        );
    }
}

#[test]
fn projects_user_attached_to_idle_room() {
    let room = Room::default();
    let (mailbox, now) = (
        Arc::new(Mailbox::default()),
        Timestamp::from_millis(100_000),
    );
    let waiting = Place {
        number: 9,
        epoch: epoch(),
        position: 9,
        total: 9,
        revision: 0,
        grant: None,
        counting: false,
        last_position: LastPosition::NotSent,
    };

    let passed = Place {
        number: 1,
        position: 0,
        ..waiting.clone()
    };
    assert_eq!(room.attach(event(), &user(1), &passed, &mailbox), Ok(true));
    room.apply_progress(&progress(0, vec![1], 8), now);
    assert!(!room.members.may_have_waiting(), "no user here waits");

    let waiting = Place {
        position: 8,
        revision: 1,
        ..waiting
    };
    assert_eq!(room.attach(event(), &user(9), &waiting, &mailbox), Ok(true));

    for (from, number) in [(1, 2), (2, 3)] {
        room.apply_progress(&progress(from, vec![number], 7), now);
    }

    assert_eq!(room.members.position(&user(9)), Some(6));
}

#[test]
fn ignores_older_place_when_pass_granted() {
    let room = Room::default();
    let (mailbox, now) = (
        Arc::new(Mailbox::default()),
        Timestamp::from_millis(100_000),
    );

    room.apply_progress(&progress(0, vec![1], 9), now);
    let waiting = Place {
        number: 2,
        epoch: epoch(),
        position: 1,
        total: 9,
        revision: 1,
        grant: None,
        counting: false,
        last_position: LastPosition::NotSent,
    };

    let pass_id = "b-1".parse().unwrap();
    let grant = Grant {
        pass_id,
        number: 2,
        epoch: epoch(),
        issued_at: now,
        expires_at: now,
    };

    assert_eq!(room.attach(event(), &user(2), &waiting, &mailbox), Ok(true));
    room.members.deliver(event(), &user(2), grant);
    room.apply_progress(&progress(1, vec![2], 8), now);

    // Another tab's reading, from before the pass.
    assert_eq!(
        room.attach(event(), &user(2), &waiting, &Arc::new(Mailbox::default())),
        Ok(false)
    );
    room.refresh_place(event(), &user(2), &waiting);
    assert_eq!(room.members.position(&user(2)), Some(0));
    assert_eq!(
        room.members.ticket(&user(2)),
        None,
        "the user has left the queue"
    );
}

fn rebuilt(from: u64, counting: bool, seats_known: bool) -> Progress {
    let seats_left = if seats_known { 10 } else { 0 };
    Progress {
        epoch: "e2".parse().unwrap(),
        seats_left,
        counting,
        seats_known,
        ..progress(from, vec![], 3)
    }
}

#[test]
fn sends_exact_place_once_recounted() {
    let room = Room::default();
    let (mailbox, now) = (
        Arc::new(Mailbox::default()),
        Timestamp::from_millis(100_000),
    );
    let position_in = |mailbox: &Mailbox| {
        mailbox
            .drain()
            .into_iter()
            .find_map(|(_, updates)| updates.position)
    };
    room.apply_progress(&progress(0, vec![1], 40), now);
    let before = Place {
        number: 9,
        epoch: epoch(),
        position: 8,
        total: 40,
        revision: 1,
        grant: None,
        counting: false,
        last_position: LastPosition::NotSent,
    };
    assert_eq!(room.attach(event(), &user(9), &before, &mailbox), Ok(true));

    assert_eq!(
        room.apply_progress(&rebuilt(0, true, false), now),
        ProgressOutcome::GapDetected,
        "they have to be brought back"
    );
    let bound = Place {
        epoch: "e2".parse().unwrap(),
        position: 9,
        total: 9,
        revision: 0,
        counting: true,
        ..before
    };
    assert!(room.refresh_place(event(), &user(9), &bound));
    assert_eq!(
        room.apply_progress(&rebuilt(0, true, false), now),
        ProgressOutcome::Applied
    );
    assert!(
        mailbox
            .drain()
            .iter()
            .all(|(_, updates)| updates.position.is_none()),
        "the position is unknown"
    );
    assert_eq!(
        (room.view().total, room.view().seats_left),
        (Some(40), 10),
        "as last known"
    );
    assert_eq!(
        room.view().estimate(8, Timestamp::default()).reason,
        None,
        "no seats are loaded, which is not sold out"
    );
    assert_eq!(room.members.last_sent_position(&user(9), 9), Some(8));

    assert_eq!(
        room.apply_progress(&rebuilt(0, false, true), now),
        ProgressOutcome::GapDetected,
        "ranks are known now"
    );
    assert!(
        !room.refresh_place(event(), &user(9), &bound),
        "a bound is older than the exact position"
    );
    assert!(room.refresh_place(
        event(),
        &user(9),
        &Place {
            position: 7,
            total: 39,
            counting: false,
            ..bound.clone()
        }
    ));
    let update = position_in(&mailbox).expect("sent without another progress message");
    assert_eq!((update.position, update.total), (7, 39));
    assert_eq!(
        room.attach(event(), &user(9), &bound, &mailbox),
        Ok(false),
        "read too early"
    );
}

#[test]
fn omits_sold_out_until_seats_loaded() {
    let room = Room::default();
    room.apply_progress(&rebuilt(0, true, false), Timestamp::default());
    assert_eq!(room.view().estimate(5, Timestamp::default()).reason, None);
    room.apply_progress(
        &Progress {
            seats_left: 0,
            ..rebuilt(0, false, true)
        },
        Timestamp::default(),
    );

    assert_eq!(
        room.view().estimate(5, Timestamp::default()).reason,
        Some(WaitReason::SoldOut)
    );
}

#[test]
fn sends_new_place_to_every_tab() {
    let room = Room::default();
    let tabs: [Arc<Mailbox>; 2] = Default::default();
    let before = Place {
        number: 9,
        epoch: epoch(),
        position: 8,
        total: 40,
        revision: 1,
        grant: None,
        counting: false,
        last_position: LastPosition::NotSent,
    };

    for tab in &tabs {
        assert_eq!(room.attach(event(), &user(9), &before, tab), Ok(true));
    }

    let after = Place {
        number: 1_000_041,
        epoch: "e2".parse().unwrap(),
        position: 33,
        ..before
    };
    room.refresh_place(event(), &user(9), &after);

    for tab in &tabs {
        let place = tab
            .drain()
            .into_iter()
            .find_map(|(_, updates)| updates.place);
        assert_eq!(
            place.map(|place| (place.number, place.position)),
            Some((1_000_041, 33))
        );
    }
}
