//! Reads the parts of a message; every step is checked against what is left.

use bytes::{Buf, Bytes};
use bytestring::ByteString;

use crate::error::InvalidBatch;
use crate::varint;

/// What has not been read.
#[derive(Debug)]
pub(super) struct Input {
    rest: Bytes,
}

const fn malformed(part: &'static str) -> InvalidBatch {
    InvalidBatch::MessageMalformed { part }
}

impl Input {
    pub(super) const fn new(rest: Bytes) -> Self {
        Self { rest }
    }

    pub(super) fn rest(self) -> Bytes {
        self.rest
    }

    /// Makes sure that nothing is left.
    pub(super) fn end(&self, part: &'static str) -> Result<(), InvalidBatch> {
        if self.rest.is_empty() { Ok(()) } else { Err(malformed(part)) }
    }

    pub(super) fn u8(&mut self, part: &'static str) -> Result<u8, InvalidBatch> {
        self.rest.try_get_u8().map_err(|_| malformed(part))
    }

    pub(super) fn u32(&mut self, part: &'static str) -> Result<u32, InvalidBatch> {
        self.rest.try_get_u32().map_err(|_| malformed(part))
    }

    pub(super) fn u64(&mut self, part: &'static str) -> Result<u64, InvalidBatch> {
        self.rest.try_get_u64().map_err(|_| malformed(part))
    }

    pub(super) fn u128(&mut self, part: &'static str) -> Result<u128, InvalidBatch> {
        self.rest.try_get_u128().map_err(|_| malformed(part))
    }

    pub(super) fn i64(&mut self, part: &'static str) -> Result<i64, InvalidBatch> {
        self.rest.try_get_i64().map_err(|_| malformed(part))
    }

    /// Takes a section off that stands behind its length.
    pub(super) fn section(&mut self, part: &'static str) -> Result<Self, InvalidBatch> {
        let length = usize::try_from(self.u32(part)?).map_err(|_| malformed(part))?;
        self.take(length, part).map(Self::new)
    }

    pub(super) fn bytes(&mut self, part: &'static str) -> Result<Bytes, InvalidBatch> {
        self.optional(part)?.ok_or(malformed(part))
    }

    pub(super) fn optional(&mut self, part: &'static str) -> Result<Option<Bytes>, InvalidBatch> {
        match self.varint(part)? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| malformed(part))?;
                self.take(length, part).map(Some)
            }
        }
    }

    pub(super) fn text(&mut self, part: &'static str) -> Result<ByteString, InvalidBatch> {
        ByteString::try_from(self.bytes(part)?).map_err(|_| malformed(part))
    }

    pub(super) fn optional_text(&mut self, part: &'static str) -> Result<Option<ByteString>, InvalidBatch> {
        let text = self.optional(part)?.map(ByteString::try_from).transpose();
        text.map_err(|_| malformed(part))
    }

    pub(super) fn list<T>(
        &mut self,
        part: &'static str,
        read: impl Fn(&mut Self) -> Result<T, InvalidBatch>,
    ) -> Result<Vec<T>, InvalidBatch> {
        let count = usize::try_from(self.varint(part)?).map_err(|_| malformed(part))?;
        // Each takes at least two bytes, so memory is paid for by bytes.
        if count > self.rest.len() / 2 {
            return Err(malformed(part));
        }
        (0..count).map(|_| read(self)).collect()
    }

    fn varint(&mut self, part: &'static str) -> Result<i64, InvalidBatch> {
        let mut rest: &[u8] = &self.rest;
        let value = varint::take(&mut rest).ok_or(malformed(part))?;
        let read = self.rest.len().saturating_sub(rest.len());
        self.take(read, part).map(|_| value)
    }

    fn take(&mut self, length: usize, part: &'static str) -> Result<Bytes, InvalidBatch> {
        if length > self.rest.len() {
            return Err(malformed(part));
        }
        Ok(self.rest.split_to(length))
    }
}
