//! What an entry of the log has done to queues, told once it can be lost no more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use omnibus_model::queue::{CursorConfig, QueueCounts};
use omnibus_model::{Command, LogIndex, Offset, Outcome, ShardId, StreamId, Timestamp};

/// A command of history, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub(crate) stream: StreamId,
    pub(crate) now: Timestamp,
    /// A tick is a deed in every queue of its shard.
    pub(crate) command: Command,
    pub(crate) outcome: Outcome,
    /// What the queue acts on, afterwards; `None` if there is none.
    pub(crate) config: Option<CursorConfig>,
    /// What is on its way out of the queue, afterwards.
    pub(crate) dying: BTreeSet<Offset>,
}

/// All that one entry did to queues, and how these stood afterwards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deeds {
    pub(crate) deeds: Vec<Deed>,
    pub(crate) counts: Vec<(StreamId, QueueCounts)>,
}

/// What was proposed and may still be lost.
#[derive(Debug, Default)]
pub(crate) struct Undecided {
    shards: BTreeMap<ShardId, VecDeque<(LogIndex, Deeds)>>,
}

impl Undecided {
    pub(crate) fn push(&mut self, (shard, index): (ShardId, LogIndex), deeds: Deeds) {
        self.shards.entry(shard).or_default().push_back((index, deeds));
    }

    /// Takes what a shard has committed up to an entry, oldest first.
    pub(crate) fn take_up_to(&mut self, shard: ShardId, index: LogIndex) -> Vec<Deeds> {
        let waiting = self.shards.entry(shard).or_default();
        let count = waiting.partition_point(|(waiting, _)| *waiting <= index);
        waiting.drain(..count).map(|(_, deeds)| deeds).collect()
    }

    /// Forgets what a shard has lost.
    pub(crate) fn forget(&mut self, shard: ShardId) {
        self.shards.remove(&shard);
    }
}
