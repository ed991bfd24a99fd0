//! Where the entries of replicated shards lie, by their place in the shard's log, so that they
//! can be read back for a replica that is behind.

use std::collections::{BTreeMap, VecDeque};

use omnibus_model::{LogIndex, ShardId, Term};

use crate::mark::EntryId;

/// The entries of all replicated shards that are durable, not purged and not void.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    shards: BTreeMap<ShardId, Places>,
}

#[derive(Clone, Debug)]
struct Places {
    first: LogIndex,
    places: VecDeque<Place>,
}

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) term: Term,
    /// The number of the segment.
    pub(crate) segment: u64,
    /// Where its block begins there.
    pub(crate) block: u64,
}

impl Places {
    fn place(&self, index: LogIndex) -> Option<&Place> {
        self.places.get(usize::try_from(index.0.checked_sub(self.first.0)?).ok()?)
    }

    fn end(&self) -> LogIndex {
        LogIndex(self.first.0 + self.places.len() as u64)
    }
}

impl Kept {
    pub(crate) fn push(&mut self, shard: ShardId, index: LogIndex, place: Place) {
        let places = self.shards.entry(shard).or_insert_with(|| Places { first: index, places: VecDeque::new() });
        if places.places.is_empty() {
            places.first = index;
        }
        assert_eq!(index, places.end(), "shard {shard}: entries of a replicated log have no gaps");
        places.places.push_back(place);
    }

    /// Forgets the entries from `from` on.
    pub(crate) fn truncate(&mut self, shard: ShardId, from: LogIndex) {
        if let Some(places) = self.shards.get_mut(&shard) {
            let left = from.0.saturating_sub(places.first.0);
            places.places.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
    }

    /// Forgets the entries up to `index`.
    pub(crate) fn purge(&mut self, shard: ShardId, index: LogIndex) {
        if let Some(places) = self.shards.get_mut(&shard)
            && places.first <= index
        {
            let gone = usize::try_from(index.0 - places.first.0 + 1).unwrap_or(usize::MAX);
            places.places.drain(..gone.min(places.places.len()));
            places.first = index.next();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shards.values().all(|places| places.places.is_empty())
    }

    pub(crate) fn place(&self, shard: ShardId, index: LogIndex) -> Option<Place> {
        self.shards.get(&shard)?.place(index).copied()
    }

    /// The index of the oldest entry.
    pub(crate) fn first(&self, shard: ShardId) -> Option<LogIndex> {
        let places = self.shards.get(&shard)?;
        (!places.places.is_empty()).then_some(places.first)
    }

    /// The newest entry.
    pub(crate) fn last(&self, shard: ShardId) -> Option<EntryId> {
        let places = self.shards.get(&shard)?;
        let term = places.places.back()?.term;
        Some(EntryId { term, index: LogIndex(places.end().0 - 1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: ShardId = ShardId(1);

    fn place(term: u64) -> Place {
        Place { term: Term(term), segment: 1, block: term * 4096 }
    }

    #[test]
    fn entries_are_found_between_what_was_purged_and_what_was_cut_off() {
        let mut kept = Kept::default();
        (5..=9).for_each(|index| kept.push(SHARD, LogIndex(index), place(index)));
        kept.purge(SHARD, LogIndex(6));
        kept.truncate(SHARD, LogIndex(9));
        let found: Vec<u64> = (4..=10).filter(|index| kept.place(SHARD, LogIndex(*index)).is_some()).collect();
        assert_eq!((found, kept.last(SHARD)), (vec![7, 8], Some(EntryId { term: Term(8), index: LogIndex(8) })));
        kept.push(SHARD, LogIndex(9), place(20));
        assert_eq!(kept.place(SHARD, LogIndex(9)), Some(place(20)));
        kept.purge(SHARD, LogIndex(30));
        assert_eq!(kept.last(SHARD), None);
        kept.push(SHARD, LogIndex(31), place(21));
        kept.truncate(SHARD, LogIndex(1));
        assert_eq!(kept.last(SHARD), None);
    }
}
