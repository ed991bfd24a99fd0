//! What the log, its writer and its maintenance have in common.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use omnibus_io::{Caching, Disk, DiskFile};
use omnibus_model::{LogIndex, ShardId};
use parking_lot::Mutex;

use crate::cache::Cache;
use crate::config::LogConfig;
use crate::entry::Room;
use crate::error::{Action, LogError, WriteFailed};
use crate::file::LogFile;
use crate::index::Index;
use crate::kept::Kept;
use crate::manifest::Manifest;
use crate::mark::MarkTable;
use crate::pending::Pending;
use crate::queue::Queue;
use crate::superblock::Superblock;
use crate::underway::Underway;

/// The state of one open log. Locks are held briefly; only `manifest` and `maintenance` are
/// held across I/O, and never by readers.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) config: LogConfig,
    pub(crate) identity: u64,
    /// How segments and packs are opened.
    pub(crate) caching: Caching,
    pub(crate) device_name: &'static str,
    pub(crate) index: Index,
    pub(crate) cache: Cache,
    pub(crate) underway: Underway,
    pub(crate) pending: Pending,
    pub(crate) queue: Queue,
    pub(crate) files: Mutex<Files>,
    pub(crate) manifest: Mutex<Manifest>,
    pub(crate) superblock: Mutex<Superblock>,
    pub(crate) shards: Mutex<BTreeMap<ShardId, ShardFacts>>,
    pub(crate) marks: Mutex<MarkTable>,
    pub(crate) kept: Mutex<Kept>,
    pub(crate) space: Space,
    pub(crate) counters: Counters,
    pub(crate) failure: OnceLock<WriteFailed>,
    /// The root page or the list of files is not on the disk as it was written; both are in memory.
    pub(crate) root_has_rotted: AtomicBool,
    /// One at a time: those who write footers, packs and checkpoints, and remove files.
    pub(crate) maintenance: Mutex<()>,
    pub(crate) zeroing: Mutex<Zeroing>,
}

/// The table of files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) segments: BTreeMap<u64, Arc<LogFile>>,
    pub(crate) packs: BTreeMap<u64, Arc<LogFile>>,
    /// Empty segments that the manifest knows already, oldest first.
    pub(crate) prepared: VecDeque<Arc<LogFile>>,
    /// Paths of files of the right length that wait to become segments.
    pub(crate) spares: Vec<String>,
}

impl Files {
    /// Takes the prepared segment that is best to write to.
    pub(crate) fn take_prepared(&mut self) -> Option<Arc<LogFile>> {
        let zeroed = self.prepared.iter().position(|file| !file.facts.lock().unwritten);
        self.prepared.remove(zeroed.unwrap_or(0))
    }
}

/// How far the making of the next segment is.
#[derive(Debug, Default)]
pub(crate) struct Zeroing {
    pub(crate) unfinished: Option<Unfinished>,
    /// What this round of maintenance may still write.
    pub(crate) budget: u64,
}

/// A file that is not zeros up to its end yet.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) path: String,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) position: u64,
}

/// How far one shard has been written and saved.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ShardFacts {
    /// The last entry whose effect is in a checkpoint.
    pub(crate) checkpoint: LogIndex,
    pub(crate) last: LogIndex,
    /// The last that ever was, void or not.
    pub(crate) newest: LogIndex,
    /// The count of written bytes when the first entry after the checkpoint was written.
    pub(crate) unsaved_since: Option<u64>,
    /// The file of the checkpoint is not what was written: the same may be saved again.
    pub(crate) checkpoint_has_rotted: bool,
}

impl ShardFacts {
    /// Learns of the entry `index`, durable when `written_bytes` were.
    pub(crate) fn written(&mut self, index: LogIndex, written_bytes: u64) {
        self.last = self.last.max(index);
        self.newest = self.newest.max(index);
        if self.last > self.checkpoint {
            self.unsaved_since.get_or_insert(written_bytes);
        }
    }

    /// Learns that entries are void.
    pub(crate) fn truncated(&mut self, from: LogIndex) {
        self.last = self.last.min(LogIndex(from.0.saturating_sub(1)));
    }

    /// Learns of a checkpoint.
    pub(crate) fn saved(&mut self, index: LogIndex, written_bytes: u64) {
        self.checkpoint = self.checkpoint.max(index);
        self.checkpoint_has_rotted = false;
        self.unsaved_since = (self.last > self.checkpoint).then_some(written_bytes);
    }
}

/// Bytes that can still be written, each as last seen.
#[derive(Debug, Default)]
pub(crate) struct Space {
    /// What the disk has free.
    pub(crate) disk: AtomicU64,
    /// What is left of the segment that is written.
    pub(crate) active: AtomicU64,
    /// What empty segments have, prepared and spare.
    pub(crate) empty: AtomicU64,
}

/// What was done since the log was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) payload_bytes: AtomicU64,
    pub(crate) written_bytes: AtomicU64,
    pub(crate) blocks: AtomicU64,
    pub(crate) entries: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) cold_reads: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, value: u64) {
        counter.fetch_add(value, Ordering::Relaxed);
    }
}

impl Shared {
    /// Says what there is room for (I13).
    pub(crate) fn room(&self) -> Room {
        let [disk, active, empty] =
            [&self.space.disk, &self.space.active, &self.space.empty].map(|bytes| bytes.load(Ordering::Relaxed));
        let ahead = active.saturating_add(empty);
        if ahead.saturating_add(disk) >= self.config.reserve_bytes {
            return Room::Plenty;
        }
        // An entry without batches takes a page or a few.
        let small_bytes = self.config.segment_bytes / 64;
        if ahead > small_bytes || disk > self.config.segment_bytes { Room::ReserveOnly } else { Room::None }
    }

    /// Asks the disk how much is free.
    pub(crate) fn refresh_space(&self) {
        let files = self.files.lock();
        let empty = (files.prepared.len() + files.spares.len()) as u64 * self.config.segment_bytes;
        drop(files);
        self.space.empty.store(empty, Ordering::Relaxed);
        match self.disk.free_bytes() {
            Ok(free) => self.space.disk.store(free, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "cannot ask the disk how much is free"),
        }
    }

    /// Notes that a write or sync failed: from now on nothing is acknowledged (I10).
    pub(crate) fn fail(&self, error: io::Error) -> WriteFailed {
        let failed = self.failure.get_or_init(|| {
            tracing::error!(%error, "writing the log failed, nothing is acknowledged any more");
            WriteFailed { source: Arc::new(error) }
        });
        failed.clone()
    }

    /// Passes a result on; one that says a write failed ends all acknowledging (I10), except
    /// for want of room.
    pub(crate) fn watch<T>(&self, result: Result<T, LogError>) -> Result<T, LogError> {
        match result {
            Err(LogError::Io { action: Action::Write | Action::Name, source, .. })
                if source.kind() != io::ErrorKind::StorageFull =>
            {
                Err(self.fail(source).into())
            }
            result => result,
        }
    }

    pub(crate) fn check_failure(&self) -> Result<(), LogError> {
        self.failure.get().map_or(Ok(()), |failed| Err(failed.clone().into()))
    }

    /// Bytes that would have to be read again after a crash.
    pub(crate) fn unsaved_bytes(&self) -> u64 {
        let shards = self.shards.lock();
        let oldest = shards.values().filter_map(|shard| shard.unsaved_since).min();
        drop(shards);
        let written = self.counters.written_bytes.load(Ordering::Relaxed);
        oldest.map_or(0, |oldest| written.saturating_sub(oldest))
    }
}
