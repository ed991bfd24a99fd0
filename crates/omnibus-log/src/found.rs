//! What recovery finds of replicated shards: their marks, and which of their entries are valid.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term};

use crate::block::{Frame, FrameKind};
use crate::checkpoint::CheckpointName;
use crate::entry::EntryKind;
use crate::kept::{Kept, Place};
use crate::mark::{EntryId, Mark, Marks};

/// Where streams end by an entry.
pub(crate) type Ends = Vec<(StreamId, Offset)>;

/// The marks and entries of replicated shards, in the order in which they were written.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) marks: BTreeMap<ShardId, Marks>,
    pub(crate) kept: Kept,
    /// Some entries are void.
    pub(crate) truncated: bool,
    /// Entries in sealed segments that may turn out to be void, and where streams end by them.
    unsettled: BTreeMap<ShardId, VecDeque<(LogIndex, Ends)>>,
    /// Entries with records that are known to have been read: committed, if they are not void.
    proven: BTreeMap<ShardId, BTreeMap<LogIndex, Term>>,
    /// Where streams ended for readers, at least.
    shown_to: BTreeMap<StreamId, Offset>,
}

impl Found {
    pub(crate) fn is_replicated(&self, shard: ShardId) -> bool {
        self.marks.contains_key(&shard)
    }

    /// Remembers where an entry lies. What lies before a gap was purged: a segment between went.
    pub(crate) fn keep(&mut self, frame: &Frame<'_>, place: Place) {
        if self.is_replicated(frame.shard) {
            if self.kept.last(frame.shard).is_some_and(|last| last.index.next() < frame.index) {
                self.kept.purge(frame.shard, LogIndex(frame.index.0 - 1));
            }
            self.kept.push(frame.shard, frame.index, place);
        }
    }

    /// Remembers what an entry says of who replicates the shard, however old it is.
    pub(crate) fn note_membership(&mut self, frame: &Frame<'_>) {
        if let (FrameKind::Entry(EntryKind::Membership), Some(marks)) = (&frame.what, self.marks.get_mut(&frame.shard))
        {
            marks.take(&Mark::Membership(frame.id(), Bytes::copy_from_slice(frame.head)));
        }
    }

    /// Keeps back where streams end by an entry, until it is known to be valid.
    pub(crate) fn unsettle(&mut self, frame: &Frame<'_>, ends: Ends) {
        self.unsettled.entry(frame.shard).or_default().push_back((frame.index, ends));
    }

    /// Learns where streams ended for readers, who are shown what is committed.
    pub(crate) fn note_shown(&mut self, ends: impl Iterator<Item = (StreamId, Offset)>) {
        for (stream, end) in ends {
            let shown_to = self.shown_to.entry(stream).or_default();
            *shown_to = end.max(*shown_to);
        }
    }

    /// Whether somebody could read what an entry has, unless it is void.
    pub(crate) fn was_shown(&self, frame: &Frame<'_>) -> bool {
        frame.rows.iter().any(|(stream, row)| self.shown_to.get(stream).is_some_and(|shown_to| row.base < *shown_to))
    }

    /// Remembers an entry that is committed if it is not void: its segment is sealed, or a pack or a checkpoint
    /// tells of its records. The mark that says how far is written later than these.
    pub(crate) fn prove(&mut self, frame: &Frame<'_>) {
        if self.is_replicated(frame.shard) && !frame.rows.is_empty() {
            self.proven.entry(frame.shard).or_default().insert(frame.index, frame.term);
        }
    }

    /// Takes the next mark; returns where streams end by entries that are valid by it.
    pub(crate) fn take(&mut self, shard: ShardId, mark: &Mark) -> Vec<Ends> {
        self.marks.entry(shard).or_default().take(mark);
        let unsettled = self.unsettled.entry(shard).or_default();
        match mark {
            Mark::Truncated { from } => {
                self.truncated = true;
                self.kept.truncate(shard, *from);
                unsettled.retain(|(index, _)| index < from);
                self.proven.entry(shard).or_default().split_off(from);
                Vec::new()
            }
            Mark::Purged(id) => {
                self.kept.purge(shard, id.index);
                Vec::new()
            }
            Mark::Committed(id) => {
                let settled = unsettled.partition_point(|(index, _)| *index <= id.index);
                unsettled.drain(..settled).map(|(_, ends)| ends).collect()
            }
            Mark::Vote(_) | Mark::Membership(..) => Vec::new(),
        }
    }

    /// Ends: a segment is sealed when all of it is committed or void, so what is left is valid.
    pub(crate) fn settle(&mut self) -> Vec<(ShardId, Ends)> {
        for (shard, entries) in std::mem::take(&mut self.proven) {
            if let (Some((index, term)), Some(marks)) = (entries.last_key_value(), self.marks.get_mut(&shard))
                && marks.committed.index < *index
            {
                marks.take(&Mark::Committed(EntryId { term: *term, index: *index }));
            }
        }
        let left = std::mem::take(&mut self.unsettled).into_iter();
        left.flat_map(|(shard, entries)| entries.into_iter().map(move |(_, ends)| (shard, ends))).collect()
    }

    /// Takes a checkpoint for a purge where entries before it were not looked at: those of a
    /// segment that began before the shard was replicated. Or where none comes behind it: it was sent by another node.
    pub(crate) fn close_gap(&mut self, name: &CheckpointName) {
        let Some(marks) = self.marks.get_mut(&name.shard) else { return };
        let first = self.kept.first(name.shard).unwrap_or(LogIndex(u64::MAX));
        let last = self.kept.last(name.shard).map_or(marks.purged.index, |last| last.index);
        if first > marks.purged.index.next() || last < name.index {
            marks.take(&Mark::Purged(EntryId { term: name.term, index: name.index }));
            self.kept.purge(name.shard, name.index);
        }
    }
}
