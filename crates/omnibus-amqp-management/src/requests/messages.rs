//! Messages that are published and looked at by hand.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use omnibus_amqp::administration::{After, Got, Posted};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::exchanges::named;
use crate::answers::{Answer, Body, Failure, host};
use crate::caller::Caller;
use crate::json;
use crate::site::SharedSite;

/// A message that is to be published.
#[derive(Debug, Deserialize)]
pub(crate) struct Publish {
    routing_key: Option<String>,
    payload: Option<String>,
    payload_encoding: Option<String>,
    #[serde(default)]
    properties: Value,
}

/// Which messages somebody wants to see, and what becomes of them.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    count: Option<Value>,
    ackmode: Option<String>,
    encoding: Option<String>,
    truncate: Option<Value>,
}

pub(crate) async fn publish(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path((of, exchange)): Path<(String, String)>,
    Body(publish): Body<Publish>,
) -> Answer {
    let host = host(&site, &of).await?;
    let Publish { routing_key, payload, payload_encoding, properties } = publish;
    let keys = [
        ("routing_key", routing_key.is_none()),
        ("payload", payload.is_none()),
        ("payload_encoding", payload_encoding.is_none()),
    ];
    check_present(&keys)?;
    let (key, payload) = (routing_key.unwrap_or_default(), payload.unwrap_or_default());
    if key.len() > usize::from(u8::MAX) {
        return Err(Failure::bad("the routing key is longer than 255 bytes"));
    }
    let body = json::body(&payload, payload_encoding.as_deref().unwrap_or_default())?;
    let properties = match properties {
        Value::Object(given) => json::properties(&given)?,
        // An empty object, as some languages write it.
        Value::Array(empty) if empty.is_empty() => json::properties(&Map::new())?,
        Value::Null => json::properties(&Map::new())?,
        _ => return Err(Failure::bad("properties is not an object")),
    };
    let posted = Posted { host, exchange: named(&exchange).to_owned(), key, properties, body };
    let routed = site.administration.publish(posted, &caller.name).await.map_err(|refused| {
        let reason = format!("{} {} - {}", refused.code, refused.name, refused.text);
        if refused.code < 500 { Failure::bad(reason) } else { refused.into() }
    })?;
    Ok(Json(json!({ "routed": routed })))
}

pub(crate) async fn get(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path((of, queue)): Path<(String, String)>,
    Body(wanted): Body<Wanted>,
) -> Answer {
    let queue = host(&site, &of).await?.full(&queue);
    site.administration.may_read_queue(&caller.name, &queue)?;
    let Wanted { count, ackmode, encoding, truncate } = wanted;
    check_present(&[("count", count.is_none()), ("ackmode", ackmode.is_none()), ("encoding", encoding.is_none())])?;
    let count = count.as_ref().and_then(number).and_then(|count| u32::try_from(count).ok());
    let count = count.ok_or_else(|| Failure::bad("not_int: count"))?;
    let after = match ackmode.as_deref().unwrap_or_default() {
        "ack_requeue_true" | "reject_requeue_true" => After::Requeue,
        "ack_requeue_false" => After::Accept,
        "reject_requeue_false" => After::Reject,
        other => return Err(Failure::bad(format!("unknown ackmode {other}"))),
    };
    let always_base64 = match encoding.as_deref().unwrap_or_default() {
        "auto" => false,
        "base64" => true,
        other => return Err(Failure::bad(format!("unsupported_encoding: {other}"))),
    };
    let truncate = match &truncate {
        None | Some(Value::Null) => None,
        Some(bytes) => Some(number(bytes).ok_or_else(|| Failure::bad("not_int: truncate"))?),
    };
    let truncate = truncate.and_then(|bytes| usize::try_from(bytes).ok());
    let got = site.administration.get(&queue, count, after).await?;
    Ok(Json(got.iter().map(|got| shown(got, always_base64, truncate)).collect()))
}

/// What must be said.
fn check_present(keys: &[(&str, bool)]) -> Result<(), Failure> {
    let missing: Vec<String> =
        keys.iter().filter(|(_, is_missing)| *is_missing).map(|(key, _)| format!("{{key_missing,{key}}}")).collect();
    if missing.is_empty() { Ok(()) } else { Err(Failure::bad(format!("[{}]", missing.join(",")))) }
}

/// A number; some clients write it as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn shown(got: &Got, always_base64: bool, truncate: Option<usize>) -> Value {
    let shown = truncate.and_then(|bytes| got.body.get(..bytes)).unwrap_or(&got.body);
    let (payload, encoding) = json::of_body(shown, always_base64);
    json!({
        "payload_bytes": got.body.len(),
        "redelivered": got.is_redelivered,
        "exchange": json::text(&got.exchange),
        "routing_key": json::text(&got.key),
        "message_count": got.left,
        "properties": json::of_properties(&got.properties),
        "payload": payload,
        "payload_encoding": encoding,
    })
}
