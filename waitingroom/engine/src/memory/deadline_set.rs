//! Members ordered by a moment each: what Redis calls a sorted set.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use waitingroom_domain::clock::Timestamp;

/// Each member once, at one moment. Equal moments are ordered by member.
#[derive(Debug)]
pub(super) struct DeadlineSet<T> {
    moments: HashMap<T, Timestamp>,
    order: BTreeSet<(Timestamp, T)>,
}

impl<T> Default for DeadlineSet<T> {
    fn default() -> Self {
        Self {
            moments: HashMap::new(),
            order: BTreeSet::new(),
        }
    }
}

impl<T: Clone + Ord + Hash> DeadlineSet<T> {
    /// Puts the member at this moment, and nowhere else.
    pub(super) fn set(&mut self, member: &T, at: Timestamp) {
        if let Some(before) = self.moments.insert(member.clone(), at) {
            self.order.remove(&(before, member.clone()));
        }
        self.order.insert((at, member.clone()));
    }

    pub(super) fn remove(&mut self, member: &T) {
        if let Some(at) = self.moments.remove(member) {
            self.order.remove(&(at, member.clone()));
        }
    }

    pub(super) fn get(&self, member: &T) -> Option<Timestamp> {
        self.moments.get(member).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.moments.len()
    }

    /// All members, in no order.
    pub(super) fn members(&self) -> impl Iterator<Item = &T> {
        self.moments.keys()
    }

    /// How many members are at or before `now`.
    pub(super) fn count_due(&self, now: Timestamp) -> usize {
        self.order.iter().take_while(|(at, _)| *at <= now).count()
    }

    /// The first members at or before `now`; they stay.
    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Vec<T> {
        self.order
            .iter()
            .take_while(|(at, _)| *at <= now)
            .take(limit)
            .map(|(_, member)| member.clone())
            .collect()
    }
}
