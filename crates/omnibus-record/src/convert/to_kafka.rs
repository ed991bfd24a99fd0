//! A message as a reader of Kafka's sees it.

use bytes::Bytes;
use omnibus_model::LeaderEpoch;
use omnibus_model::queue::{DeadLetterCause, Envelope};

use super::text::uuid;
use super::{SQS_SYSTEM, SQS_TYPE, from_amqp};
use crate::batch::AnyHeader;
use crate::build::{BatchBuilder, Stamp};
use crate::codec::Codec;
use crate::error::InvalidBatch;
use crate::message::{History, Message, Native, SnsNative, SqsAttribute, SqsNative, SqsValue};
use crate::record::{Header, Record};

const STRING: &str = "String";

/// Turns a stored message into the batch that Kafka's clients are given at its offset.
///
/// # Errors
/// If `message` is not exactly one message.
pub fn kafka_batch(message: &Bytes) -> Result<Bytes, InvalidBatch> {
    let decoded = Message::decode(message)?;
    let epoch = AnyHeader::read(message)?.header.leader_epoch;
    let record = record(&decoded);
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers);
    let leader_epoch = u32::try_from(epoch).ok().map(LeaderEpoch);
    Ok(builder.finish(Stamp { base_offset: decoded.offset, leader_epoch, producer: None }))
}

impl Message {
    /// Turns the message into a record of Kafka's.
    #[must_use]
    pub fn to_record(&self) -> Record {
        record(self)
    }
}

/// Turns a message into a record.
pub(crate) fn record(message: &Message) -> Record {
    let Message { offset, timestamp, .. } = *message;
    let body = message.body.clone();
    let (key, value, mut headers) = match &message.native {
        Native::Kafka(native) => {
            let value = Some(body).filter(|_| !native.is_tombstone);
            (native.key.clone(), value, native.headers.clone())
        }
        Native::Sqs(native) => {
            let key = native.group.as_ref().map(|group| group.as_bytes().clone());
            (key, Some(body), sqs_headers(native))
        }
        Native::Sns(native) => {
            let key = native.group.as_ref().map(|group| group.as_bytes().clone());
            (key, Some(body), sns_headers(native))
        }
        Native::Amqp(native) => (None, Some(body), from_amqp::headers(native)),
    };
    headers.extend(envelope_headers(&message.envelope));
    headers.extend(message.history.iter().flat_map(history_headers));
    Record { offset, timestamp, key, value, headers }
}

fn sqs_headers(native: &SqsNative) -> Vec<Header> {
    let mut headers = attribute_headers(&native.attributes, &native.system_attributes);
    headers.push(header("omnibus.sqs.message-id", uuid(native.id)));
    headers.push(header("omnibus.sqs.sent-at", native.sent_at.0.to_string()));
    if !native.sender.is_empty() {
        headers.push(header("omnibus.sqs.sender-id", native.sender.as_bytes().clone()));
    }
    if let Some(dedup) = &native.dedup {
        headers.push(header("omnibus.sqs.deduplication-id", dedup.as_bytes().clone()));
    }
    headers
}

fn sns_headers(native: &SnsNative) -> Vec<Header> {
    let mut headers = attribute_headers(&native.attributes, &native.system_attributes);
    headers.push(header("omnibus.sns.topic-arn", native.topic.as_bytes().clone()));
    headers.push(header("omnibus.sns.message-id", uuid(native.id)));
    headers.push(header("omnibus.sns.published-at", native.published_at.0.to_string()));
    if let Some(subject) = &native.subject {
        headers.push(header("omnibus.sns.subject", subject.as_bytes().clone()));
    }
    if let Some(dedup) = &native.dedup {
        headers.push(header("omnibus.sns.deduplication-id", dedup.as_bytes().clone()));
    }
    if let Some(sequence) = native.sequence {
        headers.push(header("omnibus.sns.sequence-number", sequence.to_string()));
    }
    headers
}

fn attribute_headers(attributes: &[SqsAttribute], system_attributes: &[SqsAttribute]) -> Vec<Header> {
    let mut headers = Vec::with_capacity(attributes.len().saturating_add(4));
    for attribute in attributes {
        headers.push(header(&attribute.name, value(attribute)));
        if attribute.data_type != STRING {
            let name = [SQS_TYPE, &attribute.name].concat();
            headers.push(header(&name, attribute.data_type.as_bytes().clone()));
        }
    }
    for attribute in system_attributes {
        let name = [SQS_SYSTEM, &attribute.name].concat();
        headers.push(header(&name, value(attribute)));
    }
    headers
}

fn value(attribute: &SqsAttribute) -> Bytes {
    match &attribute.value {
        SqsValue::Text(text) => text.as_bytes().clone(),
        SqsValue::Binary(bytes) => bytes.clone(),
    }
}

fn envelope_headers(envelope: &Envelope) -> impl Iterator<Item = Header> {
    let times = [("omnibus.deliver-at", envelope.deliver_at), ("omnibus.expires-at", envelope.expires_at)].into_iter();
    times.filter_map(|(name, time)| time.map(|time| header(name, time.0.to_string())))
}

fn history_headers(history: &History) -> [Header; 4] {
    let last = &history.last;
    let cause = match last.cause {
        DeadLetterCause::Rejected => "rejected",
        DeadLetterCause::Exhausted => "exhausted",
        DeadLetterCause::Expired => "expired",
        DeadLetterCause::Moved(_) => "moved",
        DeadLetterCause::Overflow => "overflow",
    };
    [
        header("omnibus.moved.from", last.queue.as_bytes().clone()),
        header("omnibus.moved.cause", cause),
        header("omnibus.moved.deliveries", last.deliveries.to_string()),
        header("omnibus.moved.at", last.at.0.to_string()),
    ]
}

pub(super) fn header(name: &str, value: impl Into<Bytes>) -> Header {
    Header { key: Bytes::copy_from_slice(name.as_bytes()), value: Some(value.into()) }
}
