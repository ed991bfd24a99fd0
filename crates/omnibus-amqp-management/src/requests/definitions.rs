//! Everything that was declared, as one document, and declared from one.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use omnibus_amqp::administration::{BindingInfo, ExchangeInfo, ExchangeWish, Leads, QueueInfo, QueueWish};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{bindings, policies};
use crate::answers::{Answer, Body, Done, Failure, check_host, flag, object};
use crate::json;
use crate::site::{RABBITMQ, SharedSite, Site, VIRTUAL_HOST};

/// A document of definitions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Definitions {
    users: Vec<Named>,
    vhosts: Vec<Named>,
    permissions: Vec<Permission>,
    topic_permissions: Vec<Value>,
    parameters: Vec<Value>,
    policies: Vec<Policy>,
    queues: Vec<Queue>,
    exchanges: Vec<Exchange>,
    bindings: Vec<Binding>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Permission {
    user: String,
    #[serde(default)]
    vhost: Option<String>,
    configure: String,
    write: String,
    read: String,
}

#[derive(Debug, Deserialize)]
struct Policy {
    name: String,
    #[serde(default)]
    vhost: Option<String>,
    #[serde(flatten)]
    wish: policies::Wish,
}

#[derive(Debug, Deserialize)]
struct Queue {
    name: String,
    #[serde(default)]
    vhost: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    durable: bool,
    #[serde(default, deserialize_with = "flag")]
    auto_delete: bool,
    #[serde(default, deserialize_with = "object")]
    arguments: Map<String, Value>,
    /// What RabbitMQ 4 writes beside the arguments.
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Exchange {
    name: String,
    #[serde(default)]
    vhost: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "flag")]
    durable: bool,
    #[serde(default, deserialize_with = "flag")]
    auto_delete: bool,
    #[serde(default, deserialize_with = "flag")]
    internal: bool,
    #[serde(default, deserialize_with = "object")]
    arguments: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Binding {
    source: String,
    #[serde(default)]
    vhost: Option<String>,
    destination: String,
    destination_type: String,
    #[serde(default)]
    routing_key: String,
    #[serde(default, deserialize_with = "object")]
    arguments: Map<String, Value>,
}

pub(crate) async fn export(State(site): State<SharedSite>) -> Json<Value> {
    let users: Vec<Value> =
        site.administration.users().iter().map(|name| json!({ "name": name, "tags": ["administrator"] })).collect();
    let allowed =
        |user: &String| json!({ "user": user, "vhost": VIRTUAL_HOST, "configure": ".*", "write": ".*", "read": ".*" });
    let permissions: Vec<Value> = site.administration.users().iter().map(allowed).collect();
    let mut all = json!({
        "rabbit_version": RABBITMQ,
        "rabbitmq_version": RABBITMQ,
        "product_name": "Omnibus",
        "product_version": env!("CARGO_PKG_VERSION"),
        "rabbitmq_definition_format": "cluster",
        "original_cluster_name": site.cluster_id,
        "users": users,
        "vhosts": [{ "name": VIRTUAL_HOST }],
        "permissions": permissions,
        "topic_permissions": [],
        "global_parameters": [],
    });
    add_names(&site, &mut all);
    Json(all)
}

/// What one virtual host has, without its name.
pub(crate) async fn export_host(State(site): State<SharedSite>, Path(host): Path<String>) -> Answer {
    check_host(&host).map_err(|_| Failure::missing())?;
    let mut all = json!({ "rabbit_version": RABBITMQ, "rabbitmq_version": RABBITMQ });
    add_names(&site, &mut all);
    for list in ["parameters", "policies", "queues", "exchanges", "bindings"] {
        for each in all[list].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            each.remove("vhost");
        }
    }
    Ok(Json(all))
}

fn add_names(site: &Site, all: &mut Value) {
    let queues = site.administration.queues();
    // An exclusive queue is its connection's.
    let queues = queues.iter().filter(|queue| queue.owner.is_none()).map(of_queue).collect();
    let exchanges = site.administration.exchanges();
    let is_there_anyway = |name: &str| name.is_empty() || name.starts_with("amq.");
    let exchanges = exchanges.iter().filter(|exchange| !is_there_anyway(exchange.name.as_str()));
    let exchanges = exchanges.map(of_exchange).collect();
    let bindings = site.administration.bindings();
    let bindings = bindings.iter().map(|binding| {
        let mut shown = bindings::shown(binding);
        if let Some(shown) = shown.as_object_mut() {
            shown.remove("properties_key");
        }
        shown
    });
    all["parameters"] = json!([]);
    all["policies"] = site.administration.policies().iter().map(policies::shown).collect();
    all["queues"] = queues;
    all["exchanges"] = exchanges;
    all["bindings"] = bindings.collect();
}

fn of_queue(queue: &QueueInfo) -> Value {
    json!({
        "name": queue.name.as_str(),
        "vhost": VIRTUAL_HOST,
        "durable": queue.is_durable,
        "auto_delete": queue.is_auto_delete,
        "arguments": json::of_table(&queue.arguments),
    })
}

fn of_exchange(exchange: &ExchangeInfo) -> Value {
    json!({
        "name": exchange.name.as_str(),
        "vhost": VIRTUAL_HOST,
        "type": exchange.kind,
        "durable": exchange.is_durable,
        "auto_delete": exchange.is_auto_delete,
        "internal": exchange.is_internal,
        "arguments": json::of_table(&exchange.arguments),
    })
}

pub(crate) async fn import(State(site): State<SharedSite>, Body(wanted): Body<Definitions>) -> Done {
    wanted.check(&site)?;
    wanted.carry_out(&site).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn import_host(state: State<SharedSite>, Path(host): Path<String>, body: Body<Definitions>) -> Done {
    check_host(&host)?;
    import(state, body).await
}

impl Definitions {
    /// Looks for what cannot be had, before anything is done.
    fn check(&self, site: &Site) -> Result<(), Failure> {
        let users = site.administration.users();
        let named = self.users.iter().map(|user| &user.name);
        let named = named.chain(self.permissions.iter().map(|permission| &permission.user));
        for user in named {
            if !users.contains(user) {
                let file = "users are those of the file that amqp.credentials_file names";
                return Err(Failure::bad(format!("there is no user {user}: {file}")));
            }
        }
        let less = |each: &&Permission| [&each.configure, &each.write, &each.read].iter().any(|right| **right != ".*");
        if let Some(permission) = self.permissions.iter().find(less) {
            return Err(Failure::bad(format!("the permissions of {} are less than .*", permission.user)));
        }
        for (what, is_there) in
            [("topic_permissions", !self.topic_permissions.is_empty()), ("parameters", !self.parameters.is_empty())]
        {
            if is_there {
                return Err(Failure::bad(format!("{what} are not supported")));
            }
        }
        let hosts = self.vhosts.iter().map(|host| &host.name);
        let hosts = hosts.chain(self.permissions.iter().filter_map(|each| each.vhost.as_ref()));
        let hosts = hosts.chain(self.policies.iter().filter_map(|each| each.vhost.as_ref()));
        let hosts = hosts.chain(self.queues.iter().filter_map(|each| each.vhost.as_ref()));
        let hosts = hosts.chain(self.exchanges.iter().filter_map(|each| each.vhost.as_ref()));
        let mut hosts = hosts.chain(self.bindings.iter().filter_map(|each| each.vhost.as_ref()));
        match hosts.find(|host| *host != VIRTUAL_HOST) {
            Some(host) => Err(Failure::bad(format!("there is the virtual host / only, and no {host}"))),
            None => Ok(()),
        }
    }

    async fn carry_out(self, site: &Site) -> Result<(), Failure> {
        let door = &site.administration;
        for Policy { name, wish, .. } in self.policies {
            door.put_policy(wish.named(name)?).await?;
        }
        for Queue { name, durable, auto_delete, mut arguments, kind, .. } in self.queues {
            if let Some(kind) = kind.filter(|_| !arguments.contains_key("x-queue-type")) {
                arguments.insert("x-queue-type".to_owned(), json!(kind));
            }
            let arguments = json::table(&arguments)?;
            door.declare_queue(QueueWish { name, is_durable: durable, is_auto_delete: auto_delete, arguments }).await?;
        }
        for Exchange { name, kind, durable, auto_delete, internal, arguments, .. } in self.exchanges {
            let wish = ExchangeWish {
                kind,
                is_durable: durable,
                is_auto_delete: auto_delete,
                is_internal: internal,
                arguments: json::table(&arguments)?,
            };
            door.declare_exchange(&name, wish).await?;
        }
        for Binding { source, destination, destination_type, routing_key, arguments, .. } in self.bindings {
            let leads = match &*destination_type {
                "queue" => Leads::ToQueue(destination),
                "exchange" => Leads::ToExchange(destination),
                other => return Err(Failure::bad(format!("a binding leads to no {other}"))),
            };
            // Every queue is bound to the default exchange by itself.
            if source.is_empty() {
                continue;
            }
            let arguments = json::table(&arguments)?;
            door.bind(BindingInfo { source, leads, key: routing_key.into(), arguments }).await?;
        }
        Ok(())
    }
}
