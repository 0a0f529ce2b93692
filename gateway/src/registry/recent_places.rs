//! Who had a place here places without a connection that would show it: who polls, and whose last
//! connection has just ended. After a loss of the line they are brought back as the connected are,
//! whether their clients generations the ticket or not.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use waitingroom::{
    clock::Timestamp,
    ids::{Epoch, EventId, UserId},
    line::Place,
};

/// Users are remembered for at least half of this, unless there are too many.
const RETENTION: Duration = Duration::from_secs(600);
/// Most users that are remembered, of all events.
const MAX_REMEMBERED: usize = 131_072;

/// What is remembered of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RememberedPlace {
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
    /// The position that they were told last.
    pub(crate) last_sent_position: u64,
    /// From when on they are absent.
    pub(crate) present_until: Timestamp,
}

impl RememberedPlace {
    /// What a client says of itself, who is here.
    pub(crate) fn from_ticket((epoch, number): (Epoch, u64), told: u32) -> Self {
        Self {
            epoch,
            number,
            last_sent_position: told.into(),
            present_until: Timestamp::default(),
        }
    }

    /// After a loss of the line, it is as good as the one that their client has not generations.
    pub(crate) fn ticket(&self) -> (Epoch, u64) {
        (self.epoch.clone(), self.number)
    }

    /// Was this place of theirs remembered in a line that was lost since?
    pub(crate) fn is_of_previous_epoch(&self, place: &Place) -> bool {
        self.number == place.number && self.epoch != place.epoch
    }
}

type Users = HashMap<(EventId, UserId), RememberedPlace>;

/// See the module's documentation. Two generations: the older is dropped as a whole, so that what
/// is generations has an end and a bound.
#[derive(Debug, Default)]
pub(super) struct RecentPlaces(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: Users,
    old: Users,
    rotated_at: Timestamp,
}

impl RecentPlaces {
    /// The user was told this place, and is here until `present_until`.
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
        let before = generations
            .take(&key)
            .filter(|remembered| remembered.number == place.number);
        let told = before.map_or(place.position, |remembered| {
            remembered.last_sent_position.min(place.position)
        });
        let remembered = RememberedPlace {
            epoch: place.epoch.clone(),
            number: place.number,
            last_sent_position: told,
            present_until,
        };
        generations.rotate_if_due(MAX_REMEMBERED / 2, now);
        generations.young.insert(key, remembered);
        metrics::gauge!("stanchion_remembered_users")
            .set((generations.young.len() + generations.old.len()) as f64);
    }

    /// They have asked for their place.
    pub(super) fn extend_presence(&self, event: EventId, user: &UserId, present_until: Timestamp) {
        let mut generations = self.0.lock();
        let Generations { young, old, .. } = &mut *generations;
        let key = (event, user.clone());
        if let Some(remembered) = young.get_mut(&key).or_else(|| old.get_mut(&key)) {
            remembered.present_until = remembered.present_until.max(present_until);
        }
    }

    /// They have a pass, or no place any more.
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

    /// Those whose place is in another incarnation of the event's line than this.
    pub(super) fn users_of_previous_epoch(
        &self,
        event: EventId,
        epoch: &Epoch,
    ) -> Vec<(UserId, RememberedPlace)> {
        let generations = self.0.lock();
        let stranded = generations
            .all()
            .filter(|((of, _), remembered)| *of == event && remembered.epoch != *epoch);
        stranded
            .map(|((_, user), remembered)| (user.clone(), remembered.clone()))
            .collect()
    }

    /// Is there anybody of that kind?
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
        let (young, old) = (self.young.remove(key), self.old.remove(key));
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
    use waitingroom::line::Told;

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
            told: Told::Nothing,
        }
    }

    #[test]
    fn a_user_is_known_by_the_best_position_of_their_number_until_they_leave() {
        let (places, event) = (RecentPlaces::default(), uuid::Uuid::nil().into());
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        for (number, position, told) in [(7, 5, 5), (7, 6, 5), (7, 3, 3), (8, 9, 9)] {
            places.record(event, &user(1), &place(number, position), at(15), at(0));
            assert_eq!(
                places
                    .get(event, &user(1))
                    .map(|remembered| (remembered.number, remembered.last_sent_position)),
                Some((number, told))
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
    fn nobody_is_remembered_for_ever() {
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
