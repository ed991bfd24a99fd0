//! One line of the index: where a batch lies in its stream and in its file.

use omnibus_model::{Offset, Timestamp};

use crate::cursor::Cursor;
use crate::entry::BatchPosition;

/// The length of an encoded row.
pub(crate) const ROW_BYTES: usize = 32;

/// Where one batch lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) base: Offset,
    pub(crate) timestamp_max: Timestamp,
    pub(crate) count: u32,
    pub(crate) position: u32,
    pub(crate) bytes: u32,
    /// The checksum of the payload.
    pub(crate) crc: u32,
}

impl Row {
    pub(crate) fn end(&self) -> Offset {
        self.base.plus(u64::from(self.count))
    }

    pub(crate) fn batch_position(&self) -> BatchPosition {
        BatchPosition { base: self.base, count: self.count, timestamp_max: self.timestamp_max }
    }

    pub(crate) fn encode(&self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        bytes[..8].copy_from_slice(&self.base.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.timestamp_max.0.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.count.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.position.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[28..].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (base, timestamp_max) = (Offset(cursor.u64()?), Timestamp(cursor.i64()?));
        let (count, position) = (cursor.u32()?, cursor.u32()?);
        let (bytes, crc) = (cursor.u32()?, cursor.u32()?);
        base.0.checked_add(u64::from(count))?;
        position.checked_add(bytes)?;
        Some(Self { base, timestamp_max, count, position, bytes, crc })
    }
}
