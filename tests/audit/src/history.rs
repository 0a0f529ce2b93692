//! The records, ordered by user and time, and what follows from them: grants, spells of presence,
//! tickets.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::{Record, Seen, Way, World};

/// A poller counts as present for this long after each answer.
pub(crate) const POLLED_MS: i64 = 2_500;

/// See the module's documentation.
pub(crate) struct History<'w> {
    /// Each user's records by time.
    pub(crate) users: BTreeMap<&'w str, Vec<&'w Record>>,
    /// Every pass that a client saw, by its id.
    pub(crate) grants: BTreeMap<&'w str, Grant<'w>>,
    /// From when to when a user's connections stood.
    pub(crate) spells: BTreeMap<&'w str, Vec<Spell>>,
    /// When a user was told of which place.
    pub(crate) tickets: BTreeMap<&'w str, Vec<Ticket<'w>>>,
}

/// A pass, as clients saw it first.
pub(crate) struct Grant<'w> {
    pub(crate) user: &'w str,
    pub(crate) number: u64,
    pub(crate) epoch: &'w str,
    pub(crate) issued_ms: i64,
    pub(crate) ends_ms: i64,
    pub(crate) seen_ms: i64,
}

/// A connection that told positions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spell {
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
}

/// A place that a user was told of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket<'w> {
    pub(crate) at_ms: i64,
    pub(crate) number: u64,
    pub(crate) epoch: &'w str,
}

impl<'w> History<'w> {
    /// Reads a world's records.
    pub(crate) fn of(world: &'w World) -> Self {
        let mut users: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        for record in &world.records {
            users.entry(&record.user).or_default().push(record);
        }

        for records in users.values_mut() {
            records.sort_by_key(|record| record.at_ms);
        }

        let mut history = Self {
            users,
            grants: BTreeMap::new(),
            spells: BTreeMap::new(),
            tickets: BTreeMap::new(),
        };
        history.collect(world.line.pass_ttl_ms);
        history
    }

    fn collect(&mut self, pass_ttl_ms: i64) {
        for (user, records) in &self.users {
            let mut attached = None;
            for record in records {
                let at_ms = record.at_ms;
                match &record.seen {
                    Seen::Pass {
                        pass_id,
                        number,
                        epoch,
                        ends_at_ms,
                        ..
                    } => {
                        let issued_ms = ends_at_ms - pass_ttl_ms;
                        let grant = Grant {
                            user,
                            number: *number,
                            epoch,
                            issued_ms,
                            ends_ms: *ends_at_ms,
                            seen_ms: at_ms,
                        };
                        self.grants.entry(pass_id).or_insert(grant);
                    }
                    Seen::Ticket { number, epoch } => {
                        self.tickets.entry(user).or_default().push(Ticket {
                            at_ms,
                            number: *number,
                            epoch,
                        });
                    }
                    Seen::Position {
                        way: Way::Socket | Way::Stream,
                        ..
                    } => attached = attached.or(Some(at_ms)),
                    Seen::Detached { .. } | Seen::End { .. } => {
                        if let Some(from_ms) = attached.take() {
                            self.spells.entry(user).or_default().push(Spell {
                                from_ms,
                                to_ms: at_ms,
                            });
                        }
                    }
                    _ => {}
                }
            }
            if let (Some(from_ms), Some(last)) = (attached, records.last()) {
                self.spells.entry(user).or_default().push(Spell {
                    from_ms,
                    to_ms: last.at_ms,
                });
            }
        }
    }

    /// Was the user connected at this moment, or had they polled a moment before?
    pub(crate) fn was_present(&self, user: &str, at_ms: i64) -> bool {
        let connected = self
            .spells(user)
            .iter()
            .any(|spell| spell.from_ms <= at_ms && at_ms <= spell.to_ms);
        let told = |record: &&Record| {
            matches!(
                record.seen,
                Seen::Position {
                    way: Way::Poll | Way::Stream,
                    ..
                }
            ) && at_ms - POLLED_MS <= record.at_ms
                && record.at_ms <= at_ms
        };

        connected
            || self
                .users
                .get(user)
                .is_some_and(|records| records.iter().any(told))
    }

    /// A user's spells of connection.
    pub(crate) fn spells(&self, user: &str) -> &[Spell] {
        self.spells.get(user).map_or(&[], Vec::as_slice)
    }

    /// How many lines passes were given in: more than one if the line was begun again.
    pub(crate) fn epochs(&self) -> usize {
        self.grants
            .values()
            .map(|grant| grant.epoch)
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// The grants of each line.
    pub(crate) fn grants_by_epoch(&self) -> BTreeMap<&'w str, Vec<(&'w str, &Grant<'w>)>> {
        let mut by_epoch: BTreeMap<&str, Vec<(&str, &Grant<'w>)>> = BTreeMap::new();
        for (pass_id, grant) in &self.grants {
            by_epoch
                .entry(grant.epoch)
                .or_default()
                .push((pass_id, grant));
        }

        for grants in by_epoch.values_mut() {
            grants.sort_by_key(|(_, grant)| (grant.issued_ms, grant.number));
        }

        by_epoch
    }
}
