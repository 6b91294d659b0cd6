//! A set of numbers kept as runs of neighbours, to find the lowest number that is *not* in it without walking over those
//! that are: 4,000 addresses drawn one after the other are one run.

use std::collections::BTreeMap;

/// First number of each run → its last. Runs neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::state) struct Runs(BTreeMap<u64, u64>);

impl Runs {
    pub fn insert(&mut self, number: u64) {
        if self.run_of(number).is_some() {
            return;
        }
        let mut first = number;
        if let Some((&before, &last)) = self.0.range(..number).next_back()
            && last + 1 == number
        {
            first = before;
        }
        let after = number.checked_add(1).and_then(|next| self.0.remove(&next));
        self.0.insert(first, after.unwrap_or(number));
    }

    pub fn remove(&mut self, number: u64) {
        let Some((first, last)) = self.run_of(number) else { return };
        self.0.remove(&first);
        if first < number {
            self.0.insert(first, number - 1);
        }
        if number < last {
            self.0.insert(number + 1, last);
        }
    }

    /// The run that holds this number.
    pub fn run_of(&self, number: u64) -> Option<(u64, u64)> {
        let (&first, &last) = self.0.range(..=number).next_back()?;
        (number <= last).then_some((first, last))
    }

    /// The lowest number from `number` on that is not in the set; None past the end of all numbers.
    pub fn skip(&self, number: u64) -> Option<u64> {
        match self.run_of(number) {
            Some((_, last)) => last.checked_add(1),
            None => Some(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_become_one_run_and_part_again() {
        let mut runs = Runs::default();
        [3, 1, 2, 5, 0].into_iter().for_each(|number| runs.insert(number));
        assert_eq!(runs.0, BTreeMap::from([(0, 3), (5, 5)]));
        runs.remove(1);
        assert_eq!(runs.0, BTreeMap::from([(0, 0), (2, 3), (5, 5)]));
        runs.insert(4);
        assert_eq!(runs.0, BTreeMap::from([(0, 0), (2, 5)]));
    }

    #[test]
    fn the_ends_of_all_numbers_do_not_overflow() {
        let mut runs = Runs::default();
        runs.insert(u64::MAX);
        runs.insert(u64::MAX - 1);
        assert_eq!(runs.skip(u64::MAX - 1), None);
        runs.remove(u64::MAX);
        assert_eq!(runs.skip(u64::MAX - 1), Some(u64::MAX));
    }

    proptest! {
        #[test]
        fn runs_are_a_set(steps in proptest::collection::vec((any::<bool>(), 0u64..24), 0..80)) {
            let (mut runs, mut model) = (Runs::default(), BTreeSet::new());
            for (insert, number) in steps {
                if insert {
                    runs.insert(number);
                    model.insert(number);
                } else {
                    runs.remove(number);
                    model.remove(&number);
                }
                for start in 0..26 {
                    let lowest = (start..).find(|candidate| !model.contains(candidate));
                    prop_assert_eq!(runs.skip(start), lowest);
                }
            }
        }
    }
}
