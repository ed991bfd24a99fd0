//! What a stream holds, message by message, whatever protocol wrote it.

use bytes::Bytes;
use omnibus_model::RecordFormat;
use omnibus_model::queue::Envelope;

use crate::batch::AnyHeader;
use crate::error::InvalidBatch;
use crate::message::{KafkaNative, Message, Native};
use crate::record::Record;
use crate::records::Records;

/// Iterates over a batch or a message. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Messages {
    from: From,
}

#[derive(Clone, Debug)]
enum From {
    Batch(Records),
    Message(Option<Box<Message>>),
}

impl Messages {
    /// Opens a batch, and decompresses its records if they are compressed; or a message.
    ///
    /// # Errors
    /// If `batch` is neither, or its records take more than `decompressed_max` bytes. Marks of the
    /// broker's own are no messages.
    pub fn of(batch: &Bytes, decompressed_max: u64) -> Result<Self, InvalidBatch> {
        let AnyHeader { format, header } = AnyHeader::read(batch)?;
        let from = match format {
            RecordFormat::Message => From::Message(Some(Box::new(Message::decode(batch)?))),
            RecordFormat::KafkaBatch if header.is_control() => From::Message(None),
            RecordFormat::KafkaBatch => From::Batch(Records::of(batch, decompressed_max)?),
        };
        Ok(Self { from })
    }
}

impl Iterator for Messages {
    type Item = Result<Message, InvalidBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.from {
            From::Batch(records) => records.next().map(|record| record.map(Message::from)),
            From::Message(message) => message.take().map(|message| Ok(*message)),
        }
    }
}

impl std::convert::From<Record> for Message {
    fn from(record: Record) -> Self {
        let Record { offset, timestamp, key, value, headers } = record;
        let native = KafkaNative { key, headers, is_tombstone: value.is_none() };
        Self {
            offset,
            timestamp,
            envelope: Envelope::default(),
            native: Native::Kafka(native),
            history: None,
            body: value.unwrap_or_default(),
        }
    }
}
