//! The batch's header, 61 bytes before the records.

use bytes::{Buf, BufMut, Bytes};
use omnibus_model::{ProducerEpoch, ProducerId, ProducerStamp, RecordFormat};

use crate::codec::Codec;
use crate::error::InvalidBatch;

/// The bytes before the records.
pub const HEADER_BYTES: usize = 61;
/// Where the bytes begin that the checksum covers.
pub(crate) const CHECKED_FROM: usize = 21;
/// The base offset and the length itself, which the length does not count.
pub(crate) const LENGTH_EXCLUDES: usize = 12;
const MAGIC: i8 = 2;
/// Far from what Kafka may count up to.
pub(crate) const MESSAGE_MAGIC: i8 = 77;

const CODEC_MASK: i16 = 0x07;
const BROKER_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;

/// The fields before the records, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: i64,
    /// The bytes after this field.
    pub length: i32,
    pub leader_epoch: i32,
    pub magic: i8,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    /// −1 if the producer is not idempotent.
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub count: i32,
}

/// The header of whatever a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnyHeader {
    pub format: RecordFormat,
    pub header: BatchHeader,
}

/// One batch, its header read and its records still as they are.
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a> {
    pub header: BatchHeader,
    /// The records, compressed by the header's codec.
    pub records: &'a [u8],
    /// What the checksum covers.
    checked: &'a [u8],
}

impl BatchHeader {
    /// Reads the header of the batch that `bytes` begin with.
    ///
    /// # Errors
    /// If they are too few, or of another format.
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidBatch> {
        let read = Self::read_fields(bytes)?;
        match read.magic {
            MAGIC => Ok(read),
            magic @ (0 | 1) => Err(InvalidBatch::FormatOld { magic }),
            magic => Err(InvalidBatch::FormatUnknown { magic }),
        }
    }

    fn read_fields(bytes: &[u8]) -> Result<Self, InvalidBatch> {
        let mut header = bytes.get(..HEADER_BYTES).ok_or(InvalidBatch::TooShort { bytes: bytes.len() })?;
        Ok(Self {
            base_offset: header.get_i64(),
            length: header.get_i32(),
            leader_epoch: header.get_i32(),
            magic: header.get_i8(),
            crc: header.get_u32(),
            attributes: header.get_i16(),
            last_offset_delta: header.get_i32(),
            base_timestamp: header.get_i64(),
            max_timestamp: header.get_i64(),
            producer_id: header.get_i64(),
            producer_epoch: header.get_i16(),
            base_sequence: header.get_i32(),
            count: header.get_i32(),
        })
    }

    /// Returns the bytes of the whole batch, as its length field has it.
    #[must_use]
    pub fn batch_bytes(&self) -> u64 {
        u64::try_from(self.length).unwrap_or(0).saturating_add(LENGTH_EXCLUDES as u64)
    }

    /// Returns how the records are compressed.
    ///
    /// # Errors
    /// [`InvalidBatch::CodecUnknown`].
    pub const fn codec(&self) -> Result<Codec, InvalidBatch> {
        match self.attributes & CODEC_MASK {
            0 => Ok(Codec::None),
            1 => Ok(Codec::Gzip),
            2 => Ok(Codec::Snappy),
            3 => Ok(Codec::Lz4),
            4 => Ok(Codec::Zstd),
            number => Err(InvalidBatch::CodecUnknown { number }),
        }
    }

    /// Whether all records have the time the broker got them, which is `max_timestamp`.
    #[must_use]
    pub const fn has_broker_time(&self) -> bool {
        self.attributes & BROKER_TIME != 0
    }

    /// Whether the batch belongs to a transaction.
    #[must_use]
    pub const fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch holds a marker of the broker's instead of records.
    #[must_use]
    pub const fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Returns the last offset the batch takes up.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// Returns the mark of an idempotent producer.
    #[must_use]
    pub fn producer(&self) -> Option<ProducerStamp> {
        Some(ProducerStamp {
            id: ProducerId(u64::try_from(self.producer_id).ok()?),
            epoch: ProducerEpoch(u16::try_from(self.producer_epoch).ok()?),
            sequence_first: u32::try_from(self.base_sequence).ok()?,
        })
    }

    /// Returns the timestamp of the record that is `delta` from the first.
    pub(crate) fn timestamp(&self, delta: i64) -> i64 {
        if self.has_broker_time() { self.max_timestamp } else { self.base_timestamp.wrapping_add(delta) }
    }

    pub(crate) fn set_codec(&mut self, codec: Codec) {
        self.attributes = (self.attributes & !CODEC_MASK) | codec.number();
    }

    pub(crate) fn set_broker_time(&mut self, time: i64) {
        self.attributes |= BROKER_TIME;
        self.max_timestamp = time;
    }

    /// Returns a whole batch of these fields; length and checksum are computed.
    pub(crate) fn seal(mut self, records: &[u8]) -> Bytes {
        let total = HEADER_BYTES.saturating_add(records.len());
        self.length = i32::try_from(total.saturating_sub(LENGTH_EXCLUDES)).unwrap_or(i32::MAX);
        let mut out = Vec::with_capacity(total);
        self.write(&mut out);
        out.put_slice(records);
        let crc = crc32c::crc32c(out.get(CHECKED_FROM..).unwrap_or_default());
        if let Some(field) = out.get_mut(17..CHECKED_FROM) {
            field.copy_from_slice(&crc.to_be_bytes());
        }
        out.into()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.put_i64(self.base_offset);
        out.put_i32(self.length);
        out.put_i32(self.leader_epoch);
        out.put_i8(self.magic);
        out.put_u32(self.crc);
        out.put_i16(self.attributes);
        out.put_i32(self.last_offset_delta);
        out.put_i64(self.base_timestamp);
        out.put_i64(self.max_timestamp);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_i32(self.base_sequence);
        out.put_i32(self.count);
    }
}

impl AnyHeader {
    /// Reads the header of the batch or message that `bytes` begin with.
    ///
    /// # Errors
    /// If they are too few, or of another format.
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidBatch> {
        let header = BatchHeader::read_fields(bytes)?;
        let format = match header.magic {
            MAGIC => RecordFormat::KafkaBatch,
            MESSAGE_MAGIC => RecordFormat::Message,
            magic => return Err(InvalidBatch::FormatUnknown { magic }),
        };
        Ok(Self { format, header })
    }
}

impl<'a> BatchView<'a> {
    /// Looks at `bytes` as exactly one batch.
    ///
    /// # Errors
    /// If they are not; neither checksum nor records are looked at.
    pub fn of(bytes: &'a [u8]) -> Result<Self, InvalidBatch> {
        let header = BatchHeader::read(bytes)?;
        let (declared, present) = (header.batch_bytes(), bytes.len());
        if declared != present as u64 {
            return Err(InvalidBatch::LengthMismatch { declared, present });
        }
        let part = |from: usize| bytes.get(from..).unwrap_or_default();
        Ok(Self { header, records: part(HEADER_BYTES), checked: part(CHECKED_FROM) })
    }

    /// Compares the checksum with the bytes.
    ///
    /// # Errors
    /// [`InvalidBatch::ChecksumMismatch`].
    pub fn check_crc(&self) -> Result<(), InvalidBatch> {
        let (declared, computed) = (self.header.crc, crc32c::crc32c(self.checked));
        if declared == computed { Ok(()) } else { Err(InvalidBatch::ChecksumMismatch { declared, computed }) }
    }
}

/// Splits what was read of a stream into batches and messages; stops before one that is cut off.
pub fn batches(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let length = usize::try_from(AnyHeader::read(&bytes).ok()?.header.batch_bytes()).ok()?;
        (HEADER_BYTES <= length && length <= bytes.len()).then(|| bytes.split_to(length))
    })
}
