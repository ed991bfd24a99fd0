//! What goes into the log, and what comes back from it.

use std::sync::Arc;

use bytes::Bytes;
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term, Timestamp};

/// What a batch takes in the log in place of a body that it shares.
pub(crate) const REFERENCE_BYTES: usize = 8;

/// One entry of a shard's replicated log: a commit group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub shard: ShardId,
    pub term: Term,
    pub index: LogIndex,
    pub kind: EntryKind,
    /// The commands, opaque to the log.
    pub head: Bytes,
    /// What several batches share of their payloads; at least one batch names each.
    pub bodies: Arc<Vec<Bytes>>,
    /// Payloads, sorted by stream by whoever made the entry.
    pub batches: Arc<Vec<EntryBatch>>,
}

/// What an entry is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryKind {
    /// A commit group.
    #[default]
    Commands,
    /// A leader's first: it says nothing.
    Blank,
    /// It says who replicates the shard from here on.
    Membership,
}

/// One batch of records: its payload is `prefix` followed by `rest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryBatch {
    pub stream: StreamId,
    pub base: Offset,
    pub count: u32,
    pub timestamp_max: Timestamp,
    /// The payload's patched beginning.
    pub prefix: Bytes,
    pub rest: Rest,
}

/// A payload's untouched remainder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    Own(Bytes),
    /// The body of this number in the entry. The batch is of one record then, and its prefix is
    /// shorter than 60,000 bytes.
    Shared(usize),
}

impl EntryBatch {
    /// How many bytes it takes in the log, without what it shares.
    pub(crate) fn stored_bytes(&self) -> usize {
        let rest = match &self.rest {
            Rest::Own(rest) => rest.len(),
            Rest::Shared(_) => REFERENCE_BYTES,
        };
        self.prefix.len() + rest
    }

    pub(crate) fn position(&self) -> BatchPosition {
        BatchPosition { base: self.base, count: self.count, timestamp_max: self.timestamp_max }
    }
}

/// An entry that was in the log when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayEntry {
    pub shard: ShardId,
    pub term: Term,
    pub index: LogIndex,
    pub kind: EntryKind,
    pub head: Bytes,
    /// Stream, base offset and count of each batch.
    pub batches: Vec<(StreamId, Offset, u32)>,
}

/// A shard's state as it was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub shard: ShardId,
    pub term: Term,
    pub index: LogIndex,
    pub state: Bytes,
}

/// A batch that takes the place of others, its offsets unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    pub base: Offset,
    /// The offsets it spans, gaps included.
    pub count: u32,
    pub timestamp_max: Timestamp,
    pub bytes: Bytes,
}

/// Where a batch lies in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPosition {
    pub base: Offset,
    pub count: u32,
    pub timestamp_max: Timestamp,
}

/// Whether there is room to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// For anything.
    Plenty,
    /// For deletes, commits, trims, and appends that were decided before; not for new ones.
    ReserveOnly,
    /// For nothing.
    None,
}
