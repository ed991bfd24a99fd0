//! A message that many queues get: each has a beginning of its own, and all share the rest.

use bytes::Bytes;
use omnibus_model::queue::Envelope;
use omnibus_model::{BatchInfo, LeaderEpoch, Offset, RecordFormat, Timestamp};

use super::input::Input;
use super::{CRC, History, Message, Native, VERSION, check_message, envelope, header, output, put};
use crate::batch::{CHECKED_FROM, HEADER_BYTES, LENGTH_EXCLUDES};
use crate::error::InvalidBatch;

/// From this length on two checksums are combined in less time than one more is computed.
const COMBINED_BYTES_MIN: usize = 256 << 10;

/// A message without its envelope and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedMessage {
    /// The native section, the history and the body.
    rest: Bytes,
    /// Its checksum, if it is long enough to be combined with others.
    rest_crc: Option<u32>,
    timestamp: Timestamp,
    /// The native section's kind.
    kind: u8,
    /// Those that are not the envelope's.
    flags: u8,
}

impl Message {
    /// Writes down what all queues share of the message; its envelope is left out.
    ///
    /// # Errors
    /// [`InvalidBatch::MessageTooLong`].
    pub fn encode_shared(&self) -> Result<SharedMessage, InvalidBatch> {
        let mut rest = Vec::with_capacity(self.body.len().saturating_add(256));
        output::section(&mut rest, |out| self.native.write(out));
        if let Some(history) = &self.history {
            output::section(&mut rest, |out| history.write(out));
        }
        rest.extend_from_slice(&self.body);
        let bytes = rest.len().saturating_add(SharedMessage::HEAD_BYTES_MAX);
        i32::try_from(bytes).map_err(|_| InvalidBatch::MessageTooLong { bytes })?;
        let flags = if self.history.is_some() { envelope::HISTORY } else { 0 };
        let rest_crc = (rest.len() >= COMBINED_BYTES_MIN).then(|| crc32c::crc32c(&rest));
        let (timestamp, kind) = (self.timestamp, self.native.kind());
        Ok(SharedMessage { rest: rest.into(), rest_crc, timestamp, kind, flags })
    }
}

impl SharedMessage {
    /// The longest beginning: the header, three bytes that say what follows, and a full envelope.
    pub const HEAD_BYTES_MAX: usize = HEADER_BYTES + 3 + 8 + 8 + 8 + 16 + 1;

    /// What all queues share.
    #[must_use]
    pub const fn rest(&self) -> &Bytes {
        &self.rest
    }

    /// Takes a message that was joined before.
    ///
    /// # Errors
    /// If `bytes` are not exactly one whole message.
    pub fn read(bytes: &Bytes) -> Result<Self, InvalidBatch> {
        check_message(bytes)?;
        Message::decode(bytes)?.encode_shared()
    }

    /// All of it in one piece, with a plain envelope.
    #[must_use]
    pub fn joined(&self) -> Bytes {
        let head = self.unplaced(&Envelope::default());
        [head.as_slice(), &self.rest].concat().into()
    }

    /// What the broker must know of it; the bytes are those with a plain envelope.
    #[must_use]
    pub fn batch(&self) -> BatchInfo {
        let bytes = self.rest.len().saturating_add(HEADER_BYTES).saturating_add(3);
        BatchInfo {
            format: RecordFormat::Message,
            count: 1,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            timestamp_max: self.timestamp,
            producer: None,
        }
    }

    /// The message as a queue has it; its parts are slices of what is shared.
    ///
    /// # Errors
    /// If what is shared was not written by [`Message::encode_shared`].
    pub fn placed(&self, envelope: Envelope, offset: Offset) -> Result<Message, InvalidBatch> {
        let mut input = Input::new(self.rest.clone());
        let native = Native::read(self.kind, input.section("native section")?)?;
        let history = match self.flags & envelope::HISTORY {
            0 => None,
            _ => Some(History::read(input.section("history")?)?),
        };
        Ok(Message { offset, timestamp: self.timestamp, envelope, native, history, body: input.rest() })
    }

    /// Writes the beginning of the record of the only queue that gets it, as [`Heads::head`] does.
    #[must_use]
    pub fn head(&self, envelope: &Envelope, base: Offset, epoch: LeaderEpoch) -> Bytes {
        let mut head = self.unplaced(envelope);
        place(&mut head, base, epoch);
        head.into()
    }

    /// The one who writes the beginnings of the queues' records.
    #[must_use]
    pub const fn heads(&self) -> Heads<'_> {
        Heads { message: self, written: None }
    }
}

/// Writes the beginnings of records of a shared message.
#[derive(Debug)]
pub struct Heads<'message> {
    message: &'message SharedMessage,
    /// The beginning that was written last, and its envelope: most queues want the same.
    written: Option<(Envelope, Vec<u8>)>,
}

impl Heads<'_> {
    /// Writes the beginning of one queue's record: its place and envelope, and a checksum that
    /// covers the rest, too.
    #[must_use]
    pub fn head(&mut self, envelope: &Envelope, base: Offset, epoch: LeaderEpoch) -> Bytes {
        let mut head = match self.written.take() {
            Some((of, head)) if of == *envelope => head,
            _ => self.message.unplaced(envelope),
        };
        place(&mut head, base, epoch);
        let written = Bytes::copy_from_slice(&head);
        self.written = Some((*envelope, head));
        written
    }
}

/// Puts a record's place into its beginning.
fn place(head: &mut [u8], base: Offset, epoch: LeaderEpoch) {
    put(head, 0, &base.0.to_be_bytes());
    put(head, 12, &epoch.0.to_be_bytes());
}

impl SharedMessage {
    /// A beginning without its place, which the checksum does not cover.
    fn unplaced(&self, envelope: &Envelope) -> Vec<u8> {
        let mut head = Vec::with_capacity((HEADER_BYTES + 3).saturating_add(envelope::bytes(envelope)));
        header(Offset::ZERO, self.timestamp).write(&mut head);
        head.push(VERSION);
        head.push(self.kind);
        head.push(envelope::flags(envelope) | self.flags);
        envelope::write(envelope, &mut head);
        let length = head.len().saturating_add(self.rest.len()).saturating_sub(LENGTH_EXCLUDES);
        put(&mut head, 8, &i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes());
        let own_crc = crc32c::crc32c(head.get(CHECKED_FROM..).unwrap_or_default());
        let crc = match self.rest_crc {
            Some(rest_crc) => crc32c::crc32c_combine(own_crc, rest_crc, self.rest.len()),
            None => crc32c::crc32c_append(own_crc, &self.rest),
        };
        put(&mut head, CRC.start, &crc.to_be_bytes());
        head
    }
}
