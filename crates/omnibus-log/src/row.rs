//! One line of the index: where a batch lies in its stream and in its file.
//!
//! Most rows have a payload of their own, in one piece. A row may also have only a beginning of
//! its own, behind a [`Reference`] to a body that it shares with other rows of the file (ADR 0018).
//! Both take the same 32 bytes.

use bytes::Bytes;
use omnibus_model::{Offset, Timestamp};

use crate::cursor::Cursor;
use crate::entry::{BatchPosition, REFERENCE_BYTES};

/// The length of an encoded row.
pub(crate) const ROW_BYTES: usize = 32;

const REFERENCE_LENGTH: u32 = 8;
const _: () = assert!(REFERENCE_LENGTH as usize == REFERENCE_BYTES, "both are the length of a reference");

/// Says of a row that it shares a body; it has one offset then.
const SHARES: u32 = 1 << 31;

/// Where one batch lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) base: Offset,
    pub(crate) timestamp_max: Timestamp,
    /// The number of offsets, or [`SHARES`] and the length of the body.
    span: u32,
    pub(crate) position: u32,
    /// The payload's length; if the row shares a body, what lies at its position, and in the
    /// upper half how many share.
    length: u32,
    /// The checksum of what lies at its position.
    pub(crate) crc: u32,
}

/// A part of a row's payload that other rows have, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sharing {
    pub(crate) body_bytes: u32,
    /// How many rows of the file there are that share it, or were when it was written.
    pub(crate) sharers: u32,
}

impl Row {
    /// A row with a payload of its own.
    pub(crate) fn whole(batch: BatchPosition, bytes: u32, crc: u32) -> Self {
        let BatchPosition { base, count, timestamp_max } = batch;
        assert!(count < SHARES, "a batch has fewer than 2^31 offsets");
        Self { base, timestamp_max, span: count, position: 0, length: bytes, crc }
    }

    /// A row of one offset that has `stored_bytes` of its own and shares the rest.
    pub(crate) fn sharing(batch: BatchPosition, stored_bytes: usize, sharing: Sharing, crc: u32) -> Self {
        let BatchPosition { base, count, timestamp_max } = batch;
        assert_eq!(count, 1, "a batch that shares its body is of one record");
        assert!(0 < sharing.body_bytes && sharing.body_bytes < SHARES, "a shared body is shorter than 2 GiB");
        let stored_bytes = u16::try_from(stored_bytes).expect("what a row has of its own is short");
        let span = SHARES | sharing.body_bytes;
        let row = Self { base, timestamp_max, span, position: 0, length: u32::from(stored_bytes), crc };
        row.shared_by(sharing.sharers)
    }

    /// The same row, elsewhere.
    pub(crate) fn at(self, position: u32) -> Self {
        Self { position, ..self }
    }

    /// The same row, with another number of those that share its body.
    pub(crate) fn shared_by(self, sharers: u32) -> Self {
        let sharers = u16::try_from(sharers).unwrap_or(u16::MAX).max(1);
        Self { length: self.length & 0xffff | u32::from(sharers) << 16, ..self }
    }

    /// What it shares with other rows.
    pub(crate) const fn shares(&self) -> Option<Sharing> {
        if self.span & SHARES == 0 {
            return None;
        }
        Some(Sharing { body_bytes: self.span & !SHARES, sharers: self.length >> 16 })
    }

    pub(crate) const fn count(&self) -> u32 {
        if self.span & SHARES == 0 { self.span } else { 1 }
    }

    /// How many bytes lie at its position.
    pub(crate) const fn stored_bytes(&self) -> u32 {
        if self.span & SHARES == 0 { self.length } else { self.length & 0xffff }
    }

    /// How many bytes a reader gets.
    pub(crate) const fn bytes(&self) -> u32 {
        match self.shares() {
            None => self.length,
            Some(sharing) => self.stored_bytes() - REFERENCE_LENGTH + sharing.body_bytes,
        }
    }

    /// How many bytes of its file live for its sake: of what it shares, its part.
    pub(crate) const fn weight(&self) -> u32 {
        match self.shares() {
            None => self.length,
            Some(sharing) => self.stored_bytes() + sharing.body_bytes / sharing.sharers,
        }
    }

    pub(crate) fn end(&self) -> Offset {
        self.base.plus(u64::from(self.count()))
    }

    pub(crate) fn batch_position(&self) -> BatchPosition {
        BatchPosition { base: self.base, count: self.count(), timestamp_max: self.timestamp_max }
    }

    /// Whether `stored` is what was written at its position.
    pub(crate) fn is_sound(&self, stored: &[u8]) -> bool {
        stored.len() == self.stored_bytes() as usize && crc32c::crc32c(stored) == self.crc
    }

    pub(crate) fn encode(&self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        bytes[..8].copy_from_slice(&self.base.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.timestamp_max.0.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.span.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.position.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.length.to_le_bytes());
        bytes[28..].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (base, timestamp_max) = (Offset(cursor.u64()?), Timestamp(cursor.i64()?));
        let (span, position) = (cursor.u32()?, cursor.u32()?);
        let (length, crc) = (cursor.u32()?, cursor.u32()?);
        let row = Self { base, timestamp_max, span, position, length, crc };
        base.0.checked_add(u64::from(row.count()))?;
        position.checked_add(row.stored_bytes())?;
        let refers = row.stored_bytes() >= REFERENCE_LENGTH;
        row.shares().is_none_or(|sharing| refers && sharing.sharers > 0).then_some(row)
    }
}

/// Where the body lies that a row shares: the beginning of what lies at the row's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// From the body's first byte to the row's position.
    pub(crate) distance: u32,
    /// The checksum of the body.
    pub(crate) crc: u32,
}

impl Reference {
    pub(crate) fn encode(self) -> [u8; REFERENCE_BYTES] {
        let mut bytes = [0; REFERENCE_BYTES];
        bytes[..4].copy_from_slice(&self.distance.to_le_bytes());
        bytes[4..].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    /// Reads the reference of a row that shares a body, out of what lies at its position.
    pub(crate) fn decode(stored: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(stored);
        Some(Self { distance: cursor.u32()?, crc: cursor.u32()? })
    }

    /// The position of the body.
    pub(crate) fn body_of(self, row: &Row) -> Option<u32> {
        row.position.checked_sub(self.distance)
    }
}

/// What a row that shares a body has of its own.
#[derive(Debug)]
pub(crate) struct OwnPart {
    pub(crate) prefix: Bytes,
    /// Where in the file the body lies.
    pub(crate) body: u32,
    pub(crate) body_bytes: u32,
    pub(crate) body_crc: u32,
}

impl OwnPart {
    /// Reads what lies at the row's position; none if the row shares no body.
    pub(crate) fn of(row: &Row, stored: &Bytes) -> Option<Self> {
        let (sharing, reference) = (row.shares()?, Reference::decode(stored)?);
        let (body, body_bytes, body_crc) = (reference.body_of(row)?, sharing.body_bytes, reference.crc);
        Some(Self { prefix: stored.slice(REFERENCE_BYTES..), body, body_bytes, body_crc })
    }
}
