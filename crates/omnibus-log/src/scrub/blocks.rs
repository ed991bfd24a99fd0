//! The blocks of a segment, as far as they were durable when it was opened.

use std::ops::Range;
use std::sync::Arc;

use omnibus_io::DiskFile;

use super::rows::RowsPass;
use super::{At, PAGE, Rot, STEP_BYTES, Scrubbed, Stepped, bare, gravity, leave, lives, rot_of};
use crate::block::BlockHeader;
use crate::file::{LogFile, read_pages};
use crate::maintain::is_needed;
use crate::manifest::Blocks;
use crate::scan::{Expected, Scanner};
use crate::shared::Shared;

/// A segment that is being read.
#[derive(Debug)]
pub(super) struct BlocksPass {
    file: Arc<LogFile>,
    handle: Arc<dyn DiskFile>,
    position: u64,
    end: u64,
    expected: Expected,
}

impl BlocksPass {
    /// None if the segment has no block.
    pub(super) fn begin(shared: &Shared, file: Arc<LogFile>) -> Option<Self> {
        let blocks = shared.manifest.lock().list.segments.get(&file.number).copied();
        let (Blocks::From(seq) | Blocks::Range { first: seq, .. }) = blocks? else { return None };
        let end = file.facts.lock().data_end;
        let expected = Expected { log: shared.identity, epoch: file.number, seq, previous_crc: None };
        let handle = bare(shared, &file);
        (end > 0).then_some(Self { file, handle, position: 0, end, expected })
    }

    pub(super) fn step(mut self, shared: &Shared) -> Stepped {
        let handle = Arc::clone(&self.handle);
        let mut scanner = Scanner::new(handle.as_ref());
        let began = self.position;
        let mut scrubbed = Scrubbed::default();
        while self.position < self.end && self.position - began < STEP_BYTES {
            let sound = scanner
                .first(self.position, &self.expected, |block| (u64::from(block.header.block_bytes), block.header_crc));
            match sound {
                Ok(Some((bytes, crc))) => {
                    self.position += bytes;
                    self.expected.seq += 1;
                    self.expected.previous_crc = Some(crc);
                }
                Ok(None) => scrubbed.rot.push(self.skip(shared, &mut scanner)),
                Err(error) => scrubbed.rot.push(self.give_up(shared, &error)),
            }
        }
        scrubbed.bytes = self.position - began;
        let next = if self.position < self.end { Some(At::Blocks(self)) } else { self.index(shared) };
        (scrubbed, next)
    }

    /// The index is read next, if there is one.
    fn index(self, shared: &Shared) -> Option<At> {
        let is_sealed = self.file.facts.lock().footer.is_some();
        is_sealed.then(|| At::Rows(RowsPass::begin(shared, self.file)))
    }

    /// Goes on behind a block that is not sound.
    fn skip(&mut self, shared: &Shared, scanner: &mut Scanner<'_>) -> Rot {
        let (from, seq) = (self.position, self.expected.seq);
        let (next, next_seq) = self.behind(scanner).unwrap_or((self.end, seq + 1));
        self.position = next.min(self.end);
        self.expected = Expected { seq: next_seq, previous_crc: None, ..self.expected };
        let mut found = self.describe(shared, from..self.position, "a block is not sound");
        found.damage.block_seq = Some(seq);
        found
    }

    /// Where the next block begins that has a header, and its number.
    fn behind(&self, scanner: &mut Scanner<'_>) -> Option<(u64, u64)> {
        let own = read_pages(self.handle.as_ref(), self.position, PAGE).ok()?;
        if let Some((header, _)) = BlockHeader::decode(&own)
            && (header.link.log, header.link.epoch) == (self.expected.log, self.expected.epoch)
            && header.link.seq == self.expected.seq
        {
            return Some((self.position + u64::from(header.block_bytes), self.expected.seq + 1));
        }
        let later = Expected { seq: self.expected.seq + 1, ..self.expected };
        let found = scanner.headers_beyond(self.position + PAGE, &later, |_| true).ok()?;
        found.first().map(|found| (found.position, found.header.link.seq))
    }

    /// The disk gives no more of it, at least not in one piece.
    fn give_up(&mut self, shared: &Shared, error: &std::io::Error) -> Rot {
        tracing::warn!(path = self.file.path, position = self.position, %error, "the disk does not give what it holds");
        let from = std::mem::replace(&mut self.position, self.end);
        self.describe(shared, from..self.end, "the disk does not give it")
    }

    fn describe(&self, shared: &Shared, places: Range<u64>, what: &'static str) -> Rot {
        leave(&self.file);
        let (affected, bytes) = lives::unsound(shared, (&self.file, self.handle.as_ref()), &places);
        // Entries that a start repeats, or a replica may ask for, are not kept elsewhere on this disk.
        let is_lost = !affected.is_empty() || is_needed(shared, &self.file);
        rot_of(&self.file.path, places.start, what, (gravity(is_lost), affected, bytes))
    }
}
