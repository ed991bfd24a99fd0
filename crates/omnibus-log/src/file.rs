//! A segment or a pack, and what is known of it in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use omnibus_io::DiskFile;
use omnibus_model::{LogIndex, ShardId, StreamId};
use parking_lot::Mutex;

use crate::buffer::{AlignedBuffer, PAGE_BYTES, pages_of};

/// What kind of file holds batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Segment,
    Pack,
}

impl FileKind {
    pub(crate) const fn directory(self) -> &'static str {
        match self {
            Self::Segment => "wal",
            Self::Pack => "pack",
        }
    }

    pub(crate) fn path(self, number: u64) -> String {
        match self {
            Self::Segment => format!("wal/{number:010}.seg"),
            Self::Pack => format!("pack/{number:010}.pk"),
        }
    }
}

/// A file of batches. Whoever may read it holds it: it is removed or recycled only when
/// the table of files is the last to do so (I6).
#[derive(Debug)]
pub(crate) struct LogFile {
    pub(crate) kind: FileKind,
    pub(crate) number: u64,
    pub(crate) path: String,
    pub(crate) handle: Arc<dyn DiskFile>,
    /// Payload bytes that a stream still wants, about.
    pub(crate) live_bytes: AtomicU64,
    /// Entries in it that are durable but not published.
    pub(crate) unpublished: AtomicU64,
    pub(crate) facts: Mutex<FileFacts>,
}

/// What is learned of a file while it is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileFacts {
    /// Where its blocks or payloads end.
    pub(crate) data_end: u64,
    /// What of it are bodies that rows share, dead or alive.
    pub(crate) bodies_bytes: u64,
    /// No block will be added.
    pub(crate) closed: bool,
    /// Streams that have rows of this file in memory.
    pub(crate) touched: Vec<StreamId>,
    /// The first and last entry of each shard in it.
    pub(crate) shards: BTreeMap<ShardId, (LogIndex, LogIndex)>,
    /// The last block's number and header checksum.
    pub(crate) last_block: Option<(u64, u32)>,
    pub(crate) footer: Option<FooterPlace>,
    /// The disk gave room for it, but nothing was written there yet: writing is slower.
    pub(crate) unwritten: bool,
    /// Something in it could not be read, so it stays as it is.
    pub(crate) damaged: bool,
    /// Something in it has rotted: what lives is to go elsewhere, however much that is.
    pub(crate) rotten: bool,
}

/// Where the index of a sealed file lies in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FooterPlace {
    pub(crate) rows_position: u64,
    pub(crate) row_count: u32,
}

impl LogFile {
    pub(crate) fn new(kind: FileKind, number: u64, handle: Arc<dyn DiskFile>, facts: FileFacts) -> Arc<Self> {
        Arc::new(Self {
            kind,
            number,
            path: kind.path(number),
            handle,
            live_bytes: AtomicU64::new(0),
            unpublished: AtomicU64::new(0),
            facts: Mutex::new(facts),
        })
    }

    /// Remembers which entries it has.
    pub(crate) fn note_entry(&self, shard: ShardId, index: LogIndex) {
        let mut facts = self.facts.lock();
        let range = facts.shards.entry(shard).or_insert((index, index));
        range.1 = range.1.max(index);
    }

    /// The file's name among all files that ever were; what a cache may remember it by.
    pub(crate) fn key(&self) -> FileKey {
        FileKey(self.kind, self.number)
    }

    pub(crate) fn add_live(&self, bytes: u64) {
        self.live_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn remove_live(&self, bytes: u64) {
        let before = self.live_bytes.fetch_sub(bytes, Ordering::Relaxed);
        assert!(before >= bytes, "{}: more bytes died than lived", self.path);
    }

    pub(crate) fn live(&self) -> u64 {
        self.live_bytes.load(Ordering::Relaxed)
    }
}

/// The name of a file; numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileKey(pub(crate) FileKind, pub(crate) u64);

/// Reads whole pages, at most to the file's end.
pub(crate) fn read_pages(handle: &dyn DiskFile, position: u64, bytes: u64) -> io::Result<Bytes> {
    assert!(position.is_multiple_of(PAGE_BYTES as u64), "a read does not begin on a page");
    let length = usize::try_from(pages_of(bytes)).map_err(io::Error::other)?;
    let mut buffer = AlignedBuffer::to_fill(length);
    let filled = handle.read_at(buffer.as_mut_slice(), position)?;
    buffer.truncate(filled);
    Ok(buffer.freeze())
}
