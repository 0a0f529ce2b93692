//! Zones whose rows somebody keeps locked: they cost their own requests something, and nobody else's.
//!
//! A batch is one statement, and a statement waits for every row that it changes. The first that waits too long is tried again zone by
//! zone; the zone that is to blame is known from then on, and its part of a batch goes by itself and does not wait, until it
//! succeeds again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use uuid::Uuid;

/// Longest wait for a row: many times what a commit takes. In milliseconds, as PostgreSQL takes it.
pub(super) const PATIENCE_MS: &str = "500";

/// Longest wait for a row of a zone that was found locked.
pub(super) const LITTLE_PATIENCE_MS: &str = "50";

/// Zones that one step of the expiry tries by themselves.
pub(super) const REMEDY_LIMIT: usize = 12;

/// A zone that nobody has tried for so long may be whole again.
const REMEMBERED: Duration = Duration::from_secs(5);

/// The zones that were found locked, each with the moment of the last try. Bounded by the catalogue.
#[derive(Debug, Default)]
pub(super) struct LockedZones(Mutex<HashMap<Uuid, Instant>>);

impl LockedZones {
    /// All that are locked, for all that is known.
    pub(super) fn all(&self) -> Vec<Uuid> {
        let mut zones = self.0.lock();
        zones.retain(|_, tried| tried.elapsed() < REMEMBERED);
        zones.keys().copied().collect()
    }

    /// How long to wait for the rows of this zone.
    pub(super) fn patience(&self, zone: Uuid) -> &'static str {
        if self.0.lock().contains_key(&zone) { LITTLE_PATIENCE_MS } else { PATIENCE_MS }
    }

    /// A statement waited for this zone for too long.
    pub(super) fn found_locked(&self, zone: Uuid) {
        if self.0.lock().insert(zone, Instant::now()).is_none() {
            metrics::counter!("stanchion_booking_locked_zones_total").increment(1);
            tracing::warn!(%zone, "somebody keeps a row of this zone locked: it is tried by itself until it can be changed again");
        }
    }

    /// A statement on this zone went through.
    pub(super) fn went_through(&self, zone: Uuid) {
        self.0.lock().remove(&zone);
    }
}

/// Positions of a batch by what goes together in one statement: each zone that is locked by itself, the others together, or, once that has
/// failed, each zone by itself.
pub(super) fn parts(
    zones: impl Iterator<Item = Uuid>,
    apart: impl Fn(&Uuid) -> bool,
) -> Vec<(Option<Uuid>, Vec<usize>)> {
    let mut parts = HashMap::<Option<Uuid>, Vec<usize>>::new();
    for (position, zone) in zones.enumerate() {
        parts.entry(apart(&zone).then_some(zone)).or_default().push(position);
    }
    parts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_locked_goes_by_itself() {
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let mut parts = parts([a, b, a, c, b].into_iter(), |zone| *zone == b);
        parts.sort();
        assert_eq!(parts, [(None, vec![0, 2, 3]), (Some(b), vec![1, 4])]);
    }

    #[test]
    fn a_zone_is_locked_until_a_statement_went_through() {
        let (locked, zone) = (LockedZones::default(), Uuid::from_u128(1));
        assert_eq!(locked.patience(zone), PATIENCE_MS);
        locked.found_locked(zone);
        locked.found_locked(zone);
        assert_eq!((locked.all(), locked.patience(zone)), (vec![zone], LITTLE_PATIENCE_MS));
        locked.went_through(zone);
        assert_eq!((locked.all(), locked.patience(zone)), (vec![], PATIENCE_MS));
    }
}
