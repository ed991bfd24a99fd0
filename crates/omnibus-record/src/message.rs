//! Our own record: one message, with the bytes of the protocol it came by.
//!
//! Its first 61 bytes are laid out like the header of Kafka's batch, with another magic, so that
//! whatever places, finds and keeps batches takes it for a batch of one record. The layout is in
//! `docs/formats/message.md`.

mod shared;
mod envelope;
mod history;
mod native;
mod sns;
mod output;
mod input;

use bytes::{Bytes, BytesMut};
use omnibus_model::queue::Envelope;
use omnibus_model::{BatchInfo, Offset, RecordFormat, Timestamp};

use crate::batch::{AnyHeader, BatchHeader, CHECKED_FROM, HEADER_BYTES, LENGTH_EXCLUDES, MESSAGE_MAGIC};
use crate::error::InvalidBatch;
use input::Input;

pub use history::{Departure, History};
pub use native::{AmqpNative, KafkaNative, Native, SqsAttribute, SqsNative, SqsValue};
pub use shared::{Heads, SharedMessage};
pub use sns::{Signing, SnsForm, SnsNative, SnsTarget};

/// The layout behind the header; raised when it changes.
const VERSION: u8 = 1;

/// Where the checksum stands.
const CRC: std::ops::Range<usize> = 17..CHECKED_FROM;

/// One message. Its bytes are slices of what it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// 0 until it has its place.
    pub offset: Offset,
    /// When its queue got it, as far as retention and lookups by time are concerned.
    pub timestamp: Timestamp,
    pub envelope: Envelope,
    pub native: Native,
    /// What became of it in other queues.
    pub history: Option<History>,
    pub body: Bytes,
}

/// A message as bytes: all before the body, and the body as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    pub head: Bytes,
    pub body: Bytes,
    timestamp: Timestamp,
    envelope: Envelope,
}

impl Message {
    /// Writes the message down without copying its body.
    ///
    /// # Errors
    /// [`InvalidBatch::MessageTooLong`].
    pub fn encode(&self) -> Result<Encoded, InvalidBatch> {
        let mut head = Vec::with_capacity(256);
        header(self.offset, self.timestamp).write(&mut head);
        head.push(VERSION);
        head.push(self.native.kind());
        head.push(envelope::flags(&self.envelope) | if self.history.is_some() { envelope::HISTORY } else { 0 });
        envelope::write(&self.envelope, &mut head);
        output::section(&mut head, |out| self.native.write(out));
        if let Some(history) = &self.history {
            output::section(&mut head, |out| history.write(out));
        }
        let bytes = head.len().saturating_add(self.body.len());
        let length = i32::try_from(bytes.saturating_sub(LENGTH_EXCLUDES));
        let length = length.map_err(|_| InvalidBatch::MessageTooLong { bytes })?;
        put(&mut head, 8, &length.to_be_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(head.get(CHECKED_FROM..).unwrap_or_default()), &self.body);
        put(&mut head, CRC.start, &crc.to_be_bytes());
        let (body, timestamp, envelope) = (self.body.clone(), self.timestamp, self.envelope);
        Ok(Encoded { head: head.into(), body, timestamp, envelope })
    }

    /// Reads a message; its parts are slices of `bytes`. The checksum is not compared.
    ///
    /// # Errors
    /// If `bytes` are not exactly one message of a layout this program knows.
    pub fn decode(bytes: &Bytes) -> Result<Self, InvalidBatch> {
        let header = whole(bytes)?;
        let mut input = Input::new(bytes.slice(HEADER_BYTES..));
        let (kind, flags) = preamble(&mut input)?;
        let envelope = envelope::read(&mut input, flags)?;
        let native = Native::read(kind, input.section("native section")?)?;
        let history = match flags & envelope::HISTORY {
            0 => None,
            _ => Some(History::read(input.section("history")?)?),
        };
        let offset = Offset(header.base_offset.cast_unsigned());
        let timestamp = Timestamp(header.max_timestamp);
        Ok(Self { offset, timestamp, envelope, native, history, body: input.rest() })
    }
}

impl Encoded {
    /// Takes a message that was written before; its parts are slices of `bytes`.
    ///
    /// # Errors
    /// If `bytes` are not exactly one whole message.
    pub fn read(bytes: &Bytes) -> Result<Self, InvalidBatch> {
        check_message(bytes)?;
        let Message { timestamp, envelope, body, .. } = Message::decode(bytes)?;
        let head = bytes.slice(..bytes.len().saturating_sub(body.len()));
        Ok(Self { head, body, timestamp, envelope })
    }

    /// What the broker must know of it.
    #[must_use]
    pub fn batch(&self) -> BatchInfo {
        BatchInfo {
            format: RecordFormat::Message,
            count: 1,
            bytes: u32::try_from(self.bytes()).unwrap_or(u32::MAX),
            timestamp_max: self.timestamp,
            producer: None,
        }
    }

    /// What the broker acts on.
    #[must_use]
    pub const fn envelope(&self) -> Envelope {
        self.envelope
    }

    /// How many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.head.len().saturating_add(self.body.len())
    }

    /// All of it in one piece.
    #[must_use]
    pub fn joined(&self) -> Bytes {
        let mut joined = BytesMut::with_capacity(self.bytes());
        joined.extend_from_slice(&self.head);
        joined.extend_from_slice(&self.body);
        joined.freeze()
    }
}

/// Reads the envelope of what a stream holds; a batch of Kafka's asks nothing.
///
/// # Errors
/// If `bytes` begin with neither a message nor a batch.
pub fn envelope_of(bytes: &Bytes) -> Result<Envelope, InvalidBatch> {
    match AnyHeader::read(bytes)?.format {
        RecordFormat::KafkaBatch => Ok(Envelope::default()),
        RecordFormat::Message => {
            let mut input = Input::new(bytes.slice(HEADER_BYTES..));
            let (_, flags) = preamble(&mut input)?;
            envelope::read(&mut input, flags)
        }
    }
}

/// Compares a message's checksum with its bytes.
///
/// # Errors
/// If they do not fit, or `bytes` are not exactly one message.
pub fn check_message(bytes: &Bytes) -> Result<(), InvalidBatch> {
    let declared = whole(bytes)?.crc;
    let computed = crc32c::crc32c(bytes.get(CHECKED_FROM..).unwrap_or_default());
    if declared == computed { Ok(()) } else { Err(InvalidBatch::ChecksumMismatch { declared, computed }) }
}

/// A header whose length and checksum are still to be filled in.
const fn header(offset: Offset, timestamp: Timestamp) -> BatchHeader {
    BatchHeader {
        base_offset: offset.0.cast_signed(),
        length: 0,
        leader_epoch: -1,
        magic: MESSAGE_MAGIC,
        crc: 0,
        attributes: 0,
        last_offset_delta: 0,
        base_timestamp: timestamp.0,
        max_timestamp: timestamp.0,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        count: 1,
    }
}

fn whole(bytes: &Bytes) -> Result<BatchHeader, InvalidBatch> {
    let AnyHeader { format, header } = AnyHeader::read(bytes)?;
    if format != RecordFormat::Message {
        return Err(InvalidBatch::FormatUnknown { magic: header.magic });
    }
    let (declared, present) = (header.batch_bytes(), bytes.len());
    if declared != present as u64 {
        return Err(InvalidBatch::LengthMismatch { declared, present });
    }
    Ok(header)
}

/// Reads what follows the header: the native section's kind, and which fields there are.
fn preamble(input: &mut Input) -> Result<(u8, u8), InvalidBatch> {
    match input.u8("layout version")? {
        VERSION => Ok((input.u8("native kind")?, input.u8("flags")?)),
        version => Err(InvalidBatch::MessageVersionUnknown { version }),
    }
}

fn put(head: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(field) = head.get_mut(at..at.saturating_add(bytes.len())) {
        field.copy_from_slice(bytes);
    }
}
