//! The entries that the caller must apply again, read from the disk as they are asked for.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_model::{LogIndex, ShardId, Term};

use crate::block::BlockHeader;
use crate::entry::ReplayEntry;
use crate::error::{Action, LogError};
use crate::file::{FileKey, LogFile, read_pages};
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
            let (shard, index) = (frame.shard, frame.index);
            if self.checkpoints.get(&shard).is_none_or(|checkpoint| index > *checkpoint) {
                self.ready.push_back(entry(shard, frame.term, index, &frame));
            }
        }
        Ok(())
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

fn entry(shard: ShardId, term: Term, index: LogIndex, frame: &crate::block::Frame<'_>) -> ReplayEntry {
    let batches = frame.rows.iter().map(|(stream, row)| (*stream, row.base, row.count())).collect();
    ReplayEntry { shard, term, index, head: Bytes::copy_from_slice(frame.head), batches }
}
