//! The numbers of earlier incarnations of a queue that have not been served: which users may still
//! redeem theirs, and how many may be in front of them.

use super::super::{OpenParams, UnservedNumbers};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct EarlierNumbers {
    remaining: UnservedNumbers,
    redeemed: u64,
    /// Of each run of those that count in ranks, as the queue was opened: its last number, its
    /// first, and how many were before it.
    counted: Vec<(u64, u64, u64)>,
    /// How many were out of everybody's count.
    unclaimed: u64,
}

impl EarlierNumbers {
    pub(super) fn new(opening: &OpenParams) -> Self {
        let mut remaining = opening.unserved.clone();
        remaining
            .waiting
            .insert_run(opening.head + 1, opening.sequence);

        let (mut before, mut counted) = (0, Vec::new());
        for (first, last) in remaining.waiting.runs() {
            counted.push((last, first, before));
            before += last - first + 1;
        }

        Self {
            redeemed: 0,
            counted,
            unclaimed: remaining.unclaimed.len(),
            remaining,
        }
    }

    /// Takes the number up; tells whether it was out of everybody's count. Nothing where it was
    /// served, or redeemed before.
    pub(super) fn redeem(&mut self, number: u64) -> Option<bool> {
        let waiting = self.remaining.waiting.take(number);
        let unclaimed = self.remaining.unclaimed.take(number);
        self.redeemed += u64::from(waiting || unclaimed);
        (waiting || unclaimed).then_some(unclaimed)
    }

    /// How many were redeemed.
    pub(super) fn redeemed(&self) -> u64 {
        self.redeemed
    }

    /// Those up to this number that are left.
    pub(super) fn up_to(&self, limit: u64) -> UnservedNumbers {
        UnservedNumbers {
            waiting: self.remaining.waiting.up_to(limit),
            unclaimed: self.remaining.unclaimed.up_to(limit),
        }
    }

    /// The most that the rank of this number can be once all are back.
    pub(super) fn max_rank(&self, number: u64) -> u64 {
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
    pub(super) fn max_rank_of_unclaimed(&self, number: u64) -> u64 {
        self.max_rank(number) + self.unclaimed
    }
}
