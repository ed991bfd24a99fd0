//! Changes of who votes that are under way, and for how long this node has seen each.

use std::collections::BTreeMap;
use std::time::Duration;

use omnibus_model::ShardId;
use omnibus_raft::VoteChange;
use parking_lot::Mutex;

/// A change of who votes about a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) votes: VoteChange,
    /// Whether it has begun: majorities of those before and of those behind it are needed until it ends. It is only due otherwise.
    pub(crate) is_half_done: bool,
}

/// What was under way when it was looked last, and since when.
#[derive(Debug, Default)]
pub(crate) struct Changes(Mutex<BTreeMap<ShardId, (Change, Duration)>>);

impl Changes {
    /// Notes what is under way now.
    pub(crate) fn note(&self, found: impl Iterator<Item = (ShardId, Change)>, now: Duration) {
        let mut known = self.0.lock();
        let before = std::mem::take(&mut *known);
        *known = found
            .map(|(shard, change)| {
                let since = before.get(&shard).filter(|(known, _)| *known == change).map_or(now, |(_, since)| *since);
                (shard, (change, since))
            })
            .collect();
    }

    /// Since when a change has been seen, if it has.
    pub(crate) fn since(&self, shard: ShardId, change: &Change) -> Option<Duration> {
        self.0.lock().get(&shard).filter(|(known, _)| known == change).map(|(_, since)| *since)
    }
}

#[cfg(test)]
mod tests {
    use omnibus_model::NodeId;

    use super::*;

    #[test]
    fn a_change_is_as_old_as_its_first_sight_and_another_is_new() {
        let (changes, shard, secs) = (Changes::default(), ShardId(3), Duration::from_secs);
        let change = |added: u32, is_half_done| Change {
            votes: VoteChange { added: [NodeId(added)].into(), ..VoteChange::default() },
            is_half_done,
        };
        changes.note([(shard, change(4, false))].into_iter(), secs(5));
        changes.note([(shard, change(4, false))].into_iter(), secs(6));
        assert_eq!(changes.since(shard, &change(4, false)), Some(secs(5)));
        assert_eq!(changes.since(shard, &change(4, true)), None);
        changes.note([(shard, change(4, true))].into_iter(), secs(7));
        assert_eq!(changes.since(shard, &change(4, true)), Some(secs(7)));
        changes.note([].into_iter(), secs(8));
        assert_eq!(changes.since(shard, &change(4, true)), None);
    }
}
