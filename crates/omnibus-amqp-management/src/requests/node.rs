//! The node, its cluster, and how much there is of everything.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use omnibus_amqp::administration::QueueLoad;
use serde_json::{Value, json};

use super::health::{disk_alarm, memory_alarm};
use crate::answers::{Answer, Failure};
use crate::caller::Caller;
use crate::listing::Listing;
use crate::rates::Rates;
use crate::site::{Process, RABBITMQ, SharedSite, Site};

pub(crate) async fn overview(
    State(site): State<SharedSite>,
    Extension(rates): Extension<Arc<Rates>>,
    Extension(caller): Extension<Caller>,
    listing: Listing,
) -> Answer {
    // Of what others have only their sums are told, and those only to who sees everything.
    let sees = |full: &str| caller.is_monitor() || caller.sees_name(full);
    let mut queues = site.administration.queues();
    queues.retain(|queue| sees(queue.name.as_str()));
    let queue_count = queues.len();
    let loads: Vec<QueueLoad> = if listing.wants_loads() {
        site.administration.loads(queues).await.into_iter().filter_map(|(_, load)| load.ok()).collect()
    } else {
        Vec::new()
    };
    let ready: u64 = loads.iter().map(|load| load.ready).sum();
    let unacknowledged: u64 = loads.iter().map(|load| load.unacknowledged).sum();
    let consumers: u64 = loads.iter().map(|load| u64::from(load.consumers)).sum();
    let mut connections = site.administration.describe_connections().await;
    connections.retain(|(info, _)| caller.sees_connections_of(&info.user));
    let exchanges = site.administration.exchanges();
    let exchange_count = exchanges.iter().filter(|exchange| sees(exchange.name.as_str())).count();
    let stats = caller.is_monitor().then(|| rates.stats(&site.administration.tally().counts));
    let channels: usize = connections.iter().map(|(_, state)| state.channels.len()).sum();
    let mut shown = json!({
        "product_name": "Omnibus",
        "product_version": env!("CARGO_PKG_VERSION"),
        "management_version": RABBITMQ,
        "rabbitmq_version": RABBITMQ,
        "rates_mode": "basic",
        "exchange_types": exchange_types(),
        "cluster_name": site.cluster_id,
        "default_queue_type": "classic",
        "disable_stats": false,
        "enable_queue_totals": true,
        "message_stats": stats.unwrap_or_else(|| json!({})),
        "queue_totals": {
            "messages": ready + unacknowledged,
            "messages_ready": ready,
            "messages_unacknowledged": unacknowledged,
        },
        "object_totals": {
            "channels": channels,
            "connections": connections.len(),
            "consumers": consumers,
            "exchanges": exchange_count,
            "queues": queue_count,
        },
        "statistics_db_event_queue": 0,
    });
    if caller.is_monitor() {
        shown["node"] = site.name().into();
        shown["listeners"] = listeners(&site);
        shown["contexts"] = contexts(&site);
    }
    Ok(Json(listing.cut_one(shown)))
}

/// A cluster keeps the name that it was founded with.
pub(crate) async fn put_cluster_name() -> Failure {
    Failure::bad("a cluster is called by what it was founded with, and cannot be renamed")
}

pub(crate) async fn cluster_name(State(site): State<SharedSite>) -> Json<Value> {
    Json(json!({ "name": site.cluster_id }))
}

pub(crate) async fn extensions() -> Json<Value> {
    Json(json!([]))
}

pub(crate) async fn nodes(State(site): State<SharedSite>, listing: Listing) -> Answer {
    listing.cut(all(&site)).map(Json)
}

pub(crate) async fn one(State(site): State<SharedSite>, Path(name): Path<String>, listing: Listing) -> Answer {
    let found = all(&site).into_iter().find(|node| node["name"] == *name);
    Ok(Json(listing.cut_one(found.ok_or_else(Failure::missing)?)))
}

fn all(site: &Site) -> Vec<Value> {
    let engine = site.administration.engine();
    let shown = |node| match node == site.node {
        true => own(site),
        // What it has of its own it is asked for itself.
        false => json!({ "name": Site::name_of(node), "type": "disc", "running": engine.reaches(node) }),
    };
    site.nodes().into_iter().map(shown).collect()
}

fn own(site: &Site) -> Value {
    let log = site.administration.engine().log_stats();
    let mechanisms = ["PLAIN", "AMQPLAIN"].map(|name| json!({ "name": name, "enabled": true }));
    let uptime = u64::try_from(site.uptime().as_millis()).unwrap_or(u64::MAX);
    let Process { memory_bytes, open_files, open_files_max } = (site.read_process)();
    json!({
        "name": site.name(),
        "type": "disc",
        "running": true,
        "os_pid": std::process::id().to_string(),
        "uptime": uptime,
        "rates_mode": "basic",
        "processors": std::thread::available_parallelism().map_or(1, usize::from),
        "disk_free": log.free_bytes,
        "disk_free_limit": site.disk_reserve_bytes,
        "disk_free_alarm": disk_alarm(site),
        "mem_used": memory_bytes,
        "mem_alarm": memory_alarm(site),
        "fd_used": open_files,
        "fd_total": open_files_max,
        "partitions": [],
        "being_drained": false,
        "sockets_used": site.administration.connections().len(),
        "exchange_types": exchange_types(),
        "auth_mechanisms": mechanisms,
        "applications": [],
        "contexts": contexts(site),
        "enabled_plugins": ["rabbitmq_management", "rabbitmq_prometheus"],
    })
}

fn exchange_types() -> Value {
    let kinds = ["direct", "fanout", "headers", "topic", "x-consistent-hash", "x-delayed-message"];
    kinds.map(|name| json!({ "name": name, "description": format!("AMQP {name} exchange"), "enabled": true })).into()
}

fn listeners(site: &Site) -> Value {
    let listener = |each: &crate::site::Listening| {
        json!({
            "node": site.name(),
            "protocol": each.protocol,
            "ip_address": each.address.ip().to_string(),
            "port": each.address.port(),
        })
    };
    site.listening.iter().map(listener).collect()
}

fn contexts(site: &Site) -> Value {
    let of_http = site.listening.iter().filter(|each| each.protocol == "http");
    let context = |each: &crate::site::Listening| {
        json!({
            "node": site.name(),
            "description": "RabbitMQ Management",
            "path": "/",
            "ip": each.address.ip().to_string(),
            "port": each.address.port().to_string(),
        })
    };
    of_http.map(context).collect()
}
