//! What a client is shown never grows: within a connection, from poll to poll and from one
//! connection to the next, as long as the number is the same and no pass lay in between.

use std::collections::BTreeMap;

use crate::{
    finding::{Finding, Rule},
    history::History,
    world::{Record, Seen, Way, World},
};

#[derive(Default)]
struct Growth {
    times: usize,
    users: usize,
    worst: u64,
    example: String,
}

/// The position that a client was shown last.
struct Shown {
    position: u64,
    connection: u32,
}

pub(crate) fn check(_: &World, history: &History<'_>) -> Vec<Finding> {
    let mut growths: BTreeMap<&'static str, Growth> = BTreeMap::new();
    for (user, records) in &history.users {
        let mut seen_by_user: BTreeMap<&'static str, usize> = BTreeMap::new();
        for (kind, before, after, record) in growths_of(records) {
            let growth = growths.entry(kind).or_default();
            growth.times += 1;
            *seen_by_user.entry(kind).or_default() += 1;
            if after - before > growth.worst {
                growth.worst = after - before;
                growth.example = format!("{user} from {before} to {after} at {}", record.at_ms);
            }
        }
        for kind in seen_by_user.keys() {
            growths.entry(kind).or_default().users += 1;
        }
    }

    let finding = |(kind, growth): (&'static str, Growth)| {
        let text = format!(
            "positions grew {kind}, for {} users; the worst: {}",
            growth.users, growth.example
        );
        Finding::violation(Rule::Position, growth.times, text)
    };
    growths.into_iter().map(finding).collect()
}

fn growths_of<'r>(records: &[&'r Record]) -> Vec<(&'static str, u64, u64, &'r Record)> {
    let (mut shown, mut place): (Option<Shown>, Option<u64>) = (None, None);
    let mut growths = Vec::new();

    for record in records {
        match &record.seen {
            Seen::Ticket { number, .. } => {
                if place.is_some_and(|place| place != *number) {
                    shown = None; // another place, which `place` judges
                }
                place = Some(*number);
            }
            Seen::Pass { .. } => shown = None,
            Seen::Position {
                connection,
                position: position @ 1..,
                way,
                ..
            } => {
                if let Some(before) = shown.filter(|before| *position > before.position) {
                    let kind = match way {
                        Way::Poll => "from poll to poll",
                        _ if before.connection == *connection => "within a connection",
                        _ => "across connections",
                    };
                    growths.push((kind, before.position, *position, *record));
                }
                shown = Some(Shown {
                    position: *position,
                    connection: *connection,
                });
            }
            _ => {}
        }
    }

    growths
}
