//! The entries that the caller must apply again, read from the disk as they are asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_model::{LogIndex, ShardId};

use crate::block::{BlockHeader, Frame};
use crate::entry::{EntryKind, ReplayEntry};
use crate::error::{Action, LogError};
use crate::file::{FileKey, LogFile, read_pages};
use crate::kept::{Kept, Place};
use crate::scan::frames_of;

/// What is read at a time of blocks that lie close together.
const WINDOW_BYTES: u64 = 1 << 20;

/// Payloads up to this length are read rather than skipped: that takes less than a second read.
const SKIPPED_BYTES_MIN: u64 = 64 << 10;

/// The entries after each shard's checkpoint, in the order of the log.
#[derive(Debug)]
pub struct Replay {
    /// Blocks with such entries: where they are and how long without their payloads.
    pub(crate) blocks: VecDeque<ReplayBlock>,
    pub(crate) checkpoints: BTreeMap<ShardId, LogIndex>,
    /// If some entries of replicated shards are void: those shards, and their valid entries.
    pub(crate) valid: Option<(BTreeSet<ShardId>, Kept)>,
    pub(crate) ready: VecDeque<ReplayEntry>,
    pub(crate) window: Window,
}

/// A part of a segment that was read last.
#[derive(Debug, Default)]
pub(crate) struct Window {
    file: Option<FileKey>,
    position: u64,
    bytes: Bytes,
}

/// A block that was checked when the log was opened.
#[derive(Debug)]
pub(crate) struct ReplayBlock {
    pub(crate) file: Arc<LogFile>,
    pub(crate) position: u64,
    pub(crate) bytes: u64,
}

impl Iterator for Replay {
    type Item = Result<ReplayEntry, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            let block = self.blocks.pop_front()?;
            if let Err(source) = self.read(&block) {
                self.blocks.clear();
                return Some(Err(LogError::Io { action: Action::Read, path: block.file.path.clone(), source }));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

impl Replay {
    fn read(&mut self, block: &ReplayBlock) -> io::Result<()> {
        let bytes = self.bytes(block)?;
        let frames = BlockHeader::decode(&bytes).and_then(|(header, _)| frames_of(&header, &bytes));
        // It was sound a moment ago.
        let frames = frames.ok_or(io::ErrorKind::InvalidData)?;
        for frame in frames {
            let Some(kind) = frame.entry_kind() else { continue };
            let is_new = self.checkpoints.get(&frame.shard).is_none_or(|checkpoint| frame.index > *checkpoint);
            if is_new && self.is_valid(block, &frame) {
                self.ready.push_back(entry(kind, &frame));
            }
        }
        Ok(())
    }

    fn is_valid(&self, block: &ReplayBlock, frame: &Frame<'_>) -> bool {
        let Some((replicated, valid)) = &self.valid else { return true };
        let here = Place { term: frame.term, segment: block.file.number, block: block.position };
        !replicated.contains(&frame.shard) || valid.place(frame.shard, frame.index) == Some(here)
    }

    /// Returns a block without its payloads, reading those behind it too if they are near.
    fn bytes(&mut self, block: &ReplayBlock) -> io::Result<Bytes> {
        if let Some(found) = self.window.get(block) {
            return Ok(found);
        }
        let mut end = block.position + block.bytes;
        for next in &self.blocks {
            let next_end = next.position + next.bytes;
            let near = next.file.key() == block.file.key() && next.position < end + SKIPPED_BYTES_MIN;
            if !near || next_end - block.position > WINDOW_BYTES {
                break;
            }
            end = next_end;
        }
        let bytes = read_pages(block.file.handle.as_ref(), block.position, end - block.position)?;
        self.window = Window { file: Some(block.file.key()), position: block.position, bytes };
        self.window.get(block).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Window {
    fn get(&self, block: &ReplayBlock) -> Option<Bytes> {
        let from = usize::try_from(block.position.checked_sub(self.position)?).ok()?;
        let to = from.checked_add(usize::try_from(block.bytes).ok()?)?;
        (self.file == Some(block.file.key()) && to <= self.bytes.len()).then(|| self.bytes.slice(from..to))
    }
}

fn entry(kind: EntryKind, frame: &Frame<'_>) -> ReplayEntry {
    let batches = frame.rows.iter().map(|(stream, row)| (*stream, row.base, row.count())).collect();
    let Frame { shard, term, index, .. } = *frame;
    ReplayEntry { shard, term, index, kind, head: Bytes::copy_from_slice(frame.head), batches }
}
