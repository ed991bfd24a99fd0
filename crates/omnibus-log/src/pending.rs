//! Entries that are durable but not known to be committed: nobody may read them yet.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use omnibus_model::{LogIndex, Offset, ShardId, StreamId};
use parking_lot::Mutex;

use crate::file::LogFile;
use crate::index::Index;
use crate::row::Row;

const PARTS: usize = 32;

/// Durable entries by shard, oldest first.
#[derive(Debug)]
pub(crate) struct Pending {
    parts: [Mutex<BTreeMap<ShardId, VecDeque<PendingEntry>>>; PARTS],
}

/// What publishing an entry adds to the index.
#[derive(Debug)]
pub(crate) struct PendingEntry {
    pub(crate) index: LogIndex,
    pub(crate) file: Arc<LogFile>,
    pub(crate) rows: Vec<(StreamId, Row)>,
}

impl Default for Pending {
    fn default() -> Self {
        Self { parts: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Pending {
    fn part(&self, shard: ShardId) -> &Mutex<BTreeMap<ShardId, VecDeque<PendingEntry>>> {
        &self.parts[usize::from(shard.0) % PARTS]
    }

    pub(crate) fn push(&self, shard: ShardId, entry: PendingEntry) {
        entry.file.unpublished.fetch_add(1, Ordering::Relaxed);
        self.part(shard).lock().entry(shard).or_default().push_back(entry);
    }

    /// Lets readers see a shard's entries up to `index`.
    pub(crate) fn publish(&self, shard: ShardId, index: LogIndex, streams: &Index) {
        let mut part = self.part(shard).lock();
        let Some(entries) = part.get_mut(&shard) else { return };
        let due = entries.partition_point(|entry| entry.index <= index);
        for entry in entries.drain(..due) {
            let file = Arc::clone(&entry.file);
            entry.publish(shard, streams);
            file.unpublished.fetch_sub(1, Ordering::Release);
        }
    }

    /// Lets readers see the rows that begin before an offset of their stream, whatever else is in their entries.
    pub(crate) fn publish_before(&self, ends: &BTreeMap<StreamId, Offset>, streams: &Index) {
        let is_due = |(stream, row): &(StreamId, Row)| ends.get(stream).is_some_and(|end| row.base < *end);
        for part in &self.parts {
            for (shard, entries) in part.lock().iter_mut() {
                for entry in entries {
                    let (due, left) = std::mem::take(&mut entry.rows).into_iter().partition(is_due);
                    entry.rows = left;
                    PendingEntry { index: entry.index, file: Arc::clone(&entry.file), rows: due }
                        .publish(*shard, streams);
                }
            }
        }
    }

    /// Forgets a shard's entries up to `index`, whose records came in another way.
    pub(crate) fn forget(&self, shard: ShardId, index: LogIndex) {
        let mut part = self.part(shard).lock();
        let Some(entries) = part.get_mut(&shard) else { return };
        let gone = entries.partition_point(|entry| entry.index <= index);
        for entry in entries.drain(..gone) {
            entry.file.unpublished.fetch_sub(1, Ordering::Release);
        }
    }

    /// Forgets a shard's entries from `from` on, which are void.
    pub(crate) fn truncate(&self, shard: ShardId, from: LogIndex) {
        let mut part = self.part(shard).lock();
        let Some(entries) = part.get_mut(&shard) else { return };
        let left = entries.partition_point(|entry| entry.index < from);
        for entry in entries.drain(left..) {
            entry.file.unpublished.fetch_sub(1, Ordering::Release);
        }
    }
}

impl PendingEntry {
    /// Adds the entry's batches to the index.
    pub(crate) fn publish(self, shard: ShardId, streams: &Index) {
        for (stream, row) in self.rows {
            if streams.change_or_make(stream, shard, |known| known.append(&self.file, row)) {
                self.file.facts.lock().touched.push(stream);
            }
        }
    }
}
