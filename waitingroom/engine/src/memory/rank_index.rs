//! Users in the order of their numbers, with their ranks in logarithmic time.
//!
//! New numbers only grow, so they are counted in a Fenwick tree (P. M. Fenwick, "A new data
//! structure for cumulative frequency tables", 1994) that grows at its end; the few numbers of an
//! earlier epoch lie before its base and are counted one by one.

use std::collections::BTreeMap;

use waitingroom_domain::ids::UserId;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct RankIndex {
    users: BTreeMap<u64, UserId>,
    /// Numbers up to this one are not in the tree.
    base: u64,
    /// Members up to the base.
    before: usize,
    /// `tree[i - 1]` counts the members among the `i & -i` numbers that end at `base + i`.
    tree: Vec<u32>,
}

impl RankIndex {
    /// Nobody yet; numbers above `base` are to come in growing order.
    pub(super) fn starting_after(base: u64) -> Self {
        Self {
            users: BTreeMap::new(),
            base,
            before: 0,
            tree: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    pub(super) fn insert(&mut self, number: u64, user: UserId) {
        if self.users.is_empty() && number > self.base {
            *self = Self::starting_after(number - 1); // none is left to count: a new tree, so that memory follows the queue
        }
        if self.users.insert(number, user).is_none() {
            self.count(number, 1);
        }
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<UserId> {
        let user = self.users.remove(&number)?;
        self.count(number, -1);
        Some(user)
    }

    /// Members with this number or a lower one.
    pub(super) fn rank(&self, number: u64) -> u64 {
        if number <= self.base {
            return self.users.range(..=number).count() as u64;
        }

        let mut index = ((number - self.base) as usize).min(self.tree.len());
        let mut rank = self.before as u64;

        while index > 0 {
            rank += u64::from(self.tree[index - 1]);
            index -= lowest_bit(index);
        }

        rank
    }

    /// The numbers that are not above `limit`, in their order.
    pub(super) fn up_to(&self, limit: u64) -> impl Iterator<Item = u64> {
        self.users.range(..=limit).map(|(number, _)| *number)
    }

    fn count(&mut self, number: u64, change: i32) {
        if number <= self.base {
            self.before = self.before.saturating_add_signed(change as isize);
            return;
        }

        let mut index = (number - self.base) as usize;
        while self.tree.len() < index {
            self.tree.push(self.subtree_sum(self.tree.len() + 1));
        }

        while index <= self.tree.len() {
            self.tree[index - 1] = self.tree[index - 1].saturating_add_signed(change);
            index += lowest_bit(index);
        }
    }

    /// What a new node at `index` begins with: the members under it.
    fn subtree_sum(&self, index: usize) -> u32 {
        let (mut child, mut sum) = (index - 1, 0);
        while child > index - lowest_bit(index) {
            sum += self.tree[child - 1];
            child -= lowest_bit(child);
        }
        sum
    }
}

const fn lowest_bit(index: usize) -> usize {
    index & index.wrapping_neg()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_rank_is_the_count_of_lower_numbers(steps in prop::collection::vec((any::<bool>(), 1u64..60), 1..200)) {
            let (mut ranks, mut expected) = (RankIndex::starting_after(20), BTreeMap::new());
            let mut next = 20;
            for (join, pick) in steps {
                let number = if join && pick <= 20 { pick } else { next += 1; next };
                if join {
                    let user: UserId = format!("u{number}").parse().unwrap();
                    ranks.insert(number, user.clone());
                    expected.insert(number, user);
                } else if let Some(number) = expected.keys().nth(pick as usize % expected.len().max(1)).copied() {
                    prop_assert_eq!(ranks.remove(number), expected.remove(&number));
                }
                prop_assert_eq!(ranks.len(), expected.len());
                for number in 0..next + 2 {
                    prop_assert_eq!(ranks.rank(number), expected.range(..=number).count() as u64);
                }
            }
        }
    }
}
