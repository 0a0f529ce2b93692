//! Places that users had here recently without a connection now: users that poll, and users whose
//! last connection has just ended. After a loss of the queue they are restored as connected users
//! are, whether their clients kept the ticket or not.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{Epoch, EventId, UserId},
    queue::Place,
};

/// A place is remembered for at least half of this, unless there are too many.
const RETENTION: Duration = Duration::from_secs(600);
/// Max places that are remembered, of all events.
const MAX_REMEMBERED: usize = 131_072;

/// A place, with the position that the user knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RememberedPlace {
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
    /// The best position that the user's clients know.
    pub(crate) last_sent_position: u64,
    /// When the user becomes absent.
    pub(crate) present_until: Timestamp,
}

impl RememberedPlace {
    /// The place of a client that presents a ticket with the last position that it knows.
    pub(crate) fn from_ticket((epoch, number): (Epoch, u64), position: u32) -> Self {
        Self {
            epoch,
            number,
            last_sent_position: position.into(),
            present_until: Timestamp::default(),
        }
    }

    /// Epoch and number, as a ticket would give them.
    pub(crate) fn ticket(&self) -> (Epoch, u64) {
        (self.epoch.clone(), self.number)
    }

    /// Is this the place with the same number in an epoch that was lost?
    pub(crate) fn is_of_previous_epoch(&self, place: &Place) -> bool {
        self.number == place.number && self.epoch != place.epoch
    }

    /// Of what node and client remember, the best position that was sent for this place in an epoch
    /// that was lost. 0 is no position: the user had a pass.
    pub(crate) fn best_before(
        place: &Place,
        remembered: impl IntoIterator<Item = Option<Self>>,
    ) -> Option<Self> {
        remembered
            .into_iter()
            .flatten()
            .filter(|one| one.last_sent_position > 0 && one.is_of_previous_epoch(place))
            .min_by_key(|one| one.last_sent_position)
    }
}

type Users = HashMap<(EventId, UserId), RememberedPlace>;

/// See the module's documentation. Two generations: the older is dropped as a whole, which bounds
/// time and number.
#[derive(Debug, Default)]
pub(super) struct RecentPlaces(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: Users,
    old: Users,
    rotated_at: Timestamp,
}

impl RecentPlaces {
    /// Records a place that the user was sent. A better position of the same number stays.
    pub(super) fn record(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        present_until: Timestamp,
        now: Timestamp,
    ) {
        let mut generations = self.0.lock();
        let key = (event, user.clone());
        let previous = generations
            .take(&key)
            .filter(|remembered| remembered.number == place.number);
        let best = previous.map_or(place.position, |remembered| {
            remembered.last_sent_position.min(place.position)
        });

        let remembered = RememberedPlace {
            epoch: place.epoch.clone(),
            number: place.number,
            last_sent_position: best,
            present_until,
        };

        generations.rotate_if_due(MAX_REMEMBERED / 2, now);
        generations.young.insert(key, remembered);
        metrics::gauge!(crate::metric_definitions::REMEMBERED_USERS)
            .set((generations.young.len() + generations.old.len()) as f64);
    }

    /// Prolongs the presence of a remembered user.
    pub(super) fn extend_presence(&self, event: EventId, user: &UserId, present_until: Timestamp) {
        let mut generations = self.0.lock();
        let Generations { young, old, .. } = &mut *generations;
        let key = (event, user.clone());
        if let Some(remembered) = young.get_mut(&key).or_else(|| old.get_mut(&key)) {
            remembered.present_until = remembered.present_until.max(present_until);
        }
    }

    /// Forgets a user that has a pass, or no place any more.
    pub(super) fn forget(&self, event: EventId, user: &UserId) {
        self.0.lock().take(&(event, user.clone()));
    }

    pub(super) fn get(&self, event: EventId, user: &UserId) -> Option<RememberedPlace> {
        let generations = self.0.lock();
        let key = (event, user.clone());
        generations
            .young
            .get(&key)
            .or_else(|| generations.old.get(&key))
            .cloned()
    }

    /// Users whose place belongs to another epoch than this.
    pub(super) fn users_of_previous_epoch(
        &self,
        event: EventId,
        epoch: &Epoch,
    ) -> Vec<(UserId, RememberedPlace)> {
        let generations = self.0.lock();
        let users = generations
            .all()
            .filter(|((of, _), remembered)| *of == event && remembered.epoch != *epoch);

        users
            .map(|((_, user), remembered)| (user.clone(), remembered.clone()))
            .collect()
    }

    /// Is there a user whose place belongs to another epoch than this?
    pub(super) fn has_users_of_previous_epoch(&self, event: EventId, epoch: &Epoch) -> bool {
        self.0
            .lock()
            .all()
            .any(|((of, _), remembered)| *of == event && remembered.epoch != *epoch)
    }
}

impl Generations {
    fn all(&self) -> impl Iterator<Item = (&(EventId, UserId), &RememberedPlace)> {
        self.young.iter().chain(&self.old)
    }

    fn take(&mut self, key: &(EventId, UserId)) -> Option<RememberedPlace> {
        let young = self.young.remove(key);
        let old = self.old.remove(key);
        young.or(old)
    }

    fn rotate_if_due(&mut self, max: usize, now: Timestamp) {
        let is_over = now >= self.rotated_at.plus(RETENTION / 2);
        if is_over || self.young.len() >= max {
            self.old = std::mem::take(&mut self.young);
            self.rotated_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use waitingroom_domain::queue::LastPosition;

    use super::*;

    fn user(number: u64) -> UserId {
        format!("u{number}").parse().unwrap()
    }

    fn place(number: u64, position: u64) -> Place {
        let epoch = "e1".parse().unwrap();
        Place {
            number,
            epoch,
            position,
            total: 9,
            revision: 0,
            grant: None,
            counting: false,
            last_position: LastPosition::NotSent,
        }
    }

    #[test]
    fn chooses_best_position_of_a_lost_epoch() {
        let remembered = |epoch: &str, number: u64, position: u32| {
            let ticket = (epoch.parse().unwrap(), number);
            Some(RememberedPlace::from_ticket(ticket, position))
        };
        let best = |here, by_client| {
            RememberedPlace::best_before(&place(7, 9), [here, by_client])
                .map(|best| best.last_sent_position)
        };

        assert_eq!(
            best(remembered("e0", 7, 5), remembered("e0", 7, 3)),
            Some(3)
        );
        assert_eq!(
            best(remembered("e0", 7, 5), remembered("e0", 7, 0)),
            Some(5)
        );
        assert_eq!(best(remembered("e1", 7, 2), remembered("e0", 8, 1)), None);
    }

    #[test]
    fn remembers_best_position_of_a_number() {
        let (places, event) = (RecentPlaces::default(), uuid::Uuid::nil().into());
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);

        for (number, position, best) in [(7, 5, 5), (7, 6, 5), (7, 3, 3), (8, 9, 9)] {
            places.record(event, &user(1), &place(number, position), at(15), at(0));
            assert_eq!(
                places
                    .get(event, &user(1))
                    .map(|remembered| (remembered.number, remembered.last_sent_position)),
                Some((number, best))
            );
        }

        let (now, later) = ("e1".parse().unwrap(), "e2".parse().unwrap());
        assert_eq!(
            (
                places.users_of_previous_epoch(event, &now).len(),
                places.users_of_previous_epoch(event, &later).len()
            ),
            (0, 1)
        );
        places.extend_presence(event, &user(1), at(30));
        places.extend_presence(event, &user(2), at(30));
        assert_eq!(
            places.users_of_previous_epoch(event, &later)[0]
                .1
                .present_until,
            at(30)
        );
        places.forget(event, &user(1));

        assert!(places.get(event, &user(1)).is_none() && places.get(event, &user(2)).is_none());
    }

    #[test]
    fn forgets_places_after_retention_or_when_full() {
        let (places, event) = (RecentPlaces::default(), uuid::Uuid::nil().into());
        let at = |seconds: i64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000);
        places.record(event, &user(1), &place(1, 1), at(0), at(0));
        places.record(event, &user(2), &place(2, 2), at(0), at(299));
        assert!(places.get(event, &user(1)).is_some());
        places.record(event, &user(2), &place(2, 2), at(0), at(301));
        assert!(
            places.get(event, &user(1)).is_some(),
            "for at least five minutes"
        );
        places.record(event, &user(2), &place(2, 2), at(0), at(602));
        assert!(places.get(event, &user(1)).is_none());
        assert!(places.get(event, &user(2)).is_some());

        let mut few = Generations {
            rotated_at: at(0),
            ..Generations::default()
        };
        for number in 0..20 {
            few.rotate_if_due(4, at(1));
            few.young.insert(
                (event, user(number)),
                RememberedPlace {
                    epoch: "e".parse().unwrap(),
                    number,
                    last_sent_position: 1,
                    present_until: at(0),
                },
            );
            assert!(few.all().count() <= 8);
        }
    }
}
