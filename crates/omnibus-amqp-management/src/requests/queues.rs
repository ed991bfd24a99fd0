//! Queues.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use omnibus_amqp::administration::{Host, QueueInfo, QueueLoad, QueueWish, Refused, plain};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::connections;
use crate::answers::{Answer, Body, Done, Failure, done, flag, host, known_host, made, object};
use crate::caller::Caller;
use crate::json;
use crate::listing::Listing;
use crate::rates::Rates;
use crate::site::{SharedSite, Site};

/// What a queue shall be.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    #[serde(default, deserialize_with = "flag")]
    durable: bool,
    #[serde(default, deserialize_with = "flag")]
    auto_delete: bool,
    #[serde(default, deserialize_with = "object")]
    arguments: Map<String, Value>,
}

/// Under which conditions something is deleted.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Conditions {
    #[serde(default, rename = "if-unused")]
    pub(crate) if_unused: String,
    #[serde(default, rename = "if-empty")]
    if_empty: String,
}

pub(crate) async fn list(
    State(site): State<SharedSite>,
    Extension(rates): Extension<Arc<Rates>>,
    Extension(caller): Extension<Caller>,
    listing: Listing,
) -> Answer {
    let mut queues = site.administration.queues();
    queues.retain(|queue| caller.sees_name(queue.name.as_str()));
    cut((&site, &rates), queues, &listing).await
}

pub(crate) async fn list_host(
    State(site): State<SharedSite>,
    Extension(rates): Extension<Arc<Rates>>,
    Path(name): Path<String>,
    listing: Listing,
) -> Answer {
    let host = known_host(&site, &name).await?;
    let mut queues = site.administration.queues();
    queues.retain(|queue| Host::of(queue.name.as_str()) == host);
    cut((&site, &rates), queues, &listing).await
}

async fn cut((site, rates): (&Site, &Rates), queues: Vec<QueueInfo>, listing: &Listing) -> Answer {
    let rows = if listing.wants_loads() {
        rates.want_queues(site).await;
        site.administration
            .loads(queues)
            .await
            .iter()
            .map(|(queue, load)| row((site, rates), queue, load.as_ref().ok()))
            .collect()
    } else {
        queues.iter().map(|queue| Value::Object(basics(site, queue))).collect()
    };
    listing.cut(rows).map(Json)
}

pub(crate) async fn one(
    State(site): State<SharedSite>,
    Extension(rates): Extension<Arc<Rates>>,
    Path((of, queue)): Path<(String, String)>,
    listing: Listing,
) -> Answer {
    let queue = find(&site, &known_host(&site, &of).await?.full(&queue)).await?;
    let load = site.administration.load(&queue).await?;
    rates.want_queues(&site).await;
    let mut shown = with_load((&site, &rates), &queue, load);
    let consumers = connections::consumers_of(&site, queue.name.as_str()).await;
    shown.insert("consumer_details".to_owned(), consumers.into());
    shown.insert("incoming".to_owned(), json!([]));
    shown.insert("deliveries".to_owned(), json!([]));
    Ok(Json(listing.cut_one(Value::Object(shown))))
}

pub(crate) async fn declare(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path((of, name)): Path<(String, String)>,
    Body(wish): Body<Wish>,
) -> Done {
    let name = host(&site, &of).await?.full(&name);
    let arguments = json::table(&wish.arguments)?;
    let wish = QueueWish { name, is_durable: wish.durable, is_auto_delete: wish.auto_delete, arguments };
    let wish = site.administration.complete(wish);
    site.administration.may_declare_queue(&caller.name, &wish)?;
    Ok(made(site.administration.declare_queue(wish).await?))
}

pub(crate) async fn delete(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path((of, name)): Path<(String, String)>,
    Query(conditions): Query<Conditions>,
) -> Done {
    let name = host(&site, &of).await?.full(&name);
    let conditions = (conditions.if_unused == "true", conditions.if_empty == "true");
    site.administration.may_delete_queue(&caller.name, &name)?;
    site.administration.delete_queue(&name, conditions).await.map_err(of_path)?;
    Ok(done())
}

pub(crate) async fn purge(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path((of, name)): Path<(String, String)>,
) -> Done {
    let name = host(&site, &of).await?.full(&name);
    site.administration.may_read_queue(&caller.name, &name)?;
    site.administration.purge(&name).await.map_err(of_path)?;
    Ok(done())
}

/// What the path names and is not there is told as such.
pub(crate) fn of_path(refused: Refused) -> Failure {
    if refused.code == 404 { Failure::missing() } else { refused.into() }
}

/// Finds a queue by its whole name, also one that was created at another node a moment ago.
pub(crate) async fn find(site: &Site, name: &str) -> Result<QueueInfo, Failure> {
    if let Some(queue) = site.administration.queue(name) {
        return Ok(queue);
    }
    site.administration.engine().learn_names().await;
    site.administration.queue(name).ok_or_else(Failure::missing)
}

/// A queue with what is in it; of one that cannot be looked at now, only what it is.
fn row((site, rates): (&Site, &Rates), queue: &QueueInfo, load: Option<&QueueLoad>) -> Value {
    match load {
        Some(load) => with_load((site, rates), queue, *load).into(),
        None => {
            let mut shown = basics(site, queue);
            shown.insert("state".to_owned(), json!("down"));
            shown.into()
        }
    }
}

fn with_load((site, rates): (&Site, &Rates), queue: &QueueInfo, load: QueueLoad) -> Map<String, Value> {
    let mut shown = basics(site, queue);
    let more = json!({
        "state": "running",
        "messages": load.ready + load.unacknowledged,
        "messages_ready": load.ready,
        "messages_unacknowledged": load.unacknowledged,
        "consumers": load.consumers,
        "policy": queue.policy.name,
        "operator_policy": queue.policy.operator,
        "effective_policy_definition": json::of_table(&queue.policy.definition),
        "exclusive_consumer_tag": null,
        "single_active_consumer_tag": null,
        "head_message_timestamp": null,
    });
    if let Value::Object(more) = more {
        shown.extend(more);
    }
    shown.extend(rates.of_queue(queue.place).map(|stats| ("message_stats".to_owned(), stats)));
    shown
}

/// What a queue is, without looking at it.
pub(crate) fn basics(site: &Site, queue: &QueueInfo) -> Map<String, Value> {
    let leader = site.leader(queue.place.shard());
    let mut shown = Map::new();
    let name = queue.name.as_str();
    shown.insert("name".to_owned(), json!(plain(name)));
    shown.insert("vhost".to_owned(), json!(Host::of(name).name()));
    shown.insert("durable".to_owned(), json!(queue.is_durable));
    shown.insert("auto_delete".to_owned(), json!(queue.is_auto_delete));
    shown.insert("exclusive".to_owned(), json!(queue.owner.is_some()));
    shown.insert("arguments".to_owned(), json::of_table(&queue.arguments));
    shown.insert("type".to_owned(), json!(queue.kind()));
    shown.insert("node".to_owned(), json!(leader));
    if let Some(owner) = &queue.owner {
        let known = site.administration.connections();
        let owner = known.iter().find(|connection| connection.owner == *owner);
        let ends = owner.map(|owner| {
            let peer = owner.ends.peer;
            json!({ "name": owner.name(), "peer_host": peer.ip().to_string(), "peer_port": peer.port() })
        });
        shown.extend(ends.map(|ends| ("owner_pid_details".to_owned(), ends)));
    }
    shown
}
