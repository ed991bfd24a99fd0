//! What only the protocol knows that a message came by.

use bytes::{BufMut, Bytes};
use bytestring::ByteString;
use omnibus_model::Timestamp;

use super::input::Input;
use super::output;
use super::sns::SnsNative;
use crate::error::InvalidBatch;
use crate::record::Header;
use crate::varint;

const SQS: u8 = 1;
const KAFKA: u8 = 2;
const AMQP: u8 = 3;
/// 4 is kept for Redis.
const SNS: u8 = 5;

const WHAT_SQS: &str = "SQS section";
const WHAT_KAFKA: &str = "Kafka section";
const WHAT_AMQP: &str = "AMQP section";

const TEXT: u8 = 0;
const BINARY: u8 = 1;

/// The section of one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Native {
    Sqs(SqsNative),
    /// A record that was once part of a batch of Kafka's and has been moved alone.
    Kafka(KafkaNative),
    Sns(SnsNative),
    Amqp(AmqpNative),
}

/// A message as SQS knows it, without its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqsNative {
    pub id: u128,
    pub sent_at: Timestamp,
    pub sender: ByteString,
    pub group: Option<ByteString>,
    pub dedup: Option<ByteString>,
    /// In the order they were sent.
    pub attributes: Vec<SqsAttribute>,
    pub system_attributes: Vec<SqsAttribute>,
}

/// A named value of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqsAttribute {
    pub name: ByteString,
    /// With its label: `Number.float`.
    pub data_type: ByteString,
    pub value: SqsValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqsValue {
    Text(ByteString),
    Binary(Bytes),
}

/// A record as Kafka knows it, without its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaNative {
    pub key: Option<Bytes>,
    pub headers: Vec<Header>,
    /// Whether there is no value, rather than an empty one.
    pub is_tombstone: bool,
}

/// A message as AMQP knows it, without its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AmqpNative {
    /// The exchange that it was published to.
    pub exchange: Bytes,
    pub routing_key: Bytes,
    /// The properties as a content header has them, from their flags on.
    pub properties: Bytes,
}

impl Native {
    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::Sqs(_) => SQS,
            Self::Kafka(_) => KAFKA,
            Self::Sns(_) => SNS,
            Self::Amqp(_) => AMQP,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sqs(native) => native.write(out),
            Self::Kafka(native) => native.write(out),
            Self::Sns(native) => native.write(out),
            Self::Amqp(native) => native.write(out),
        }
    }

    pub(super) fn read(kind: u8, section: Input) -> Result<Self, InvalidBatch> {
        match kind {
            SQS => SqsNative::read(section).map(Self::Sqs),
            KAFKA => KafkaNative::read(section).map(Self::Kafka),
            SNS => SnsNative::read(section).map(Self::Sns),
            AMQP => AmqpNative::read(section).map(Self::Amqp),
            kind => Err(InvalidBatch::NativeUnknown { kind }),
        }
    }
}

impl SqsNative {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_u128(self.id);
        out.put_i64(self.sent_at.0);
        output::text(out, &self.sender);
        output::optional(out, self.group.as_ref().map(|group| group.as_bytes().as_ref()));
        output::optional(out, self.dedup.as_ref().map(|dedup| dedup.as_bytes().as_ref()));
        for attributes in [&self.attributes, &self.system_attributes] {
            varint::put(out, output::length(attributes.len()));
            attributes.iter().for_each(|attribute| attribute.write(out));
        }
    }

    fn read(mut input: Input) -> Result<Self, InvalidBatch> {
        let native = Self {
            id: input.u128(WHAT_SQS)?,
            sent_at: Timestamp(input.i64(WHAT_SQS)?),
            sender: input.text(WHAT_SQS)?,
            group: input.optional_text(WHAT_SQS)?,
            dedup: input.optional_text(WHAT_SQS)?,
            attributes: input.list(WHAT_SQS, SqsAttribute::read)?,
            system_attributes: input.list(WHAT_SQS, SqsAttribute::read)?,
        };
        input.end(WHAT_SQS).map(|()| native)
    }
}

impl SqsAttribute {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        output::text(out, &self.name);
        output::text(out, &self.data_type);
        match &self.value {
            SqsValue::Text(text) => {
                out.put_u8(TEXT);
                output::text(out, text);
            }
            SqsValue::Binary(bytes) => {
                out.put_u8(BINARY);
                output::optional(out, Some(bytes));
            }
        }
    }

    pub(super) fn read(input: &mut Input) -> Result<Self, InvalidBatch> {
        let (name, data_type) = (input.text(WHAT_SQS)?, input.text(WHAT_SQS)?);
        let value = match input.u8(WHAT_SQS)? {
            TEXT => SqsValue::Text(input.text(WHAT_SQS)?),
            BINARY => SqsValue::Binary(input.bytes(WHAT_SQS)?),
            _ => return Err(InvalidBatch::MessageMalformed { part: WHAT_SQS }),
        };
        Ok(Self { name, data_type, value })
    }
}

impl KafkaNative {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_u8(u8::from(self.is_tombstone));
        output::optional(out, self.key.as_deref());
        varint::put(out, output::length(self.headers.len()));
        for header in &self.headers {
            output::optional(out, Some(&header.key));
            output::optional(out, header.value.as_deref());
        }
    }

    fn read(mut input: Input) -> Result<Self, InvalidBatch> {
        let is_tombstone = match input.u8(WHAT_KAFKA)? {
            0 => false,
            1 => true,
            _ => return Err(InvalidBatch::MessageMalformed { part: WHAT_KAFKA }),
        };
        let key = input.optional(WHAT_KAFKA)?;
        let headers = input.list(WHAT_KAFKA, |input| {
            Ok(Header { key: input.bytes(WHAT_KAFKA)?, value: input.optional(WHAT_KAFKA)? })
        })?;
        input.end(WHAT_KAFKA).map(|()| Self { key, headers, is_tombstone })
    }
}

impl AmqpNative {
    fn write(&self, out: &mut Vec<u8>) {
        for part in [&self.exchange, &self.routing_key, &self.properties] {
            output::optional(out, Some(part));
        }
    }

    fn read(mut input: Input) -> Result<Self, InvalidBatch> {
        let native = Self {
            exchange: input.bytes(WHAT_AMQP)?,
            routing_key: input.bytes(WHAT_AMQP)?,
            properties: input.bytes(WHAT_AMQP)?,
        };
        input.end(WHAT_AMQP).map(|()| native)
    }
}
