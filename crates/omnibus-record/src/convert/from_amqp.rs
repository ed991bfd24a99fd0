//! What other protocols see of an AMQP message: headers.

use bytes::Bytes;

use super::SQS_TYPE;
use super::text::base64;
use super::to_kafka::header;
use crate::amqp::{Properties, Table, Value};
use crate::message::AmqpNative;
use crate::record::Header;

/// Where the properties go that have no name of their own elsewhere.
pub(super) const PROPERTY: &str = "omnibus.amqp.";
/// Says the type of the header whose name follows, by AMQP's letter, if it is not a text.
pub(super) const TYPE: &str = "omnibus.amqp.type.";
pub(super) const CONTENT_TYPE: &str = "content-type";
pub(super) const CONTENT_ENCODING: &str = "content-encoding";

/// All that a message says beside its body.
pub(super) fn headers(native: &AmqpNative) -> Vec<Header> {
    let mut out = Vec::new();
    // A door that takes messages has read the properties before.
    let properties = Properties::read(&native.properties).unwrap_or_default();
    let named = [(CONTENT_TYPE, &properties.content_type), (CONTENT_ENCODING, &properties.content_encoding)];
    out.extend(named.into_iter().filter_map(|(name, text)| Some(header(name, text.clone()?))));
    for (name, value) in properties.headers.iter().flat_map(|Table(fields)| fields) {
        add(&mut out, name, value);
    }
    out.push(property("exchange", native.exchange.clone()));
    out.push(property("routing-key", native.routing_key.clone()));
    let texts = [
        ("correlation-id", &properties.correlation_id),
        ("reply-to", &properties.reply_to),
        ("expiration", &properties.expiration),
        ("message-id", &properties.message_id),
        ("type", &properties.kind),
        ("user-id", &properties.user_id),
        ("app-id", &properties.app_id),
        ("cluster-id", &properties.cluster_id),
    ];
    out.extend(texts.into_iter().filter_map(|(name, text)| Some(property(name, text.clone()?))));
    let numbers = [
        ("delivery-mode", properties.delivery_mode.map(u64::from)),
        ("priority", properties.priority.map(u64::from)),
        ("timestamp", properties.timestamp),
    ];
    out.extend(numbers.into_iter().filter_map(|(name, number)| Some(property(name, number?.to_string()))));
    out
}

fn property(name: &str, value: impl Into<Bytes>) -> Header {
    header(&[PROPERTY, name].concat(), value)
}

/// Adds a header, and what its type is if that is not clear.
fn add(out: &mut Vec<Header>, name: &Bytes, value: &Value) {
    out.push(Header { key: name.clone(), value: bytes(value) });
    let of_type = |prefix: &str, text: &str| Header {
        key: [prefix.as_bytes(), name].concat().into(),
        value: Some(Bytes::copy_from_slice(text.as_bytes())),
    };
    if !matches!(value, Value::Text(_) | Value::Binary(_)) {
        out.push(of_type(TYPE, &char::from(value.letter()).to_string()));
    }
    match value {
        Value::Binary(_) => out.push(of_type(SQS_TYPE, "Binary")),
        value if value.integer().is_some() || matches!(value, Value::Float(_) | Value::Double(_)) => {
            out.push(of_type(SQS_TYPE, "Number"));
        }
        _ => {}
    }
}

/// A value as bytes: texts as they are, numbers in decimals, lists and tables as JSON.
fn bytes(value: &Value) -> Option<Bytes> {
    match value {
        Value::Void => None,
        Value::Text(bytes) | Value::Binary(bytes) => Some(bytes.clone()),
        Value::Array(_) | Value::Table(_) => {
            let mut out = String::new();
            json(value, &mut out);
            Some(out.into())
        }
        plain => Some(plain_text(plain).into()),
    }
}

/// What is neither a text nor made of others.
fn plain_text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Float(bits) => f32::from_bits(*bits).to_string(),
        Value::Double(bits) => f64::from_bits(*bits).to_string(),
        Value::Decimal(digits, number) => format!("{number}e-{digits}"),
        Value::Timestamp(seconds) => seconds.to_string(),
        other => other.integer().map(|number| number.to_string()).unwrap_or_default(),
    }
}

fn json(value: &Value, out: &mut String) {
    match value {
        Value::Void => out.push_str("null"),
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => quote(text, out),
            Err(_) => quote(&base64(bytes), out),
        },
        Value::Binary(bytes) => quote(&base64(bytes), out),
        Value::Array(values) => {
            out.push('[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                json(value, out);
            }
            out.push(']');
        }
        Value::Table(Table(fields)) => {
            out.push('{');
            for (place, (name, value)) in fields.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                quote(&String::from_utf8_lossy(name), out);
                out.push(':');
                json(value, out);
            }
            out.push('}');
        }
        // JSON has no such numbers.
        Value::Float(bits) if !f32::from_bits(*bits).is_finite() => out.push_str("null"),
        Value::Double(bits) if !f64::from_bits(*bits).is_finite() => out.push_str("null"),
        plain => out.push_str(&plain_text(plain)),
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}
