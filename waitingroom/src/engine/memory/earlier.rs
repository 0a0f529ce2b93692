//! The numbers of earlier incarnations of a line that have not been served: who may still take
//! theirs up again, and how many may be in front of them.

use super::super::{Opening, Unserved};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Earlier {
    left: Unserved,
    taken: u64,
    /// Of each run of those that count in ranks, as the line was opened: its last number, its
    /// first, and how many were before it.
    counted: Vec<(u64, u64, u64)>,
    /// How many were out of everybody's count.
    returned: u64,
}

impl Earlier {
    pub(super) fn new(opening: &Opening) -> Self {
        let mut left = opening.unserved.clone();
        left.waiting.insert_run(opening.head + 1, opening.sequence);
        let (mut before, mut counted) = (0, Vec::new());
        for (first, last) in left.waiting.runs() {
            counted.push((last, first, before));
            before += last - first + 1;
        }
        Self {
            taken: 0,
            counted,
            returned: left.returned.len(),
            left,
        }
    }

    /// Takes the number up; tells whether it was out of everybody's count. Nothing where it was
    /// served, or taken up before.
    pub(super) fn take(&mut self, number: u64) -> Option<bool> {
        let waiting = self.left.waiting.take(number);
        let returned = self.left.returned.take(number);
        self.taken += u64::from(waiting || returned);
        (waiting || returned).then_some(returned)
    }

    /// How many were taken up.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Those up to this number that are left.
    pub(super) fn up_to(&self, limit: u64) -> Unserved {
        Unserved {
            waiting: self.left.waiting.up_to(limit),
            returned: self.left.returned.up_to(limit),
        }
    }

    /// The most that the rank of this number can be once all are back.
    pub(super) fn bound(&self, number: u64) -> u64 {
        let at = self.counted.partition_point(|(last, ..)| *last < number);
        match self.counted.get(at) {
            Some((_, first, before)) => before + (number + 1).saturating_sub(*first),
            None => self
                .counted
                .last()
                .map_or(0, |(last, first, before)| before + last - first + 1),
        }
    }

    /// The same for one that is out of everybody's count.
    pub(super) fn bound_of_returned(&self, number: u64) -> u64 {
        self.bound(number) + self.returned
    }
}
