//! AMQP's values as JSON, in RabbitMQ's shapes, and back.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use omnibus_amqp::wire::{Properties, Table, Value};
use serde_json::{Map, Number, Value as Json, json};

/// How deep values may lie in each other.
const DEPTH_MAX: u32 = 16;

/// Why JSON is no value of AMQP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfit(pub(crate) String);

pub(crate) fn of_table(table: &Table) -> Json {
    let field = |(name, value): &(Bytes, Value)| (text(name), of_value(value));
    Json::Object(table.0.iter().map(field).collect())
}

fn of_value(value: &Value) -> Json {
    let fraction = |number: f64| Number::from_f64(number).map_or(Json::Null, Json::Number);
    match value {
        Value::Bool(value) => json!(value),
        Value::Float(bits) => fraction(f64::from(f32::from_bits(*bits))),
        Value::Double(bits) => fraction(f64::from_bits(*bits)),
        Value::Decimal(digits, number) => fraction(f64::from(*number) / 10_f64.powi(i32::from(*digits))),
        Value::Text(bytes) | Value::Binary(bytes) => json!(text(bytes)),
        Value::Array(values) => values.iter().map(of_value).collect(),
        Value::Timestamp(seconds) => json!(seconds),
        Value::Table(table) => of_table(table),
        Value::Void => Json::Null,
        number => json!(number.integer()),
    }
}

/// Text, with marks in place of what is none.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads a table of arguments or headers.
pub(crate) fn table(fields: &Map<String, Json>) -> Result<Table, Unfit> {
    table_at(fields, 0)
}

fn table_at(fields: &Map<String, Json>, depth: u32) -> Result<Table, Unfit> {
    let field = |(name, value): (&String, &Json)| {
        if name.len() > usize::from(u8::MAX) {
            return Err(Unfit("a name is longer than 255 bytes".to_owned()));
        }
        Ok((Bytes::from(name.clone()), value_at(value, depth)?))
    };
    fields.iter().map(field).collect::<Result<Vec<_>, Unfit>>().map(Table)
}

fn value_at(value: &Json, depth: u32) -> Result<Value, Unfit> {
    if depth > DEPTH_MAX {
        return Err(Unfit("values lie too deep in each other".to_owned()));
    }
    Ok(match value {
        Json::Null => Value::Void,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::I64(whole),
            (None, Some(fraction)) if number.is_f64() => Value::Double(fraction.to_bits()),
            _ => return Err(Unfit(format!("{number} is too large"))),
        },
        Json::String(text) => Value::text(text),
        Json::Array(values) => {
            Value::Array(values.iter().map(|each| value_at(each, depth + 1)).collect::<Result<_, _>>()?)
        }
        Json::Object(fields) => Value::Table(table_at(fields, depth + 1)?),
    })
}

/// The properties that a message has.
pub(crate) fn of_properties(properties: &Properties) -> Json {
    let mut shown = Map::new();
    let texts = [
        ("content_type", &properties.content_type),
        ("content_encoding", &properties.content_encoding),
        ("correlation_id", &properties.correlation_id),
        ("reply_to", &properties.reply_to),
        ("expiration", &properties.expiration),
        ("message_id", &properties.message_id),
        ("type", &properties.kind),
        ("user_id", &properties.user_id),
        ("app_id", &properties.app_id),
        ("cluster_id", &properties.cluster_id),
    ];
    for (name, value) in texts {
        shown.extend(value.as_ref().map(|value| (name.to_owned(), json!(text(value)))));
    }
    let numbers = [
        ("delivery_mode", properties.delivery_mode.map(u64::from)),
        ("priority", properties.priority.map(u64::from)),
        ("timestamp", properties.timestamp),
    ];
    for (name, value) in numbers {
        shown.extend(value.map(|value| (name.to_owned(), json!(value))));
    }
    shown.extend(properties.headers.as_ref().map(|headers| ("headers".to_owned(), of_table(headers))));
    Json::Object(shown)
}

/// Reads the properties of a message that is to be published.
pub(crate) fn properties(given: &Map<String, Json>) -> Result<Properties, Unfit> {
    let mut read = Properties::default();
    for (name, value) in given {
        match &**name {
            "content_type" => read.content_type = short(name, value)?,
            "content_encoding" => read.content_encoding = short(name, value)?,
            "correlation_id" => read.correlation_id = short(name, value)?,
            "reply_to" => read.reply_to = short(name, value)?,
            "expiration" => read.expiration = short(name, value)?,
            "message_id" => read.message_id = short(name, value)?,
            "type" => read.kind = short(name, value)?,
            "user_id" => read.user_id = short(name, value)?,
            "app_id" => read.app_id = short(name, value)?,
            "cluster_id" => read.cluster_id = short(name, value)?,
            "delivery_mode" => read.delivery_mode = Some(octet(name, value)?),
            "priority" => read.priority = Some(octet(name, value)?),
            "timestamp" => read.timestamp = Some(value.as_u64().ok_or_else(|| not_int(name))?),
            "headers" => {
                let headers = value.as_object().ok_or_else(|| Unfit("headers is not an object".to_owned()))?;
                read.headers = Some(table(headers)?);
            }
            other => return Err(Unfit(format!("there is no property {other}"))),
        }
    }
    Ok(read)
}

fn short(name: &str, value: &Json) -> Result<Option<Bytes>, Unfit> {
    let text = value.as_str().ok_or_else(|| Unfit(format!("not_string: {name}")))?;
    if text.len() > usize::from(u8::MAX) {
        return Err(Unfit(format!("{name} is longer than 255 bytes")));
    }
    Ok(Some(Bytes::from(text.to_owned())))
}

fn octet(name: &str, value: &Json) -> Result<u8, Unfit> {
    value.as_u64().and_then(|number| u8::try_from(number).ok()).ok_or_else(|| not_int(name))
}

fn not_int(name: &str) -> Unfit {
    Unfit(format!("not_int: {name}"))
}

/// A body as text if it is some, and in base64 otherwise.
pub(crate) fn of_body(body: &[u8], always_base64: bool) -> (String, &'static str) {
    match std::str::from_utf8(body) {
        Ok(text) if !always_base64 => (text.to_owned(), "string"),
        _ => (BASE64_STANDARD.encode(body), "base64"),
    }
}

/// Reads a body.
pub(crate) fn body(payload: &str, encoding: &str) -> Result<Bytes, Unfit> {
    match encoding {
        "string" => Ok(Bytes::from(payload.to_owned())),
        "base64" => {
            let decoded = BASE64_STANDARD.decode(payload);
            decoded.map(Bytes::from).map_err(|error| Unfit(format!("the payload is not base64: {error}")))
        }
        other => Err(Unfit(format!("unsupported_encoding: {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_back_as_they_were_given() {
        let given = json!({"n": 1, "f": 1.5, "t": "x", "b": true, "l": [1, "a", {"k": null}]});
        let read = table(given.as_object().unwrap()).unwrap();
        assert_eq!(read.get("n"), Some(&Value::I64(1)));
        assert_eq!(of_table(&read), given);
        assert!(table(json!({"n": u64::MAX}).as_object().unwrap()).is_err());
    }

    #[test]
    fn properties_come_back_as_they_were_given() {
        let given = json!({"content_type": "text/plain", "delivery_mode": 2, "headers": {"h": 1}, "timestamp": 7,
            "type": "t", "priority": 3});
        assert_eq!(of_properties(&properties(given.as_object().unwrap()).unwrap()), given);
        for wrong in
            [json!({"delivery_mode": "2"}), json!({"nope": 1}), json!({"headers": []}), json!({"priority": 256})]
        {
            assert!(properties(wrong.as_object().unwrap()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn body_that_is_no_text_is_base64() {
        assert_eq!(of_body(b"abc", false), ("abc".to_owned(), "string"));
        assert_eq!(of_body(b"abc", true), ("YWJj".to_owned(), "base64"));
        assert_eq!(of_body(b"\xff\0", false), ("/wA=".to_owned(), "base64"));
        assert_eq!(body("/wA=", "base64").unwrap(), &b"\xff\0"[..]);
        assert!(body("/w", "base64").is_err() && body("x", "zip").is_err());
    }
}
