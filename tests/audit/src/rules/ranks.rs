//! A position is not smaller than it can be: at least as many are ahead as were connected with a smaller number and had no pass yet. It may be
//! larger: who is away counts as well.

use super::some;
use crate::{
    finding::{Finding, Rule},
    history::{History, Spell, Ticket},
    world::{Seen, World},
};

/// Who is ahead has had the number for this long, and been connected.
const BEFORE_MS: i64 = 1_500;
/// And stays so for this long: what is told may be as young.
const AFTER_MS: i64 = 300;
/// A position may be smaller by so many, and by a tenth: some of those ahead are just being released.
const SLACK: usize = 3;

/// Somebody in line.
struct Waiting<'h> {
    tickets: &'h [Ticket<'h>],
    spells: &'h [Spell],
    /// When the first pass was issued; by a clock that is ahead, it may seem to come after it was seen.
    released_ms: i64,
    left_ms: i64,
}

pub(crate) fn check(_: &World, history: &History<'_>) -> Vec<Finding> {
    let line: Vec<Waiting<'_>> =
        history.tickets.iter().map(|(user, tickets)| waiting(history, user, tickets)).collect();
    let (mut wrong, mut users) = (Vec::new(), 0);
    for (user, records) in &history.users {
        let before = wrong.len();
        let mut own = None;
        for record in records {
            match &record.seen {
                Seen::Ticket { number, .. } => own = Some(*number),
                Seen::Position { position: position @ 1.., .. } => {
                    let Some(own) = own else { continue };
                    let ahead = line.iter().filter(|other| other.is_ahead_of(own, record.at_ms)).count();
                    let told = usize::try_from(*position).unwrap_or(usize::MAX);
                    if told.saturating_add(SLACK + ahead / 10) < ahead + 1 {
                        wrong.push(format!("{user} was told {told} behind {ahead} at {}", record.at_ms));
                    }
                }
                _ => {}
            }
        }
        users += usize::from(wrong.len() > before);
    }
    let text = format!("positions were told that are too small, to {users} users: {}", some(&wrong));
    if wrong.is_empty() { Vec::new() } else { vec![Finding::violation(Rule::Position, wrong.len(), text)] }
}

fn waiting<'h>(history: &'h History<'_>, user: &str, tickets: &'h [Ticket<'h>]) -> Waiting<'h> {
    let grants = history.grants.values().filter(|grant| grant.user == user);
    let records = history.users.get(user).map_or(&[][..], Vec::as_slice);
    let left = records.iter().find(|record| matches!(record.seen, Seen::Left));
    Waiting {
        tickets,
        spells: history.spells(user),
        released_ms: grants.map(|grant| grant.issued_ms.min(grant.seen_ms)).min().unwrap_or(i64::MAX),
        left_ms: left.map_or(i64::MAX, |record| record.at_ms),
    }
}

impl Waiting<'_> {
    fn is_ahead_of(&self, number: u64, at_ms: i64) -> bool {
        let (from, to) = (at_ms - BEFORE_MS, at_ms + AFTER_MS);
        let known = self.tickets.iter().take_while(|ticket| ticket.at_ms <= to);
        let mut numbers = known.skip_while(|ticket| {
            // The last one that was known before, and all since.
            ticket.at_ms <= from && self.tickets.iter().any(|later| later.at_ms > ticket.at_ms && later.at_ms <= from)
        });
        let is_smaller = match numbers.next() {
            Some(first) if first.at_ms <= from => {
                first.number < number && numbers.all(|ticket| ticket.number == first.number)
            }
            _ => false,
        };
        let is_connected = || self.spells.iter().any(|spell| spell.from_ms <= from && spell.to_ms >= to);
        is_smaller && self.released_ms > to && self.left_ms > at_ms + BEFORE_MS && is_connected()
    }
}
