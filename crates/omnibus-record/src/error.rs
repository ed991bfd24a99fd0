//! Why bytes are not a batch that may be appended.

use std::fmt;

use omnibus_model::Timestamp;
use thiserror::Error;

use crate::codec::Codec;

/// How many records of a refused batch are named.
pub(crate) const FAULTS_MAX: usize = 1000;

/// What is wrong with a batch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidBatch {
    #[error("{bytes} bytes are no record batch")]
    TooShort { bytes: usize },
    #[error("the batch says it has {declared} bytes, {present} are there")]
    LengthMismatch { declared: u64, present: usize },
    #[error("message format {magic} is no longer supported")]
    FormatOld { magic: i8 },
    #[error("message format {magic} is not known")]
    FormatUnknown { magic: i8 },
    #[error("the checksum is {computed:08x}, the batch says {declared:08x}")]
    ChecksumMismatch { declared: u32, computed: u32 },
    #[error("{count} records, but a last offset delta of {last_offset_delta}")]
    CountMismatch { count: i32, last_offset_delta: i32 },
    #[error("clients may not write control records")]
    ControlBatch,
    #[error("producer id {id} with epoch {epoch} and sequence {sequence}")]
    ProducerInvalid { id: i64, epoch: i16, sequence: i32 },
    #[error("only the broker may set the timestamp type to append time")]
    BrokerTimeClaimed,
    #[error("compression codec {number} is not known")]
    CodecUnknown { number: i16 },
    #[error("the {codec} data cannot be decompressed: {reason}")]
    Undecodable { codec: Codec, reason: String },
    #[error("the records take more than {max} bytes uncompressed")]
    DecompressedTooLong { max: u64 },
    #[error("as {codec}, which the topic wants, the batch takes more than {max} bytes")]
    RecompressedTooLong { codec: Codec, max: usize },
    #[error("record {index} is malformed")]
    RecordMalformed { index: u32 },
    #[error("record {index} has offset delta {delta}")]
    OffsetDeltaInvalid { index: u32, delta: i64 },
    #[error("there are bytes after the last record")]
    TrailingBytes,
    #[error("layout version {version} of a message is not known")]
    MessageVersionUnknown { version: u8 },
    #[error("a message with a native section of kind {kind}, which is not known")]
    NativeUnknown { kind: u8 },
    #[error("the message's {part} is malformed")]
    MessageMalformed { part: &'static str },
    #[error("a message of {bytes} bytes is too long")]
    MessageTooLong { bytes: usize },
    #[error("{} of the records are not allowed here, the first because {}", .records.len(), FirstReason(.records))]
    RecordsRefused { records: Vec<RecordFault> },
}

/// One record that is not allowed in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordFault {
    /// The record's position in its batch, from 0.
    pub index: u32,
    pub reason: RecordFaultReason,
}

/// Why a record is not allowed in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordFaultReason {
    #[error("a compacted topic takes no record without a key")]
    KeyMissing,
    #[error("the timestamp {timestamp} is not within {earliest} to {latest}")]
    TimestampOutOfRange { timestamp: Timestamp, earliest: Timestamp, latest: Timestamp },
}

impl InvalidBatch {
    /// The records at fault, if the batch is otherwise in order; at most the first thousand.
    #[must_use]
    pub fn records(&self) -> &[RecordFault] {
        match self {
            Self::RecordsRefused { records } => records,
            _ => &[],
        }
    }
}

struct FirstReason<'a>(&'a [RecordFault]);

impl fmt::Display for FirstReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.first().map_or(Ok(()), |fault| fault.reason.fmt(f))
    }
}
