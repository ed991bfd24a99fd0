//! Whether the node is well.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use omnibus_amqp::administration::{After, Posted, QueueWish, Shortage};
use omnibus_amqp::wire::Properties;
use omnibus_engine::Health;
use serde_json::{Value, json};

use crate::answers::{Answer, Failure, known_host};
use crate::caller::Caller;
use crate::site::{SharedSite, Site};

/// The queue that a test of life uses.
const TEST_QUEUE: &str = "aliveness-test";

fn well() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// Declares a queue, publishes to it, and takes what it published.
pub(crate) async fn aliveness(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(of): Path<String>,
) -> Answer {
    let host = known_host(&site, &of).await?;
    let queue = host.full(TEST_QUEUE);
    let wish = QueueWish { name: queue.clone(), ..QueueWish::default() };
    let user = &caller.name;
    site.administration.may_declare_queue(user, &wish)?;
    site.administration.may_read_queue(user, &queue)?;
    site.administration.declare_queue(wish).await?;
    let body = Bytes::from_static(b"test_message");
    let (key, properties) = (TEST_QUEUE.to_owned(), Properties::default());
    let posted = Posted { host, exchange: String::new(), key, properties, body };
    site.administration.publish(posted, user).await?;
    let got = site.administration.get(&queue, 1, After::Accept).await?;
    match got.is_empty() {
        false => Ok(Json(json!({ "status": "ok" }))),
        true => Err(Failure::bad("a message was published and did not come")),
    }
}

/// Whether there is too little room on the disk, or it cannot be written.
pub(crate) fn disk_alarm(site: &Site) -> bool {
    let engine = site.administration.engine();
    engine.log_stats().free_bytes < site.disk_reserve_bytes || engine.health() != Health::Well
}

/// Whether publishers wait for memory.
pub(crate) fn memory_alarm(site: &Site) -> bool {
    site.administration.shortage() == Some(Shortage::Memory)
}

pub(crate) async fn alarms(State(site): State<SharedSite>) -> Response {
    let alarms = [("disk", disk_alarm(&site)), ("memory", memory_alarm(&site))];
    let alarms = alarms.iter().filter(|(_, is_on)| *is_on);
    let alarms: Vec<Value> = alarms.map(|(resource, _)| json!({ "node": site.name(), "resource": resource })).collect();
    if alarms.is_empty() {
        return well();
    }
    let reason = "There are alarms in effect in the cluster";
    Failure::unwell(json!({ "status": "failed", "reason": reason, "alarms": alarms }))
}

pub(crate) async fn local_alarms(site: State<SharedSite>) -> Response {
    alarms(site).await
}

pub(crate) async fn virtual_hosts() -> Response {
    well()
}

pub(crate) async fn ready(site: State<SharedSite>) -> Response {
    alarms(site).await
}

pub(crate) async fn port_listener(State(site): State<SharedSite>, Path(port): Path<u16>) -> Response {
    let ports: Vec<u16> = site.listening.iter().map(|each| each.address.port()).collect();
    if ports.contains(&port) {
        return Json(json!({ "status": "ok", "port": port })).into_response();
    }
    Failure::unwell(json!({ "status": "failed", "reason": "No active listener", "missing": port, "ports": ports }))
}

pub(crate) async fn protocol_listener(State(site): State<SharedSite>, Path(protocol): Path<String>) -> Response {
    let wanted = match &*protocol.to_lowercase() {
        "amqp091" | "amqp" | "amqp0.9.1" | "amqp0-9-1" => "amqp".to_owned(),
        other => other.to_owned(),
    };
    let protocols: Vec<&str> = site.listening.iter().map(|each| each.protocol).collect();
    if protocols.contains(&&*wanted) {
        return Json(json!({ "status": "ok", "protocol": protocol })).into_response();
    }
    let reason = "No active listener";
    Failure::unwell(json!({ "status": "failed", "reason": reason, "missing": protocol, "protocols": protocols }))
}

/// Whether a certificate runs out soon. There is none: clients are not talked to over TLS.
pub(crate) async fn certificate_expiration(Path((within, unit)): Path<(String, String)>) -> Answer {
    if !["days", "weeks", "months", "years"].contains(&&*unit) {
        return Err(Failure::bad("Time unit not recognised. Supported units: days, weeks, months, years."));
    }
    within.parse::<u32>().map_err(|_| Failure::bad("Invalid expiration value."))?;
    Ok(Json(json!({ "status": "ok" })))
}

/// Whether shards would be without a leader if this node went.
pub(crate) async fn quorum_critical(State(site): State<SharedSite>) -> Response {
    let nodes = site.nodes();
    if nodes.len() == 1 {
        return Json(json!({ "status": "ok", "reason": "single node cluster" })).into_response();
    }
    let reached = nodes.iter().filter(|node| site.administration.engine().reaches(**node)).count();
    let majority = nodes.len() / 2 + 1;
    if reached > majority {
        return well();
    }
    let reason = format!("{reached} of {} nodes are reached: without this one there is no majority", nodes.len());
    Failure::unwell(json!({ "status": "failed", "reason": reason, "queues": [] }))
}
