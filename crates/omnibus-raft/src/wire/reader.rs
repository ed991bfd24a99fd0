//! Takes a message apart. Nothing that comes from outside can make it fail otherwise than by
//! saying that there is no more.

use bytes::Bytes;
use omnibus_log::{EntryId, Vote};
use omnibus_model::{LogIndex, Term};

/// What is left of a message.
pub(super) struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = self.bytes.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_le_bytes)
    }

    /// Only 0 and 1 are answers to yes or no.
    pub(super) fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    pub(super) fn length(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    /// A count of things that take at least so many bytes each, which must be there.
    pub(super) fn count(&mut self, bytes_each: usize) -> Option<usize> {
        let count = self.length()?;
        (count <= self.left() / bytes_each).then_some(count)
    }

    pub(super) fn vote(&mut self) -> Option<Vote> {
        Some(Vote { term: Term(self.u64()?), node: self.u64()?, granted: self.bool()? })
    }

    pub(super) fn id(&mut self) -> Option<EntryId> {
        Some(EntryId { term: Term(self.u64()?), index: LogIndex(self.u64()?) })
    }

    /// A part of the message as it lies there.
    pub(super) fn part(&mut self, bytes: usize) -> Option<Bytes> {
        if bytes > self.left() {
            return None;
        }
        let part = self.bytes.slice(self.at..self.at + bytes);
        self.at += bytes;
        Some(part)
    }
}
