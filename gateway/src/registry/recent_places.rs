//! Who had a place here lately without a connection that would show it: who polls, and whose last
//! connection has just ended. After a loss of the line they are brought back as the connected are,
//! whether their clients kept the ticket or not.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use waitingroom::{
    clock::Timestamp,
    ids::{Epoch, EventId, UserId},
    line::Place,
};

/// Users are remembered for at least half of this, unless there are too many.
const KEPT: Duration = Duration::from_secs(600);
/// Most users that are remembered, of all events.
const LIMIT: usize = 131_072;

/// What is remembered of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RememberedPlace {
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
    /// The position that they were told last.
    pub(crate) told: u64,
    /// From when on they are absent.
    pub(crate) absent_from: Timestamp,
}

impl RememberedPlace {
    /// What a client says of itself, who is here.
    pub(crate) fn by_client((epoch, number): (Epoch, u64), told: u32) -> Self {
        Self {
            epoch,
            number,
            told: told.into(),
            absent_from: Timestamp::default(),
        }
    }

    /// After a loss of the line, it is as good as the one that their client has not kept.
    pub(crate) fn ticket(&self) -> (Epoch, u64) {
        (self.epoch.clone(), self.number)
    }

    /// Was this place of theirs seen in a line that was lost since?
    pub(crate) fn is_of_another_line(&self, place: &Place) -> bool {
        self.number == place.number && self.epoch != place.epoch
    }
}

type Users = HashMap<(EventId, UserId), RememberedPlace>;

/// See the module's documentation. Two generations: the older is dropped as a whole, so that what
/// is kept has an end and a bound.
#[derive(Debug, Default)]
pub(super) struct RecentPlaces(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: Users,
    old: Users,
    began: Timestamp,
}

impl RecentPlaces {
    /// The user was told this place, and is here until `absent_from`.
    pub(super) fn note(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        absent_from: Timestamp,
        now: Timestamp,
    ) {
        let mut kept = self.0.lock();
        let key = (event, user.clone());
        let before = kept.take(&key).filter(|seen| seen.number == place.number);
        let told = before.map_or(place.position, |seen| seen.told.min(place.position));
        let seen = RememberedPlace {
            epoch: place.epoch.clone(),
            number: place.number,
            told,
            absent_from,
        };
        kept.make_room(LIMIT / 2, now);
        kept.young.insert(key, seen);
        metrics::gauge!("stanchion_remembered_users")
            .set((kept.young.len() + kept.old.len()) as f64);
    }

    /// They have asked for their place.
    pub(super) fn touch(&self, event: EventId, user: &UserId, absent_from: Timestamp) {
        let mut kept = self.0.lock();
        let Generations { young, old, .. } = &mut *kept;
        let key = (event, user.clone());
        if let Some(seen) = young.get_mut(&key).or_else(|| old.get_mut(&key)) {
            seen.absent_from = seen.absent_from.max(absent_from);
        }
    }

    /// They have a pass, or no place any more.
    pub(super) fn forget(&self, event: EventId, user: &UserId) {
        self.0.lock().take(&(event, user.clone()));
    }

    pub(super) fn find(&self, event: EventId, user: &UserId) -> Option<RememberedPlace> {
        let kept = self.0.lock();
        let key = (event, user.clone());
        kept.young.get(&key).or_else(|| kept.old.get(&key)).cloned()
    }

    /// Those whose place is in another incarnation of the event's line than this.
    pub(super) fn stranded(&self, event: EventId, epoch: &Epoch) -> Vec<(UserId, RememberedPlace)> {
        let kept = self.0.lock();
        let stranded = kept
            .all()
            .filter(|((of, _), seen)| *of == event && seen.epoch != *epoch);
        stranded
            .map(|((_, user), seen)| (user.clone(), seen.clone()))
            .collect()
    }

    /// Is there anybody of that kind?
    pub(super) fn has_stranded(&self, event: EventId, epoch: &Epoch) -> bool {
        self.0
            .lock()
            .all()
            .any(|((of, _), seen)| *of == event && seen.epoch != *epoch)
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

    fn make_room(&mut self, most: usize, now: Timestamp) {
        let is_over = now >= self.began.plus(KEPT / 2);
        if is_over || self.young.len() >= most {
            self.old = std::mem::take(&mut self.young);
            self.began = now;
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
        let (lately, event) = (RecentPlaces::default(), uuid::Uuid::nil().into());
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        for (number, position, told) in [(7, 5, 5), (7, 6, 5), (7, 3, 3), (8, 9, 9)] {
            lately.note(event, &user(1), &place(number, position), at(15), at(0));
            assert_eq!(
                lately
                    .find(event, &user(1))
                    .map(|seen| (seen.number, seen.told)),
                Some((number, told))
            );
        }
        let (now, later) = ("e1".parse().unwrap(), "e2".parse().unwrap());
        assert_eq!(
            (
                lately.stranded(event, &now).len(),
                lately.stranded(event, &later).len()
            ),
            (0, 1)
        );
        lately.touch(event, &user(1), at(30));
        lately.touch(event, &user(2), at(30));
        assert_eq!(lately.stranded(event, &later)[0].1.absent_from, at(30));
        lately.forget(event, &user(1));
        assert!(lately.find(event, &user(1)).is_none() && lately.find(event, &user(2)).is_none());
    }

    #[test]
    fn nobody_is_remembered_for_ever() {
        let (lately, event) = (RecentPlaces::default(), uuid::Uuid::nil().into());
        let at = |seconds: i64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000);
        lately.note(event, &user(1), &place(1, 1), at(0), at(0));
        lately.note(event, &user(2), &place(2, 2), at(0), at(299));
        assert!(lately.find(event, &user(1)).is_some());
        lately.note(event, &user(2), &place(2, 2), at(0), at(301));
        assert!(
            lately.find(event, &user(1)).is_some(),
            "for at least five minutes"
        );
        lately.note(event, &user(2), &place(2, 2), at(0), at(602));
        assert!(lately.find(event, &user(1)).is_none());
        assert!(lately.find(event, &user(2)).is_some());

        let mut few = Generations {
            began: at(0),
            ..Generations::default()
        };
        for number in 0..20 {
            few.make_room(4, at(1));
            few.young.insert(
                (event, user(number)),
                RememberedPlace {
                    epoch: "e".parse().unwrap(),
                    number,
                    told: 1,
                    absent_from: at(0),
                },
            );
            assert!(few.all().count() <= 8);
        }
    }
}
