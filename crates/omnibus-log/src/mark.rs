//! What a node must not forget of a shard's consensus, beside the entries: frames of their own
//! in the same stream of blocks.
//!
//! A segment that is begun repeats in its first block what counts by then, so nobody has to
//! look for it in an older one.

use std::collections::BTreeMap;

use bytes::Bytes;
use omnibus_model::{LogIndex, ShardId, Term};

use crate::error::WriteFailed;

/// Which entry of a shard: its place, and the term in which it got it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryId {
    pub term: Term,
    pub index: LogIndex,
}

/// Whom a node wants as the leader of a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    pub term: Term,
    /// The number of the node.
    pub node: u64,
    /// A majority wants the same.
    pub granted: bool,
}

/// One thing to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    Vote(Vote),
    /// The entries from here on are void: others will take their places.
    Truncated {
        from: LogIndex,
    },
    Committed(EntryId),
    /// Nobody will ask for the entries up to here again.
    Purged(EntryId),
    /// Who replicates the shard, by the entry that said so; opaque to the log.
    Membership(EntryId, Bytes),
}

/// Told once a mark is durable, or will never be.
pub type OnMarked = Box<dyn FnOnce(Result<(), WriteFailed>) + Send>;

/// What counts of a shard's marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    pub vote: Option<Vote>,
    pub committed: EntryId,
    pub purged: EntryId,
    /// The newest committed one, and those behind it, in the order of their entries.
    pub memberships: Vec<(EntryId, Bytes)>,
}

impl Marks {
    /// Learns of the next mark.
    pub(crate) fn take(&mut self, mark: &Mark) {
        match mark {
            Mark::Vote(vote) => self.vote = Some(*vote),
            Mark::Truncated { from } => self.memberships.retain(|(id, _)| id.index < *from),
            Mark::Committed(id) => {
                if self.committed.index <= id.index {
                    self.committed = *id;
                    let committed = self.memberships.partition_point(|(id, _)| id.index <= self.committed.index);
                    self.memberships.drain(..committed.saturating_sub(1));
                }
            }
            Mark::Purged(id) => {
                if self.purged.index <= id.index {
                    self.purged = *id;
                }
            }
            Mark::Membership(id, membership) => {
                self.memberships.retain(|(known, _)| known.index < id.index);
                self.memberships.push((*id, membership.clone()));
            }
        }
    }

    /// The marks that say all of it.
    pub(crate) fn all(&self) -> Vec<Mark> {
        let vote = self.vote.map(Mark::Vote);
        let memberships = self.memberships.iter().map(|(id, membership)| Mark::Membership(*id, membership.clone()));
        let ids = [Mark::Purged(self.purged), Mark::Committed(self.committed)];
        vote.into_iter().chain(memberships).chain(ids).collect()
    }
}

/// The marks of all shards: what is durable of them, and commits that will be written when
/// something else is.
#[derive(Debug, Default)]
pub(crate) struct MarkTable {
    pub(crate) durable: BTreeMap<ShardId, Marks>,
    /// Newer than what was last put into a block.
    committed: BTreeMap<ShardId, EntryId>,
}

impl MarkTable {
    pub(crate) fn new(durable: BTreeMap<ShardId, Marks>) -> Self {
        Self { durable, committed: BTreeMap::new() }
    }

    /// Keeps a commit until the next block is written.
    pub(crate) fn note_committed(&mut self, shard: ShardId, id: EntryId) {
        let is_news = self.durable.get(&shard).is_some_and(|marks| marks.committed.index < id.index);
        if is_news {
            let noted = self.committed.entry(shard).or_insert(id);
            *noted = if noted.index < id.index { id } else { *noted };
        }
    }

    /// What the first block of a segment must say.
    pub(crate) fn all(&self) -> Vec<(ShardId, Mark)> {
        let of_shard = |(shard, marks): (&ShardId, &Marks)| {
            let shard = *shard;
            marks.all().into_iter().map(move |mark| (shard, mark))
        };
        self.durable.iter().flat_map(of_shard).collect()
    }

    /// How many frames, and bytes of heads, the next block may get beside what is in the queue.
    pub(crate) fn frames_max(&self) -> (usize, usize) {
        let frames = self.durable.values().map(|marks| marks.memberships.len() + 4).sum();
        let heads = self.durable.values().flat_map(|marks| &marks.memberships).map(|(_, head)| head.len()).sum();
        (frames, heads)
    }

    /// Takes the commits that no block tells yet.
    pub(crate) fn take_committed(&mut self) -> Vec<(ShardId, Mark)> {
        let taken = std::mem::take(&mut self.committed);
        taken.into_iter().map(|(shard, id)| (shard, Mark::Committed(id))).collect()
    }
}
