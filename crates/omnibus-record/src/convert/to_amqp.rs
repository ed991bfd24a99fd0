//! A message as a reader of AMQP's sees it.

use bytes::Bytes;

use super::from_amqp::{CONTENT_ENCODING, CONTENT_TYPE, PROPERTY, TYPE};
use super::record;
use crate::amqp::{Properties, Table, Value};
use crate::message::{AmqpNative, Message, Native};
use crate::record::{Header, Record};

/// Carries the key of a Kafka record.
const KEY: &str = "omnibus.kafka.key";

/// A message with all that AMQP tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmqpMessage {
    pub native: AmqpNative,
    pub body: Bytes,
}

impl AmqpMessage {
    /// Turns the message that a queue holds into one of AMQP. One that came by another protocol came as if by the
    /// default exchange.
    #[must_use]
    pub fn of(message: &Message, queue: &str) -> Self {
        match &message.native {
            Native::Amqp(native) => Self { native: native.clone(), body: message.body.clone() },
            Native::Kafka(_) | Native::Sqs(_) | Native::Sns(_) => of_record(record(message), queue),
        }
    }
}

/// Every other protocol's message is seen as the record that Kafka's clients see of it.
fn of_record(record: Record, queue: &str) -> AmqpMessage {
    let mut native = AmqpNative { routing_key: Bytes::copy_from_slice(queue.as_bytes()), ..AmqpNative::default() };
    let mut properties = Properties {
        delivery_mode: Some(2),
        timestamp: u64::try_from(record.timestamp.0).ok().map(|millis| millis / 1_000),
        ..Properties::default()
    };
    let mut headers = Table::default();
    for header in &record.headers {
        if header.key.starts_with(TYPE.as_bytes()) || takes(&mut native, &mut properties, header) {
            continue;
        }
        let kind = record.headers.iter().find(|each| each.key.strip_prefix(TYPE.as_bytes()) == Some(&header.key[..]));
        let letter = kind.and_then(|kind| kind.value.as_ref()).and_then(|value| value.first().copied());
        headers.0.push((cut(&header.key), value(header.value.as_ref(), letter)));
    }
    if let Some(key) = &record.key {
        headers.set(KEY, value(Some(key), None));
    }
    properties.headers = (!headers.0.is_empty()).then_some(headers);
    native.properties = properties.write();
    AmqpMessage { native, body: record.value.unwrap_or_default() }
}

/// Takes a header that is a property of its own.
fn takes(native: &mut AmqpNative, properties: &mut Properties, header: &Header) -> bool {
    let Some(value) = header.value.as_ref().filter(|value| value.len() <= usize::from(u8::MAX)) else { return false };
    let number = || std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
    let octet = || number().and_then(|number| u8::try_from(number).ok());
    let name = std::str::from_utf8(&header.key).unwrap_or_default();
    let text = match name.strip_prefix(PROPERTY).unwrap_or(name) {
        _ if name == CONTENT_TYPE => &mut properties.content_type,
        _ if name == CONTENT_ENCODING => &mut properties.content_encoding,
        _ if !name.starts_with(PROPERTY) => return false,
        "exchange" => {
            native.exchange = value.clone();
            return true;
        }
        "routing-key" => {
            native.routing_key = value.clone();
            return true;
        }
        "delivery-mode" => {
            properties.delivery_mode = octet();
            return true;
        }
        "priority" => {
            properties.priority = octet();
            return true;
        }
        "timestamp" => {
            properties.timestamp = number();
            return true;
        }
        "correlation-id" => &mut properties.correlation_id,
        "reply-to" => &mut properties.reply_to,
        "expiration" => &mut properties.expiration,
        "message-id" => &mut properties.message_id,
        "type" => &mut properties.kind,
        "user-id" => &mut properties.user_id,
        "app-id" => &mut properties.app_id,
        "cluster-id" => &mut properties.cluster_id,
        _ => return false,
    };
    *text = Some(value.clone());
    true
}

/// A value of the type that its writer had in AMQP, if it can be one: a text, or else bytes.
fn value(bytes: Option<&Bytes>, letter: Option<u8>) -> Value {
    let Some(bytes) = bytes else { return Value::Void };
    let Ok(text) = std::str::from_utf8(bytes) else { return Value::Binary(bytes.clone()) };
    let typed = match letter {
        Some(b't') => text.parse().ok().map(Value::Bool),
        Some(b'b') => text.parse().ok().map(Value::I8),
        Some(b'B') => text.parse().ok().map(Value::U8),
        Some(b's') => text.parse().ok().map(Value::I16),
        Some(b'u') => text.parse().ok().map(Value::U16),
        Some(b'I') => text.parse().ok().map(Value::I32),
        Some(b'i') => text.parse().ok().map(Value::U32),
        Some(b'l') => text.parse().ok().map(Value::I64),
        Some(b'f') => text.parse().ok().map(|number: f32| Value::Float(number.to_bits())),
        Some(b'd') => text.parse().ok().map(|number: f64| Value::Double(number.to_bits())),
        Some(b'T') => text.parse().ok().map(Value::Timestamp),
        _ => None,
    };
    typed.unwrap_or_else(|| Value::Text(bytes.clone()))
}

/// A name as long as AMQP lets it be.
fn cut(name: &Bytes) -> Bytes {
    name.slice(..name.len().min(usize::from(u8::MAX)))
}
