//! Sets of numbers in the queue, kept as runs: what a queue that is lost has to know about
//! thousands of numbers fits into a few bytes.

use std::collections::BTreeMap;

/// See the module's documentation. Runs neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The last number of each run, by its first.
    runs: BTreeMap<u64, u64>,
}

impl Numbers {
    /// Every number from `first` to `last`; none where there is none between them.
    pub fn run(first: u64, last: u64) -> Self {
        let mut numbers = Self::default();
        numbers.insert_run(first, last);
        numbers
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.runs().map(|(first, last)| last - first + 1).sum()
    }

    /// First and last number of each run, in their order.
    pub fn runs(&self) -> impl Iterator<Item = (u64, u64)> {
        self.runs.iter().map(|(first, last)| (*first, *last))
    }

    /// Is the number one of them?
    pub fn contains(&self, number: u64) -> bool {
        self.run_around(number).is_some()
    }

    /// Adds a number.
    pub fn insert(&mut self, number: u64) {
        self.insert_run(number, number);
    }

    /// Adds every number from `first` to `last`.
    pub fn insert_run(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }

        let (mut first, mut last) = (first, last);

        // The last run that begins at or before the end may reach into the new one, and so may
        // those before it.
        while let Some((known_first, known_last)) =
            self.runs.range(..=last.saturating_add(1)).next_back()
        {
            if known_last.saturating_add(1) < first {
                break;
            }
            let known_first = *known_first;
            last = last.max(*known_last);
            first = first.min(known_first);
            self.runs.remove(&known_first);
        }

        self.runs.insert(first, last);
    }

    /// Takes a number out; false where it is not one of them.
    pub fn take(&mut self, number: u64) -> bool {
        let Some((first, last)) = self.run_around(number) else {
            return false;
        };
        self.runs.remove(&first);

        if first < number {
            self.runs.insert(first, number - 1);
        }

        if number < last {
            self.runs.insert(number + 1, last);
        }

        true
    }

    /// Those that are not above `limit`.
    pub fn up_to(&self, limit: u64) -> Self {
        let runs = self
            .runs
            .range(..=limit)
            .map(|(first, last)| (*first, (*last).min(limit)));
        Self {
            runs: runs.collect(),
        }
    }

    /// The same in at most so many runs, none of it left out: where there are more, the last of
    /// them takes in all up to `end`.
    #[must_use]
    pub fn limit_runs(mut self, most: usize, end: u64) -> Self {
        if self.runs.len() > most
            && let Some(first) = self.runs.keys().nth(most.saturating_sub(1)).copied()
        {
            self.insert_run(first, end);
        }
        self
    }

    /// The run that the number is in.
    fn run_around(&self, number: u64) -> Option<(u64, u64)> {
        let (first, last) = self.runs.range(..=number).next_back()?;
        (number <= *last).then_some((*first, *last))
    }

    /// Of each run the gap before it and its length less one, each in groups of seven bits, the
    /// lowest first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut before = 0;
        for (first, last) in self.runs() {
            put(&mut bytes, first - before);
            put(&mut bytes, last - first);
            before = last;
        }
        bytes
    }

    /// Reads [`Numbers::to_bytes`]; nothing where it is not that.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let (mut numbers, mut before) = (Self::default(), 0u64);
        while !bytes.is_empty() {
            let first = before.checked_add(take(&mut bytes)?)?;
            let last = first.checked_add(take(&mut bytes)?)?;
            numbers.insert_run(first, last);
            before = last;
        }
        Some(numbers)
    }
}

impl FromIterator<u64> for Numbers {
    fn from_iter<T: IntoIterator<Item = u64>>(numbers: T) -> Self {
        let mut all = Self::default();
        numbers.into_iter().for_each(|number| all.insert(number));
        all
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0u64, 0);
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_a_set(steps in prop::collection::vec((any::<bool>(), 1u64..60, 0u64..6), 0..80), limit in 0u64..70) {
            let (mut numbers, mut plain) = (Numbers::default(), BTreeSet::new());
            for (add, first, more) in steps {
                if add {
                    numbers.insert_run(first, first + more);
                    plain.extend(first..=first + more);
                } else {
                    prop_assert_eq!(numbers.take(first), plain.remove(&first));
                }
                let apart = numbers.runs().zip(numbers.runs().skip(1)).all(|(one, next)| one.1 + 1 < next.0);
                prop_assert!(apart, "{:?}", numbers);
            }
            prop_assert_eq!(numbers.len(), plain.len() as u64);
            prop_assert!((0..70).all(|number| numbers.contains(number) == plain.contains(&number)));
            prop_assert_eq!(numbers.up_to(limit), plain.range(..=limit).copied().collect::<Numbers>());
            prop_assert_eq!(Numbers::from_bytes(&numbers.to_bytes()), Some(numbers));
        }
    }

    #[test]
    fn too_many_runs_lose_no_number() {
        let odd: Numbers = (0..100).map(|number| 2 * number + 1).collect();
        let fewer = odd.clone().limit_runs(10, 300);

        assert_eq!(fewer.runs().count(), 10);
        assert!(
            (1..=19).all(|number| fewer.contains(number) == odd.contains(number)),
            "the lowest are exact"
        );
        assert!(
            (19..=300).all(|number| fewer.contains(number)),
            "all others count as well"
        );
        assert_eq!(odd.clone().limit_runs(100, 300), odd);
    }

    #[test]
    fn a_crowd_is_a_few_bytes_and_nonsense_is_nothing() {
        assert_eq!(Numbers::run(1, 1_000_000).to_bytes().len(), 4);
        assert_eq!(Numbers::from_bytes(&[0x80]), None);
        assert_eq!(Numbers::from_bytes(&[0xff; 20]), None);
    }
}
