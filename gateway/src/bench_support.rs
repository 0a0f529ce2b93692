//! Access for benches. Simulated users without connections, for `benches/positions.rs`: the
//! registry and its mailboxes as they are, and time that advances by the tick. Whole sales, for
//! `benches/waits.rs`.

#![expect(
    clippy::missing_panics_doc,
    reason = "a measurement that cannot go on ends"
)]

pub mod sales;
#[path = "../../waitingroom/engine/tests/fixture/single_action.rs"]
#[allow(dead_code, reason = "the suites share it, and none needs all of it")]
mod single_action;

use std::{sync::Arc, time::Duration};

use waitingroom_domain::{
    clock::Timestamp,
    ids::{Epoch, EventId, UserId},
    queue::{LastPosition, Place, Progress, QueueSettings},
};

use crate::{
    connection::mailbox::Mailbox,
    position_updates::{ProgressOutcome, Registry},
    transport::ws::position_message,
};

/// Time between two progress messages of a queue.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// See the module's documentation.
#[derive(Debug)]
pub struct SimulatedUsers {
    registry: Registry,
    mailboxes: Vec<Arc<Mailbox>>,
    removed: u64,
    now: Timestamp,
}

impl SimulatedUsers {
    /// So many users in a queue, each with one connection.
    pub fn new(users: u64) -> Self {
        let mailboxes: Vec<Arc<Mailbox>> = (0..users).map(|_| Arc::default()).collect();
        let registry = Registry::default();
        let now = Timestamp::from_millis(1_700_000_000_000);

        for (number, mailbox) in (1..).zip(&mailboxes) {
            let place = Place {
                number,
                epoch: epoch(),
                position: number,
                total: users,
                revision: 0,
                grant: None,
                counting: false,
                last_position: LastPosition::NotSent,
            };
            assert_eq!(
                registry.attach(event(), &user(number), &place, mailbox),
                Ok(true)
            );
        }

        Self {
            registry,
            mailboxes,
            removed: 0,
            now,
        }
    }

    /// Advances by one tick, in which so many users were released: projects all positions, and
    /// leaves the updates that are due in the mailboxes.
    pub fn advance_tick(&mut self, released: u64) {
        self.now = self.now.plus(PROGRESS_INTERVAL);
        let (from, to) = (self.removed, self.removed + released);
        self.removed = to;
        let progress = Progress {
            event_id: event(),
            epoch: epoch(),
            from,
            to,
            removed: (from + 1..=to).collect(),
            total: (self.mailboxes.len() as u64).saturating_sub(to),
            active: 0,
            seats_left: 100_000,
            settings: QueueSettings {
                rate_per_second: 1_000.0,
                ..QueueSettings::default()
            },
            share: 1.0,
            released: None,
            present: None,
            passed_over: 0,
            counting: false,
            seats_known: true,
        };

        assert_eq!(
            self.registry.apply_progress(&progress, self.now),
            ProgressOutcome::Applied
        );
    }

    /// Takes all updates, as the connections' tasks do: the index of the connection, and the
    /// message.
    pub fn updates_sent(&self, mut send: impl FnMut(usize, String)) {
        while self.registry.has_pending_wakes() {
            self.registry.wake_batch();
        }

        for (at, mailbox) in self.mailboxes.iter().enumerate() {
            for (event, updates) in mailbox.drain() {
                updates
                    .position
                    .into_iter()
                    .for_each(|position| send(at, position_message(event, position).to_json()));
            }
        }
    }
}

fn event() -> EventId {
    uuid::Uuid::nil().into()
}

fn epoch() -> Epoch {
    "e1".parse().expect("an epoch is letters and digits")
}

fn user(number: u64) -> UserId {
    format!("user-{number}")
        .parse()
        .expect("a user is letters, digits and '-'")
}
