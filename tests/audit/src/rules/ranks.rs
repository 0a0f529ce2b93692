//! A position is not smaller than it can be: at least as many are ahead as were connected with a
//! smaller number and had no pass yet. It may be larger: who is away counts as well.

use std::collections::BTreeSet;

use super::{order, some};
use crate::{
    finding::{Finding, Rule},
    history::{History, Spell, Ticket},
    world::{Seen, World},
};

/// Who is ahead has had the number for this long, and been connected.
const BEFORE_MS: i64 = 1_500;
/// And stays so for this long: what is told may be as young.
const AFTER_MS: i64 = 300;
/// A position may be smaller by so many, and by a tenth: some of those ahead are just being
/// released.
const SLACK: usize = 3;

/// Somebody in line.
struct Waiting<'h> {
    tickets: &'h [Ticket<'h>],
    spells: &'h [Spell],
    /// When the first pass was issued; by a clock that is ahead, it may seem to come after it was
    /// seen.
    released_ms: i64,
    left_ms: i64,
}

/// A position that was told.
struct Told<'h> {
    user: &'h str,
    number: u64,
    at_ms: i64,
    position: usize,
}

pub(crate) fn check(world: &World, history: &History<'_>) -> Vec<Finding> {
    let line: Vec<Waiting<'_>> = history
        .tickets
        .iter()
        .map(|(user, tickets)| waiting(history, user, tickets))
        .collect();
    let told = told(history);
    let most = most_ahead(&line, &told);
    let (mut wrong, mut excused) = (Vec::new(), Vec::new());

    // To count exactly is quadratic: a crowd of thousands is counted where it may matter.
    for (told, _) in told
        .iter()
        .zip(most)
        .filter(|(told, most)| told.is_too_small(*most))
    {
        let ahead: Vec<&Waiting<'_>> = line
            .iter()
            .filter(|other| other.is_ahead_of(told.number, told.at_ms))
            .collect();
        if !told.is_too_small(ahead.len()) {
            continue;
        }

        // Users of a silent gateway are passed over, their passes taken back and out of the count.
        let front = front(history, told.at_ms);
        let left = ahead.iter().filter(|other| !other.is_before(front)).count();
        if order::is_excused(world, told.at_ms) && !told.is_too_small(left) {
            excused.push((told, ahead.len()));
        } else {
            wrong.push((told, ahead.len()));
        }
    }

    let mut findings = Vec::new();
    if !wrong.is_empty() {
        let text = format!("positions were told that are too small, {}", listed(&wrong));
        findings.push(Finding::violation(Rule::Position, wrong.len(), text));
    }

    if !excused.is_empty() {
        let text = format!(
            "positions do not count users behind a silent gateway or Redis, {}",
            listed(&excused)
        );
        findings.push(Finding::documented(Rule::Position, excused.len(), text));
    }

    findings
}

fn listed(positions: &[(&Told<'_>, usize)]) -> String {
    let users: BTreeSet<&str> = positions.iter().map(|(told, _)| told.user).collect();
    let texts: Vec<String> = positions
        .iter()
        .map(|(told, ahead)| {
            let Told {
                user,
                at_ms,
                position,
                ..
            } = told;
            format!("{user} was told {position} behind {ahead} at {at_ms}")
        })
        .collect();

    format!("to {} users: {}", users.len(), some(&texts))
}

/// The highest number that had a pass by this moment.
fn front(history: &History<'_>, moment: i64) -> u64 {
    let released = history
        .grants
        .values()
        .filter(|grant| grant.issued_ms <= moment);
    released.map(|grant| grant.number).max().unwrap_or(0)
}

impl Told<'_> {
    fn is_too_small(&self, ahead: usize) -> bool {
        self.position.saturating_add(SLACK + ahead / 10) < ahead + 1
    }
}

fn told<'h>(history: &'h History<'_>) -> Vec<Told<'h>> {
    let mut all = Vec::new();
    for (user, records) in &history.users {
        let mut own = None;
        for record in records {
            match &record.seen {
                Seen::Ticket { number, .. } => own = Some(*number),
                Seen::Position {
                    position: position @ 1..,
                    ..
                } => {
                    let Some(number) = own else { continue };
                    let position = usize::try_from(*position).unwrap_or(usize::MAX);
                    all.push(Told {
                        user,
                        number,
                        at_ms: record.at_ms,
                        position,
                    });
                }
                _ => {}
            }
        }
    }

    all
}

/// For each of these positions, how many at most can have been ahead: who ever had a smaller
/// number, and was not released yet.
fn most_ahead(line: &[Waiting<'_>], told: &[Told<'_>]) -> Vec<usize> {
    let smallest = |waiting: &Waiting<'_>| {
        waiting
            .tickets
            .iter()
            .map(|ticket| ticket.number)
            .min()
            .unwrap_or(u64::MAX)
    };
    let mut numbers: Vec<u64> = line.iter().map(smallest).collect();

    numbers.sort_unstable();
    let mut releases: Vec<(i64, u64)> = line
        .iter()
        .map(|one| (one.released_ms, smallest(one)))
        .collect();

    releases.sort_unstable();
    let mut latest_first: Vec<usize> = (0..told.len()).collect();

    latest_first.sort_unstable_by_key(|at| std::cmp::Reverse(told[*at].at_ms));

    // Sums over ranges of numbers, of those who are not released at the moment in hand.
    let mut sums = vec![0_usize; numbers.len() + 1];
    let mut most = vec![0; told.len()];

    for at in latest_first {
        while let Some((_, number)) =
            releases.pop_if(|(released_ms, _)| *released_ms > told[at].at_ms + AFTER_MS)
        {
            let mut place = numbers.partition_point(|other| *other < number) + 1;
            while place < sums.len() {
                sums[place] += 1;
                place += place & place.wrapping_neg();
            }
        }
        let mut place = numbers.partition_point(|other| *other < told[at].number);
        while place > 0 {
            most[at] += sums[place];
            place &= place - 1;
        }
    }

    most
}

fn waiting<'h>(history: &'h History<'_>, user: &str, tickets: &'h [Ticket<'h>]) -> Waiting<'h> {
    let grants = history.grants.values().filter(|grant| grant.user == user);
    let records = history.users.get(user).map_or(&[][..], Vec::as_slice);
    let left = records
        .iter()
        .find(|record| matches!(record.seen, Seen::Left | Seen::Leaves));

    Waiting {
        tickets,
        spells: history.spells(user),
        released_ms: grants
            .map(|grant| grant.issued_ms.min(grant.seen_ms))
            .min()
            .unwrap_or(i64::MAX),
        left_ms: left.map_or(i64::MAX, |record| record.at_ms),
    }
}

impl Waiting<'_> {
    /// Was every number of the user passed by a release already?
    fn is_before(&self, front: u64) -> bool {
        self.tickets.iter().all(|ticket| ticket.number <= front)
    }

    fn is_ahead_of(&self, number: u64, at_ms: i64) -> bool {
        let (from, to) = (at_ms - BEFORE_MS, at_ms + AFTER_MS);
        let known = self.tickets.iter().take_while(|ticket| ticket.at_ms <= to);
        let mut numbers = known.skip_while(|ticket| {
            // The last one that was known before, and all since.
            ticket.at_ms <= from
                && self
                    .tickets
                    .iter()
                    .any(|later| later.at_ms > ticket.at_ms && later.at_ms <= from)
        });

        let is_smaller = match numbers.next() {
            Some(first) if first.at_ms <= from => {
                first.number < number && numbers.all(|ticket| ticket.number == first.number)
            }
            _ => false,
        };
        let is_connected = || {
            self.spells
                .iter()
                .any(|spell| spell.from_ms <= from && spell.to_ms >= to)
        };
        is_smaller && self.released_ms > to && self.left_ms > at_ms + BEFORE_MS && is_connected()
    }
}
