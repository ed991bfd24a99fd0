//! A message as a reader of SQS sees it.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use bytestring::ByteString;
use omnibus_model::StreamId;
use omnibus_model::queue::Origin;

use super::text::{base64, sqs_text};
use super::{SQS_SYSTEM, SQS_TYPE, from_amqp};
use crate::message::{KafkaNative, Message, Native, SnsNative, SqsAttribute, SqsNative, SqsValue};
use crate::record::Header;

const STRING: &str = "String";
const BINARY: &str = "Binary";

/// The only system attribute a sender may set.
const TRACE: &str = "omnibus.sqs.system.AWSTraceHeader";

const GROUP_CHARACTERS_MAX: usize = 128;
const NAME_CHARACTERS_MAX: usize = 256;
const TYPE_CHARACTERS_MAX: usize = 256;

/// A message with all that SQS tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqsMessage {
    pub native: SqsNative,
    pub body: ByteString,
}

impl SqsMessage {
    /// Turns the message that `stream` holds into one of SQS.
    #[must_use]
    pub fn of(message: &Message, stream: StreamId) -> Self {
        match &message.native {
            Native::Sqs(native) => Self { native: native.clone(), body: body(&message.body).0 },
            Native::Kafka(native) => of_kafka(message, native, stream),
            Native::Sns(native) => of_sns(message, native, stream),
            Native::Amqp(native) => {
                let headers = from_amqp::headers(native);
                of_kafka(message, &KafkaNative { headers, ..KafkaNative::default() }, stream)
            }
        }
    }
}

/// The message alone, as a subscriber gets it who wants no envelope around it.
fn of_sns(message: &Message, native: &SnsNative, stream: StreamId) -> SqsMessage {
    let first = message.history.as_ref().map_or(stream, |history| history.first.stream);
    let native = SqsNative {
        id: native.delivery_id(first),
        sent_at: native.published_at,
        sender: native.sender(),
        group: native.group.clone(),
        dedup: native.dedup.clone(),
        attributes: native.attributes.clone(),
        system_attributes: native.system_attributes.clone(),
    };
    SqsMessage { native, body: body(&message.body).0 }
}

fn of_kafka(message: &Message, native: &KafkaNative, stream: StreamId) -> SqsMessage {
    let here = Origin { stream, offset: message.offset };
    let first = message.history.as_ref().map_or(here, |history| history.first);
    let (body, encoding) = if native.is_tombstone { (ByteString::new(), Some("null")) } else { body(&message.body) };
    let mut sqs = SqsNative { id: id(first), sent_at: message.timestamp, ..SqsNative::default() };
    let mut unnamed = add_headers(&mut sqs, &native.headers);
    match native.key.as_ref().map(|key| (key, group(key))) {
        Some((_, Some(group))) => sqs.group = Some(group),
        Some((key, None)) => sqs.attributes.push(binary("omnibus.kafka.key", key.clone())),
        None => {}
    }
    sqs.attributes.extend(encoding.map(|encoding| text("omnibus.body", encoding)));
    if !unnamed.is_empty() {
        unnamed.insert(0, '[');
        unnamed.push(']');
        sqs.attributes.push(text("omnibus.kafka.headers", unnamed));
    }
    SqsMessage { native: sqs, body }
}

/// An id that the place of a record gives it: a UUID of version 8, with the stream and the offset.
fn id(place: Origin) -> u128 {
    const VERSION: u128 = 8 << 76;
    const VARIANT: u128 = 2 << 62;
    const STREAM_MAX: u64 = (1 << 48) - 1;
    const OFFSET_MAX: u64 = (1 << 62) - 1;
    u128::from(place.stream.0 & STREAM_MAX) << 80 | VERSION | VARIANT | u128::from(place.offset.0 & OFFSET_MAX)
}

/// The body as text, and how it was written if it was none.
fn body(bytes: &Bytes) -> (ByteString, Option<&'static str>) {
    match sqs_text(bytes) {
        Some(text) => (text, None),
        None => (base64(bytes).into(), Some("base64")),
    }
}

/// A key that can be the id of a group.
fn group(key: &Bytes) -> Option<ByteString> {
    let text = ByteString::try_from(key.clone()).ok()?;
    let fits = (1..=GROUP_CHARACTERS_MAX).contains(&text.len());
    (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

/// Makes attributes of headers; returns those that cannot be one, as JSON without its brackets.
fn add_headers(sqs: &mut SqsNative, headers: &[Header]) -> String {
    let types: HashMap<&[u8], &Header> =
        headers.iter().filter_map(|header| Some((header.key.strip_prefix(SQS_TYPE.as_bytes())?, header))).collect();
    let mut taken = HashSet::new();
    let mut unnamed = String::new();
    for header in headers {
        if header.key.starts_with(SQS_TYPE.as_bytes()) {
            continue;
        }
        let trace = header.value.as_ref().filter(|_| header.key == TRACE.as_bytes()).and_then(sqs_text);
        if let Some(trace) = trace {
            sqs.system_attributes = vec![text(TRACE.strip_prefix(SQS_SYSTEM).unwrap_or_default(), trace)];
            continue;
        }
        match attribute(header, types.get(&header.key[..]).copied()) {
            Some(attribute) if taken.insert(&header.key) => sqs.attributes.push(attribute),
            _ => push_unnamed(&mut unnamed, header),
        }
    }
    unnamed
}

fn attribute(header: &Header, data_type: Option<&Header>) -> Option<SqsAttribute> {
    let name = ByteString::try_from(header.key.clone()).ok().filter(|name| is_name(name))?;
    let value = header.value.as_ref().filter(|value| !value.is_empty())?;
    let wanted = data_type.and_then(|header| header.value.clone()).and_then(|value| ByteString::try_from(value).ok());
    let wanted = wanted.filter(|wanted| wanted.len() <= TYPE_CHARACTERS_MAX && sqs_text(wanted.as_bytes()).is_some());
    let (data_type, value) = typed(wanted, value);
    Some(SqsAttribute { name, data_type, value })
}

/// A value of the type that its writer wanted, if it can be one.
fn typed(wanted: Option<ByteString>, value: &Bytes) -> (ByteString, SqsValue) {
    let wanted = wanted.map(|wanted| (base_type(&wanted), wanted));
    match (wanted, sqs_text(value)) {
        (Some((BaseType::Binary, wanted)), _) => (wanted, SqsValue::Binary(value.clone())),
        (Some((BaseType::Number, wanted)), Some(text)) if is_number(&text) => (wanted, SqsValue::Text(text)),
        (Some((BaseType::String, wanted)), Some(text)) => (wanted, SqsValue::Text(text)),
        (_, Some(text)) => (STRING.into(), SqsValue::Text(text)),
        (_, None) => (BINARY.into(), SqsValue::Binary(value.clone())),
    }
}

enum BaseType {
    String,
    Number,
    Binary,
    Other,
}

/// The type before its label.
fn base_type(data_type: &str) -> BaseType {
    match data_type.split_once('.').map_or(data_type, |(base, _)| base) {
        "String" => BaseType::String,
        "Number" => BaseType::Number,
        "Binary" => BaseType::Binary,
        _ => BaseType::Other,
    }
}

/// Whether SQS lets a sender call an attribute so.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let lower = name.to_ascii_lowercase();
    (1..=NAME_CHARACTERS_MAX).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !["aws.", "amazon."].iter().any(|reserved| lower.starts_with(reserved))
        && !matches!(name, "omnibus.body" | "omnibus.kafka.key" | "omnibus.kafka.headers")
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'))
        && text.parse::<f64>().is_ok()
}

fn push_unnamed(json: &mut String, header: &Header) {
    if !json.is_empty() {
        json.push(',');
    }
    let value = header.value.as_ref().map_or_else(|| "null".into(), |value| format!("\"{}\"", base64(value)));
    json.push_str(&format!("[\"{}\",{value}]", base64(&header.key)));
}

fn text(name: &str, value: impl Into<ByteString>) -> SqsAttribute {
    SqsAttribute { name: name.into(), data_type: STRING.into(), value: SqsValue::Text(value.into()) }
}

fn binary(name: &str, value: Bytes) -> SqsAttribute {
    SqsAttribute { name: name.into(), data_type: BINARY.into(), value: SqsValue::Binary(value) }
}
