//! Settlements that the engine did not receive: of each booking the latest.

use std::collections::HashMap;

use waitingroom_domain::{
    ids::{BookingId, EventId},
    seats::Settlement,
};

/// Max settlements of all events together: about a megabyte.
const MAX_PENDING: usize = 10_000;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct RetryQueue {
    events: HashMap<EventId, HashMap<BookingId, Settlement>>,
    len: usize,
}

impl RetryQueue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn contains(&self, event: EventId) -> bool {
        self.events.contains_key(&event)
    }

    pub(super) fn events(&self) -> Vec<EventId> {
        self.events.keys().copied().collect()
    }

    pub(super) fn of_event(&self, event: EventId) -> Vec<(BookingId, Settlement)> {
        let pending = self.events.get(&event).into_iter().flatten();
        pending
            .map(|(booking, settlement)| (*booking, *settlement))
            .collect()
    }

    /// False if the queue is full: no settlement of the event is kept then.
    pub(super) fn enqueue(
        &mut self,
        event: EventId,
        settlements: &[(BookingId, Settlement)],
    ) -> bool {
        let pending = self.events.entry(event).or_default();
        let before = pending.len();
        pending.extend(settlements.iter().copied());
        self.len += pending.len() - before;

        let fits = self.len <= MAX_PENDING;
        if !fits {
            self.len -= self
                .events
                .remove(&event)
                .map_or(0, |pending| pending.len());
        }
        fits
    }

    /// Removes settlements that were delivered, unless a later one of the same booking has come.
    pub(super) fn remove_delivered(
        &mut self,
        event: EventId,
        settlements: &[(BookingId, Settlement)],
    ) {
        let Some(pending) = self.events.get_mut(&event) else {
            return;
        };
        let before = pending.len();
        for (booking, settlement) in settlements {
            if pending.get(booking) == Some(settlement) {
                pending.remove(booking);
            }
        }
        self.len -= before - pending.len();

        if pending.is_empty() {
            self.events.remove(&event);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn booking(number: u128) -> BookingId {
        Uuid::from_u128(number).into()
    }

    #[test]
    fn keeps_latest_settlement_until_delivered() {
        let mut queue = RetryQueue::default();
        let event = Uuid::from_u128(1).into();
        let both = [1, 2].map(|number| (booking(number), Settlement::Committed));
        assert!(queue.enqueue(event, &both));
        let first = queue.of_event(event);

        let later = [(booking(1), Settlement::Released)];
        assert!(queue.enqueue(event, &later));
        queue.remove_delivered(event, &first);
        assert_eq!((queue.of_event(event), queue.len()), (later.to_vec(), 1));

        queue.remove_delivered(event, &later);
        assert!((queue.is_empty(), queue.len()) == (true, 0));
    }

    #[test]
    fn drops_event_that_exceeds_max_pending() {
        let mut queue = RetryQueue::default();
        let [small, large] = [1, 2].map(|id| Uuid::from_u128(id).into());
        assert!(queue.enqueue(small, &[(booking(0), Settlement::Released)]));
        let many: Vec<_> = (1..=MAX_PENDING as u128)
            .map(|id| (booking(id), Settlement::Released))
            .collect();
        assert!(!queue.enqueue(large, &many));
        assert_eq!((queue.events(), queue.len()), (vec![small], 1));
    }
}
