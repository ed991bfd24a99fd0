//! The entries that the caller must apply again, read from the disk as they are asked for.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_model::{LogIndex, ShardId, Term};

use crate::block::BlockHeader;
use crate::entry::ReplayEntry;
use crate::error::{Action, LogError};
use crate::file::{LogFile, read_pages};
use crate::scan::frames_of;

/// The entries after each shard's checkpoint, in the order of the log.
#[derive(Debug)]
pub struct Replay {
    /// Blocks with such entries: where they are and how long without their payloads.
    pub(crate) blocks: VecDeque<ReplayBlock>,
    pub(crate) checkpoints: BTreeMap<ShardId, LogIndex>,
    pub(crate) ready: VecDeque<ReplayEntry>,
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
        let bytes = read_pages(block.file.handle.as_ref(), block.position, block.bytes)?;
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
}

fn entry(shard: ShardId, term: Term, index: LogIndex, frame: &crate::block::Frame<'_>) -> ReplayEntry {
    let batches = frame.rows.iter().map(|(stream, row)| (*stream, row.base, row.count)).collect();
    ReplayEntry { shard, term, index, head: Bytes::copy_from_slice(frame.head), batches }
}
