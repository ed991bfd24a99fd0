//! Makes a message for the engine of what a sender said.

use bytes::Bytes;
use bytestring::ByteString;
use omnibus_model::queue::{Envelope, QueueConfig};
use omnibus_model::{AttemptHash, DedupHash, GroupHash, Millis, Offset};
use omnibus_record::{Message, Native, SqsAttribute, SqsNative, SqsValue};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::attributes;
use crate::content;
use crate::errors::ApiError;
use crate::session::Call;
use crate::wire::base64;
use crate::wire::messages::{MessageAttributeValue, MessageSystemAttributeValue, SendMessageBatchRequestEntry};

const DELAY_SECONDS_MAX: i64 = 900;

/// Checks what a FIFO queue asks of a message, and other queues do not take.
pub(crate) fn check_order(config: &QueueConfig, entry: &SendMessageBatchRequestEntry) -> Result<(), ApiError> {
    if let Some(group) = &entry.message_group_id {
        content::check_id("MessageGroupId", group)?;
    }
    let (dedup, delay) = (entry.message_deduplication_id.as_deref(), entry.delay_seconds);
    if let Some(seconds) = delay {
        check_delay(config, seconds)?;
    }
    if !attributes::is_fifo(config) {
        return match dedup {
            None => Ok(()),
            Some(id) => Err(not_of_this_queue(id, "MessageDeduplicationId")),
        };
    }
    if entry.message_group_id.is_none() {
        return Err(ApiError::MissingParameter("MessageGroupId"));
    }
    match dedup {
        Some(id) => content::check_id("MessageDeduplicationId", id),
        None if attributes::dedups_by_content(config) => Ok(()),
        None => Err(ApiError::InvalidParameterValue(
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
                .to_owned(),
        )),
    }
}

fn check_delay(config: &QueueConfig, seconds: i64) -> Result<(), ApiError> {
    if attributes::is_fifo(config) && seconds != 0 {
        return Err(not_of_this_queue(&seconds.to_string(), "DelaySeconds"));
    }
    if (0..=DELAY_SECONDS_MAX).contains(&seconds) {
        return Ok(());
    }
    Err(ApiError::InvalidParameterValue(format!(
        "Value {seconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
    )))
}

fn not_of_this_queue(value: &str, parameter: &str) -> ApiError {
    ApiError::InvalidParameterValue(format!(
        "Value {value} for parameter {parameter} is invalid. Reason: The request include parameter that is not valid for \
         this queue type."
    ))
}

/// Makes the message.
pub(crate) fn message(
    call: &Call,
    config: &QueueConfig,
    entry: SendMessageBatchRequestEntry,
) -> Result<Message, ApiError> {
    let now = call.door.engine.now();
    let body = entry.message_body.unwrap_or_default();
    let is_fifo = attributes::is_fifo(config);
    let dedup = entry.message_deduplication_id.or_else(|| is_fifo.then(|| content::digest(&body)));
    let delay = match entry.delay_seconds.and_then(|seconds| u64::try_from(seconds).ok()) {
        // A FIFO queue delays all of its messages alike.
        _ if is_fifo => Millis(0),
        Some(seconds) => Millis(seconds * 1_000),
        None => config.delay,
    };
    let group = entry.message_group_id.as_deref();
    let scope = group.filter(|_| attributes::dedups_by_group(config)).unwrap_or_default();
    let envelope = Envelope {
        deliver_at: (delay > Millis(0)).then(|| now.plus(delay)),
        expires_at: None,
        group: group.map(group_hash),
        dedup: dedup.as_deref().map(|id| dedup_hash(scope, id)),
        priority: 0,
    };
    let trace = call.arrived.header("x-amzn-trace-id");
    let system_attributes = content::add_trace(&entry.message_system_attributes, trace);
    let native = SqsNative {
        id: call.door.uuid().as_u128(),
        sent_at: now,
        sender: call.signer.account.as_str().into(),
        group: entry.message_group_id.map(ByteString::from),
        dedup: dedup.map(ByteString::from),
        attributes: entry.message_attributes.into_iter().map(attribute).collect(),
        system_attributes: system_attributes.into_iter().map(system_attribute).collect(),
    };
    Ok(Message {
        offset: Offset::ZERO,
        timestamp: now,
        envelope,
        native: Native::Sqs(native),
        history: None,
        body: Bytes::from(body),
    })
}

/// The id of a message that came by SQS.
pub(crate) fn id_of(message: &Message) -> Option<Uuid> {
    match &message.native {
        Native::Sqs(native) => Some(Uuid::from_u128(native.id)),
        Native::Kafka(_) | Native::Sns(_) | Native::Amqp(_) => None,
    }
}

fn attribute((name, value): (String, MessageAttributeValue)) -> SqsAttribute {
    named(name, value.data_type, value.string_value, value.binary_value)
}

fn system_attribute((name, value): (String, MessageSystemAttributeValue)) -> SqsAttribute {
    named(name, value.data_type, value.string_value, value.binary_value)
}

fn named(name: String, data_type: Option<String>, text: Option<String>, binary: Option<String>) -> SqsAttribute {
    let data_type = data_type.unwrap_or_default();
    let value = if data_type.starts_with("Binary") {
        SqsValue::Binary(binary.as_deref().and_then(base64::read).unwrap_or_default().into())
    } else {
        SqsValue::Text(text.unwrap_or_default().into())
    };
    SqsAttribute { name: name.into(), data_type: data_type.into(), value }
}

/// The hash of a group.
pub(crate) fn group_hash(group: &str) -> GroupHash {
    GroupHash(u64::from_be_bytes(first_bytes(&Sha256::digest(group.as_bytes()))))
}

/// The hash of a deduplication id within a scope.
pub(crate) fn dedup_hash(scope: &str, id: &str) -> DedupHash {
    // Neither a group nor an id has a control character in it.
    let digest = Sha256::new().chain_update(scope).chain_update([0]).chain_update(id).finalize();
    DedupHash(u128::from_be_bytes(first_bytes(&digest)))
}

/// The hash of the id with which a receive is repeated.
pub(crate) fn attempt_hash(id: &str) -> AttemptHash {
    AttemptHash(u128::from_be_bytes(first_bytes(&Sha256::digest(id.as_bytes()))))
}

fn first_bytes<const N: usize>(digest: &[u8]) -> [u8; N] {
    *digest.first_chunk().expect("a digest has 32 bytes")
}
