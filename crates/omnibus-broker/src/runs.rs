//! A set of offsets, kept as runs: what lies side by side costs as much as one.

use std::collections::BTreeMap;

use omnibus_model::Offset;
use serde::{Deserialize, Serialize};

/// Offsets in order. Neighbours are always one run, so equal sets have equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Runs {
    /// The first offset of each run, and the one after its last.
    runs: BTreeMap<Offset, Offset>,
    /// How many offsets there are.
    len: u64,
}

impl Runs {
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many offsets there are.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// How many runs there are.
    pub(crate) fn run_count(&self) -> usize {
        self.runs.len()
    }

    pub(crate) fn first(&self) -> Option<Offset> {
        self.runs.keys().next().copied()
    }

    pub(crate) fn last(&self) -> Option<Offset> {
        self.runs.values().next_back().map(|end| Offset(end.0 - 1))
    }

    pub(crate) fn contains(&self, offset: Offset) -> bool {
        self.run_of(offset).is_some()
    }

    /// The first offset from `offset` on that is not in the set.
    pub(crate) fn absent_from(&self, offset: Offset) -> Offset {
        self.run_of(offset).map_or(offset, |(_, end)| end)
    }

    /// The runs, and parts of runs, from `from` to before `to`.
    pub(crate) fn between(&self, from: Offset, to: Offset) -> impl Iterator<Item = (Offset, Offset)> {
        let begin = self.run_of(from).map_or(from, |(start, _)| start);
        let within = if begin < to { Some(self.runs.range(begin..to)) } else { None };
        within.into_iter().flatten().map(move |(start, end)| (from.max(*start), to.min(*end)))
    }

    /// How many offsets lie from `from` to before `to`. It looks at each run of them.
    pub(crate) fn count_between(&self, from: Offset, to: Offset) -> u64 {
        self.between(from, to).map(|(start, end)| end.0 - start.0).sum()
    }

    /// The offsets from `from` on.
    pub(crate) fn from(&self, from: Offset) -> impl Iterator<Item = Offset> {
        self.between(from, Offset(u64::MAX)).flat_map(|(start, end)| (start.0..end.0).map(Offset))
    }

    pub(crate) fn insert(&mut self, offset: Offset) {
        self.insert_range(offset, offset.plus(1));
    }

    pub(crate) fn insert_range(&mut self, from: Offset, to: Offset) {
        if from >= to {
            return;
        }
        self.remove_range(from, to);
        self.len += to.0 - from.0;
        let end = self.runs.remove(&to).unwrap_or(to);
        match self.runs.range_mut(..from).next_back() {
            Some((_, before)) if *before == from => *before = end,
            _ => {
                self.runs.insert(from, end);
            }
        }
    }

    /// Returns whether it was there.
    pub(crate) fn remove(&mut self, offset: Offset) -> bool {
        let before = self.len;
        self.remove_range(offset, offset.plus(1));
        self.len < before
    }

    pub(crate) fn remove_range(&mut self, from: Offset, to: Offset) {
        while let Some((start, end)) = self.first_run_within(from, to) {
            self.runs.remove(&start);
            if start < from {
                self.runs.insert(start, from);
            }
            if to < end {
                self.runs.insert(to, end);
            }
            self.len -= end.min(to).0 - start.max(from).0;
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes the run that begins at `offset`, and returns the offset after it.
    pub(crate) fn take_run(&mut self, offset: Offset) -> Option<Offset> {
        let end = self.runs.remove(&offset)?;
        self.len -= end.0 - offset.0;
        Some(end)
    }

    fn run_of(&self, offset: Offset) -> Option<(Offset, Offset)> {
        let (start, end) = self.runs.range(..=offset).next_back()?;
        (offset < *end).then_some((*start, *end))
    }

    fn first_run_within(&self, from: Offset, to: Offset) -> Option<(Offset, Offset)> {
        if from >= to {
            return None;
        }
        let reaches_in = self.run_of(from);
        reaches_in.or_else(|| self.runs.range(from..to).next().map(|(start, end)| (*start, *end)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_a_set(steps in prop::collection::vec((any::<bool>(), 0..40_u64, 0..8_u64), 0..60), from in 0..50_u64) {
            let mut runs = Runs::default();
            let mut model = BTreeSet::new();
            for (add, start, count) in steps {
                if add {
                    runs.insert_range(Offset(start), Offset(start + count));
                    model.extend(start..start + count);
                } else {
                    runs.remove_range(Offset(start), Offset(start + count));
                    model.retain(|offset| !(start..start + count).contains(offset));
                }
                prop_assert_eq!(runs.len(), model.len() as u64);
            }
            let all: Vec<u64> = runs.from(Offset(0)).map(|offset| offset.0).collect();
            prop_assert_eq!(&all, &model.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(runs.contains(Offset(from)), model.contains(&from));
            let absent = (from..).find(|offset| !model.contains(offset)).map(Offset);
            prop_assert_eq!(Some(runs.absent_from(Offset(from))), absent);
            let within = model.iter().filter(|offset| (from..from + 9).contains(*offset)).count();
            prop_assert_eq!(runs.count_between(Offset(from), Offset(from + 9)), within as u64);
            prop_assert_eq!(runs.first(), model.first().copied().map(Offset));
            prop_assert_eq!(runs.last(), model.last().copied().map(Offset));
            let starts = model.iter().filter(|offset| **offset == 0 || !model.contains(&(*offset - 1)));
            prop_assert_eq!(runs.run_count(), starts.count(), "neighbours are one run");
        }
    }
}
