//! Zones whose rows stay locked: they delay their own requests, and no others.
//!
//! A batch is one statement, and a statement waits for every row that it changes. The first that
//! waits too long is tried again zone by zone; the zone that is to blame is known from then on, and
//! its part of a batch goes by itself and does not wait, until it succeeds again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use uuid::Uuid;

use crate::store::StoreError;

/// Longest wait for a row: many times what a commit takes. In milliseconds, as PostgreSQL takes it.
pub(super) const LOCK_TIMEOUT_MS: u32 = 500;

/// And for a row of a zone that was found locked again and again: each time it is half as long.
const MIN_LOCK_TIMEOUT_MS: u32 = 50;

/// Zones that one step of the expiry tries by themselves.
pub(super) const MAX_ZONES_PER_SWEEP: usize = 12;

/// A locked zone that no statement has tried for this long may be unlocked again.
const LOCKED_ZONE_TTL: Duration = Duration::from_secs(5);

/// The zones that were found locked, each with the time of the last attempt and how long the next
/// may wait. Bounded by the catalogue.
#[derive(Debug, Default)]
pub(super) struct LockedZones(Mutex<HashMap<Uuid, (Instant, u32)>>);

impl LockedZones {
    /// All that are locked, for all that is known.
    pub(super) fn all(&self) -> Vec<Uuid> {
        let mut zones = self.0.lock();
        zones.retain(|_, (tried, _)| tried.elapsed() < LOCKED_ZONE_TTL);
        zones.keys().copied().collect()
    }

    /// How long to wait for the rows of this zone. One that is only busy is not given up at once.
    pub(super) fn lock_timeout_ms(&self, zone: Uuid) -> u32 {
        self.0
            .lock()
            .get(&zone)
            .map_or(LOCK_TIMEOUT_MS, |(_, patience)| *patience)
    }

    /// What a statement on this zone alone came to.
    pub(super) fn record_result<T>(&self, zone: Uuid, answer: &Result<T, StoreError>) {
        let mut zones = self.0.lock();
        match answer {
            Ok(_) => drop(zones.remove(&zone)),
            Err(StoreError::Locked(_)) => {
                let patience = zones
                    .get(&zone)
                    .map_or(LOCK_TIMEOUT_MS, |(_, patience)| *patience);
                if zones
                    .insert(
                        zone,
                        (Instant::now(), MIN_LOCK_TIMEOUT_MS.max(patience / 2)),
                    )
                    .is_none()
                {
                    metrics::counter!(crate::metric_definitions::LOCKED_ZONES).increment(1);
                    tracing::warn!(%zone, "zone is locked; its requests are tried by themselves until they succeed");
                }
            }
            Err(_) => {}
        }
    }
}

/// Positions of a batch by what goes together in one statement: each zone that is locked by itself,
/// the others together, or, once that has failed, each zone by itself.
pub(super) fn partition(
    zones: impl Iterator<Item = Uuid>,
    apart: impl Fn(&Uuid) -> bool,
) -> Vec<(Option<Uuid>, Vec<usize>)> {
    let mut partition = HashMap::<Option<Uuid>, Vec<usize>>::new();
    for (position, zone) in zones.enumerate() {
        partition
            .entry(apart(&zone).then_some(zone))
            .or_default()
            .push(position);
    }

    partition.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_locked_zones_only() {
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let mut partition = partition([a, b, a, c, b].into_iter(), |zone| *zone == b);
        partition.sort();
        assert_eq!(partition, [(None, vec![0, 2, 3]), (Some(b), vec![1, 4])]);
    }

    #[test]
    fn lock_timeout_halves_until_zone_unlocks() {
        let (zones, zone) = (LockedZones::default(), Uuid::from_u128(1));
        let locked = Err::<(), _>(StoreError::Locked(String::new()));
        let patience: Vec<_> = (0..6)
            .map(|_| {
                let patience = zones.lock_timeout_ms(zone);
                zones.record_result(zone, &locked);
                patience
            })
            .collect();

        assert_eq!(patience, [500, 250, 125, 62, 50, 50]);
        zones.record_result::<()>(zone, &Err(StoreError::Unavailable(String::new())));
        assert_eq!(zones.all(), [zone]);
        zones.record_result(zone, &Ok(()));

        assert_eq!(
            (zones.all(), zones.lock_timeout_ms(zone)),
            (vec![], LOCK_TIMEOUT_MS)
        );
    }
}
