//! Reads a segment block by block, up to the first that is not sound, and looks beyond it.

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use omnibus_io::DiskFile;

use crate::block::{BlockHeader, Frame, HEADER_BYTES, decode_meta};
use crate::buffer::{PAGE_BYTES, pages_of};
use crate::file::read_pages;
use crate::row::Reference;

const WINDOW_BYTES: u64 = 2 << 20;
const PAGE: u64 = PAGE_BYTES as u64;

/// What the next block must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) log: u64,
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    /// The header checksum of the block before, if that block was seen.
    pub(crate) previous_crc: Option<u32>,
}

/// A sound block.
#[derive(Debug)]
pub(crate) struct SoundBlock<'block> {
    pub(crate) position: u64,
    pub(crate) header: BlockHeader,
    pub(crate) header_crc: u32,
    pub(crate) frames: Vec<Frame<'block>>,
}

/// A header found beyond the first unsound block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeaderFound {
    pub(crate) position: u64,
    pub(crate) header: BlockHeader,
}

impl HeaderFound {
    pub(crate) fn end(&self) -> u64 {
        self.position + u64::from(self.header.block_bytes)
    }
}

/// A segment seen through a window that moves forward.
#[derive(Debug)]
pub(crate) struct Scanner<'file> {
    file: &'file dyn DiskFile,
    window: Bytes,
    window_start: u64,
}

impl<'file> Scanner<'file> {
    pub(crate) fn new(file: &'file dyn DiskFile) -> Self {
        Self { file, window: Bytes::new(), window_start: 0 }
    }

    /// Hands sound blocks to `visit`, from `position` on; returns where they end.
    pub(crate) fn visit(
        &mut self,
        position: u64,
        expected: &mut Expected,
        mut visit: impl FnMut(&SoundBlock<'_>),
    ) -> io::Result<u64> {
        let mut position = position;
        while let Some(bytes) = self.block(position, expected)? {
            let Some(block) = sound(&bytes, position) else { break };
            visit(&block);
            position += bytes.len() as u64;
            expected.seq += 1;
            expected.previous_crc = Some(block.header_crc);
        }
        Ok(position)
    }

    /// Hands the block at `position` to `look`, if it is the expected one and sound.
    pub(crate) fn first<T>(
        &mut self,
        position: u64,
        expected: &Expected,
        look: impl FnOnce(&SoundBlock<'_>) -> T,
    ) -> io::Result<Option<T>> {
        let Some(bytes) = self.block(position, expected)? else { return Ok(None) };
        Ok(sound(&bytes, position).map(|block| look(&block)))
    }

    /// Returns the bytes of the block at `position`, if its header is the expected one.
    fn block(&mut self, position: u64, expected: &Expected) -> io::Result<Option<Bytes>> {
        let first = self.bytes(position, PAGE)?;
        let Some((header, _)) = BlockHeader::decode(&first) else { return Ok(None) };
        let link = header.link;
        let follows = expected.previous_crc.is_none_or(|crc| crc == link.previous_crc);
        if (link.log, link.epoch, link.seq) != (expected.log, expected.epoch, expected.seq) || !follows {
            return Ok(None);
        }
        let length = u64::from(header.block_bytes);
        let bytes = self.bytes(position, length)?;
        Ok((bytes.len() as u64 == length).then_some(bytes))
    }

    /// Returns the headers of later blocks of the same segment, in order, stopping when
    /// `enough` says so.
    pub(crate) fn headers_beyond(
        &mut self,
        position: u64,
        expected: &Expected,
        mut enough: impl FnMut(&HeaderFound) -> bool,
    ) -> io::Result<Vec<HeaderFound>> {
        let mut found = Vec::new();
        let mut position = position;
        loop {
            let page = self.bytes(position, PAGE)?;
            if page.len() < HEADER_BYTES {
                return Ok(found);
            }
            if let Some((header, _)) = BlockHeader::decode(&page)
                && (header.link.log, header.link.epoch) == (expected.log, expected.epoch)
                && header.link.seq >= expected.seq
            {
                found.push(HeaderFound { position, header });
                if enough(&found[found.len() - 1]) {
                    return Ok(found);
                }
            }
            position += PAGE;
        }
    }

    /// Returns up to `bytes` at a page, fewer where the file ends.
    fn bytes(&mut self, position: u64, bytes: u64) -> io::Result<Bytes> {
        let window_end = self.window_start + self.window.len() as u64;
        if position < self.window_start || position + bytes > window_end {
            self.window = read_pages(self.file, position, pages_of(bytes).max(WINDOW_BYTES))?;
            self.window_start = position;
        }
        let from = usize::try_from(position - self.window_start).map_err(io::Error::other)?;
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        let to = self.window.len().min(from + length);
        Ok(self.window.slice(from..to))
    }
}

/// Checks every checksum of a block whose header is sound.
pub(crate) fn sound(bytes: &[u8], position: u64) -> Option<SoundBlock<'_>> {
    let (header, header_crc) = BlockHeader::decode(bytes)?;
    let frames = frames_of(&header, bytes)?;
    let mut next = position + header.payload_start();
    for frame in &frames {
        next = payloads_end(bytes, (position, next), frame)?;
    }
    (next == position + header.payload_start() + u64::from(header.payload_bytes)).then_some(SoundBlock {
        position,
        header,
        header_crc,
        frames,
    })
}

/// Reads the meta area of a block whose header is sound.
pub(crate) fn frames_of<'block>(header: &BlockHeader, bytes: &'block [u8]) -> Option<Vec<Frame<'block>>> {
    let meta_end = HEADER_BYTES.checked_add(header.meta_bytes as usize)?;
    decode_meta(header, bytes.get(HEADER_BYTES..meta_end)?)
}

/// Checks the payloads of a frame, which begin at `start` in the block at `position`; returns
/// where they end.
fn payloads_end(bytes: &[u8], (position, start): (u64, u64), frame: &Frame<'_>) -> Option<u64> {
    let mut next = start + frame.bodies_bytes;
    let bodies = start..next;
    // A body is looked at once, however many share it.
    let mut seen = BTreeSet::new();
    for (_, row) in &frame.rows {
        let stored = part(bytes, position, u64::from(row.position), row.stored_bytes())?;
        if u64::from(row.position) != next || !row.is_sound(stored) {
            return None;
        }
        if let Some(sharing) = row.shares() {
            let reference = Reference::decode(stored)?;
            let body = u64::from(reference.body_of(row)?);
            let is_inside = bodies.contains(&body) && body + u64::from(sharing.body_bytes) <= bodies.end;
            let is_new = seen.insert((body, sharing.body_bytes, reference.crc));
            if !is_inside || is_new && crc32c::crc32c(part(bytes, position, body, sharing.body_bytes)?) != reference.crc
            {
                return None;
            }
        }
        next += u64::from(row.stored_bytes());
    }
    let is_used = frame.bodies_bytes == 0 || !seen.is_empty();
    is_used.then_some(next)
}

/// A part of the block at `position`, by its place in the file.
fn part(bytes: &[u8], position: u64, from: u64, length: u32) -> Option<&[u8]> {
    let start = usize::try_from(from.checked_sub(position)?).ok()?;
    bytes.get(start..start.checked_add(length as usize)?)
}
