//! Builds a batch record by record.

use bytes::Bytes;
use omnibus_model::{LeaderEpoch, Offset, ProducerStamp, Timestamp};

use crate::batch::BatchHeader;
use crate::codec::Codec;
use crate::compress;
use crate::record::{Header, Record};
use crate::varint;

/// What a new batch says about itself beside its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    pub base_offset: Offset,
    pub leader_epoch: Option<LeaderEpoch>,
    pub producer: Option<ProducerStamp>,
}

/// A batch that is being written.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    codec: Codec,
    /// The records so far, uncompressed.
    records: Vec<u8>,
    /// One record on its way, kept for its capacity.
    scratch: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// Returns an empty batch.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        let (records, scratch) = (Vec::new(), Vec::new());
        Self { codec, records, scratch, count: 0, base_timestamp: -1, max_timestamp: -1 }
    }

    /// Adds a record behind the last.
    pub fn push(&mut self, timestamp: Timestamp, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) {
        let delta = i64::from(self.count);
        self.push_at(delta, timestamp, (key, value), headers);
    }

    /// Returns how many records there are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count.unsigned_abs()
    }

    /// Returns how many bytes the records take, uncompressed.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.records.len()
    }

    /// Returns the batch. The builder is empty again.
    ///
    /// # Panics
    /// Never: compression into memory does not fail.
    pub fn finish(&mut self, stamp: Stamp) -> Bytes {
        let header = BatchHeader {
            base_offset: wire(stamp.base_offset),
            last_offset_delta: self.count.saturating_sub(1),
            ..self.header(stamp)
        };
        self.seal(header)
    }

    /// Adds a record of a batch that is being thinned out, at the same distance from its base.
    pub(crate) fn keep(&mut self, base_offset: i64, record: &Record) {
        let delta = wire(record.offset).wrapping_sub(base_offset);
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        self.push_at(delta, record.timestamp, (key, value), &record.headers);
    }

    /// Returns the batch under the header of the one that was thinned out.
    pub(crate) fn finish_like(&mut self, original: &BatchHeader) -> Bytes {
        let mut header = BatchHeader { count: self.count, ..*original };
        if self.count > 0 {
            header.base_timestamp = self.base_timestamp;
        }
        if self.count > 0 && !original.has_broker_time() {
            header.max_timestamp = self.max_timestamp;
        }
        self.seal(header)
    }

    fn push_at(
        &mut self,
        delta: i64,
        timestamp: Timestamp,
        (key, value): (Option<&[u8]>, Option<&[u8]>),
        headers: &[Header],
    ) {
        if self.count == 0 {
            self.base_timestamp = timestamp.0;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp.0);
        self.count = self.count.saturating_add(1);
        let body = &mut self.scratch;
        body.clear();
        body.push(0);
        varint::put(body, timestamp.0.wrapping_sub(self.base_timestamp));
        varint::put(body, delta);
        put_bytes(body, key);
        put_bytes(body, value);
        varint::put(body, length(headers.len()));
        for header in headers {
            put_bytes(body, Some(&header.key));
            put_bytes(body, header.value.as_deref());
        }
        varint::put(&mut self.records, length(self.scratch.len()));
        self.records.extend_from_slice(&self.scratch);
    }

    fn header(&self, stamp: Stamp) -> BatchHeader {
        let producer = stamp.producer;
        BatchHeader {
            base_offset: 0,
            length: 0,
            leader_epoch: stamp.leader_epoch.map_or(-1, |epoch| epoch.0.cast_signed()),
            magic: 2,
            crc: 0,
            attributes: 0,
            last_offset_delta: 0,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: producer.map_or(-1, |producer| producer.id.0.cast_signed()),
            producer_epoch: producer.map_or(-1, |producer| producer.epoch.0.cast_signed()),
            base_sequence: producer.map_or(-1, |producer| producer.sequence_first.cast_signed()),
            count: self.count,
        }
    }

    fn seal(&mut self, mut header: BatchHeader) -> Bytes {
        // A decompressor may refuse to find nothing, so nothing is not compressed.
        let codec = if self.count == 0 { Codec::None } else { self.codec };
        header.set_codec(codec);
        let sealed = match codec {
            Codec::None => header.seal(&self.records),
            codec => header.seal(&compress::compress(codec, &self.records).expect("memory takes all that is written")),
        };
        *self = Self { records: std::mem::take(&mut self.records), ..Self::new(self.codec) };
        self.records.clear();
        sealed
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint::put(out, bytes.map_or(-1, |bytes| length(bytes.len())));
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn length(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

const fn wire(offset: Offset) -> i64 {
    offset.0.cast_signed()
}
