//! Exchanges.

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use omnibus_amqp::administration::{ExchangeInfo, ExchangeWish, Host, plain};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::queues::{Conditions, of_path};
use crate::answers::{Answer, Body, Done, Failure, done, flag, host, known_host, made, object};
use crate::caller::Caller;
use crate::json;
use crate::listing::Listing;
use crate::site::SharedSite;

/// What the default exchange is called where a name cannot be empty.
const DEFAULT: &str = "amq.default";

/// What an exchange shall be.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    durable: bool,
    #[serde(default, deserialize_with = "flag")]
    auto_delete: bool,
    #[serde(default, deserialize_with = "flag")]
    internal: bool,
    #[serde(default, deserialize_with = "object")]
    arguments: Map<String, Value>,
}

/// The name that a path stands for.
pub(crate) fn named(name: &str) -> &str {
    if name == DEFAULT { "" } else { name }
}

pub(crate) async fn list(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    listing: Listing,
) -> Answer {
    let exchanges = site.administration.exchanges();
    let seen = exchanges.iter().filter(|exchange| caller.sees_name(exchange.name.as_str()));
    listing.cut(seen.map(shown).collect()).map(Json)
}

pub(crate) async fn list_host(State(site): State<SharedSite>, Path(name): Path<String>, listing: Listing) -> Answer {
    let host = known_host(&site, &name).await?;
    let exchanges = site.administration.exchanges();
    let of_host = exchanges.iter().filter(|exchange| Host::of(exchange.name.as_str()) == host);
    listing.cut(of_host.map(shown).collect()).map(Json)
}

pub(crate) async fn one(
    State(site): State<SharedSite>,
    Path((of, exchange)): Path<(String, String)>,
    listing: Listing,
) -> Answer {
    let name = known_host(&site, &of).await?.full(named(&exchange));
    let found = match site.administration.exchange(&name) {
        Some(found) => Some(found),
        // It may have been created at another node a moment ago.
        None => {
            site.administration.engine().learn_names().await;
            site.administration.exchange(&name)
        }
    };
    Ok(Json(listing.cut_one(shown(&found.ok_or_else(Failure::missing)?))))
}

pub(crate) async fn declare(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path((of, name)): Path<(String, String)>,
    Body(wish): Body<Wish>,
) -> Done {
    let name = host(&site, &of).await?.full(named(&name));
    let wish = ExchangeWish {
        kind: wish.kind.unwrap_or_else(|| "direct".to_owned()),
        is_durable: wish.durable,
        is_auto_delete: wish.auto_delete,
        is_internal: wish.internal,
        arguments: json::table(&wish.arguments)?,
    };
    site.administration.may_declare_exchange(&caller.name, &name, &wish)?;
    Ok(made(site.administration.declare_exchange(&name, wish).await?))
}

pub(crate) async fn delete(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path((of, name)): Path<(String, String)>,
    Query(conditions): Query<Conditions>,
) -> Done {
    let name = host(&site, &of).await?.full(named(&name));
    site.administration.may_delete_exchange(&caller.name, &name)?;
    site.administration.delete_exchange(&name, conditions.if_unused == "true").await.map_err(of_path)?;
    Ok(done())
}

fn shown(exchange: &ExchangeInfo) -> Value {
    let name = exchange.name.as_str();
    json!({
        "name": plain(name),
        "vhost": Host::of(name).name(),
        "type": exchange.kind,
        "durable": exchange.is_durable,
        "auto_delete": exchange.is_auto_delete,
        "internal": exchange.is_internal,
        "arguments": json::of_table(&exchange.arguments),
        "policy": exchange.policy.name,
    })
}
